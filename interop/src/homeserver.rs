//! Starts a real Synapse that delegates authorization to our authorization server.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use matrix_sdk::reqwest;
use tokio::{process::Command, time::sleep};

use crate::{config::InteropConfig, ports::Ports, process::DrivenProcess};

/// The secret that Synapse and the authorization server share.
pub(crate) const SECRET: &str = "shared-by-two-servers-on-this-machine";

const START: Duration = Duration::from_secs(60);

/// `rendezvous` is the line of its configuration about rendezvous sessions.
pub(crate) async fn start(
    config: &InteropConfig,
    run: &Path,
    ports: Ports,
    rendezvous: &str,
) -> Result<DrivenProcess> {
    let key = Command::new(config.python.with_file_name("generate_signing_key"))
        .args(["-o", "signing.key"])
        .current_dir(run)
        .status();
    ensure!(
        key.await.context("Synapse is not installed")?.success(),
        "generate_signing_key failed"
    );
    fs::write(
        run.join("homeserver.yaml"),
        configuration(ports, rendezvous),
    )?;
    let mut command = Command::new(&config.python);
    command
        .args(["-m", "synapse.app.homeserver", "-c", "homeserver.yaml"])
        .current_dir(run);
    let process = DrivenProcess::start("synapse", &mut command, run)?;
    healthy(ports.homeserver).await?;
    Ok(process)
}

/// For one account, without federation and without rate limits on messages.
fn configuration(
    Ports {
        homeserver,
        public,
        authority,
        ..
    }: Ports,
    rendezvous: &str,
) -> String {
    format!(
        r#"
server_name: "localhost:{public}"
public_baseurl: "http://localhost:{public}/"
signing_key_path: signing.key
media_store_path: media
report_stats: false
trusted_key_servers: []
macaroon_secret_key: "of one run"
form_secret: "of one run"
password_config: {{ enabled: false }}
database: {{ name: sqlite3, args: {{ database: homeserver.db }} }}
listeners:
  - {{ port: {homeserver}, tls: false, type: http, bind_addresses: ["127.0.0.1"], resources: [{{ names: [client], compress: false }}] }}
matrix_authentication_service: {{ enabled: true, endpoint: "http://127.0.0.1:{authority}/", secret: "{SECRET}" }}
experimental_features: {{ {rendezvous} }}
rc_message: {{ per_second: 1000, burst_count: 1000 }}
"#
    )
}

async fn healthy(port: u16) -> Result<()> {
    let client = reqwest::Client::new();
    let step = Duration::from_millis(100);
    for _ in 0..START.as_millis() / step.as_millis() {
        let answer = client
            .get(format!("http://127.0.0.1:{port}/health"))
            .send()
            .await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        sleep(step).await;
    }
    bail!("Synapse did not start within {} s", START.as_secs())
}
