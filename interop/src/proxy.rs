//! Starts a real nginx in front of Synapse and our server, with the lines of docs/deploy.md for
//! MSC4388.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{net::TcpStream, process::Command, time::sleep};

use crate::{ports::Ports, process::DrivenProcess};

const NGINX: &str = "/usr/sbin/nginx";
const GUIDE: &str = include_str!("../../docs/deploy.md");
const START: Duration = Duration::from_secs(10);

pub(crate) async fn start(run: &Path, ports: Ports) -> Result<DrivenProcess> {
    fs::write(run.join("nginx.conf"), configuration(ports)?)?;
    let mut command = Command::new(NGINX);
    command
        .arg("-p")
        .arg(run)
        .arg("-c")
        .arg(run.join("nginx.conf"))
        .args(["-e", "stderr"]);
    let process = DrivenProcess::start("nginx", &mut command, run);
    let process = process.context("nginx is missing: apt-get install nginx-light")?;
    let step = Duration::from_millis(20);
    for _ in 0..START.as_millis() / step.as_millis() {
        if TcpStream::connect(("127.0.0.1", ports.public))
            .await
            .is_ok()
        {
            return Ok(process);
        }
        sleep(step).await;
    }
    bail!("nginx did not start: see nginx.log")
}

/// The lines of the guide, with the ports of this run.
fn configuration(
    Ports {
        homeserver,
        public,
        rendezvous,
        ..
    }: Ports,
) -> Result<String> {
    let (_, section) = GUIDE
        .split_once("\n## 5. ")
        .context("docs/deploy.md has no section 5")?;
    let (_, lines) = section
        .split_once("```nginx\n")
        .context("section 5 has no lines for nginx")?;
    let (lines, _) = lines
        .split_once("```")
        .context("the lines for nginx do not end")?;
    ensure!(
        lines.contains("http://127.0.0.1:8090"),
        "the guide uses another port"
    );
    let lines = lines.replace("127.0.0.1:8090", &format!("127.0.0.1:{rendezvous}"));
    Ok(format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr; events {{}}
http {{
    access_log off;
    log_format upload escape=json '{{\"status\":$status,\"body\":\"$request_body\"}}';
    client_body_buffer_size 1m;
    client_body_temp_path body; proxy_temp_path proxied; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{public};
        listen [::1]:{public};
{lines}
        location ~ ^/_matrix/client/[^/]+/keys/upload {{
            access_log uploads.log upload;
            proxy_pass http://127.0.0.1:{homeserver};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
        }}
        location / {{
            proxy_pass http://127.0.0.1:{homeserver};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            client_max_body_size 50M;
        }}
    }}
}}
"
    ))
}
