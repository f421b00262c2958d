//! A real Synapse that delegates authorization to ours.

use std::{fs, net::TcpListener, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use matrix_sdk::reqwest;
use tokio::{process::Command, time::sleep};

use crate::{Places, process::Process, test_env::Ports};

/// What Synapse and the authorization server know each other by.
pub(crate) const SECRET: &str = "known-to-these-two-on-this-machine-only";

const START: Duration = Duration::from_secs(60);

/// A port that nobody has now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// `rendezvous` is a line of its configuration.
pub(crate) async fn start(
    places: &Places,
    run: &Path,
    ports: Ports,
    rendezvous: &str,
) -> Result<Process> {
    let key = Command::new(places.python.with_file_name("generate_signing_key"))
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
    let mut command = Command::new(&places.python);
    command
        .args(["-m", "synapse.app.homeserver", "-c", "homeserver.yaml"])
        .current_dir(run);
    let process = Process::start("synapse", &mut command, run)?;
    healthy(ports.homeserver).await?;
    Ok(process)
}

/// One account, no federation, nobody to be protected from messages that come fast.
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
    bail!("Synapse does not come up within {} s", START.as_secs())
}

/// What is installed.
pub(crate) async fn version(places: &Places) -> Result<String> {
    let ask = "import importlib.metadata as m; print(m.version('matrix-synapse'))";
    let said = Command::new(&places.python)
        .args(["-c", ask])
        .output()
        .await?;
    Ok(String::from_utf8(said.stdout)?.trim().to_owned())
}
