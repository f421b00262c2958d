//! Sites for the proxies: plain, and compressing what they can.

use crate::program::ProxyProgram;

const CADDY_SITE: &str = "http://127.0.0.1:PORT, http://rendezvous.example.org:PORT";

/// Each proxy forwards the client's address in its usual way: it appends to what the client sent.
pub(crate) fn plain(program: ProxyProgram) -> String {
    match program {
        ProxyProgram::Nginx => "server {
            listen LISTEN;
            location / {
                proxy_pass http://BACKEND;
                proxy_http_version 1.1;
                proxy_request_buffering off;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            }
        }"
        .to_owned(),
        ProxyProgram::Apache => "Listen LISTEN\nProxyPass / http://BACKEND/".to_owned(),
        ProxyProgram::Haproxy => haproxy("option forwardfor\nserver one BACKEND"),
        ProxyProgram::Caddy => caddy("reverse_proxy BACKEND"),
        ProxyProgram::Varnish => VARNISH.to_owned(),
    }
}

pub(crate) fn compressing(program: ProxyProgram) -> String {
    match program {
        ProxyProgram::Nginx => "gzip on; gzip_types *; gzip_proxied any;
            server { listen LISTEN; location / { proxy_pass http://BACKEND; } }"
            .to_owned(),
        ProxyProgram::Apache => {
            let compression = "Include /etc/apache2/mods-available/deflate.conf";
            format!("{}\n{compression}", plain(program))
        }
        ProxyProgram::Haproxy => haproxy(
            "compression algo gzip\ncompression type text/plain application/json\nserver one BACKEND",
        ),
        ProxyProgram::Caddy => caddy("encode gzip\nreverse_proxy BACKEND"),
        ProxyProgram::Varnish => VARNISH.to_owned(),
    }
}

/// HTTP/2 between the proxy and the server.
pub(crate) fn haproxy_http2() -> String {
    haproxy("server one BACKEND proto h2")
}

/// HTTP/2 between the proxy and the server.
pub(crate) fn caddy_http2() -> String {
    caddy("reverse_proxy h2c://BACKEND")
}

/// With these lines about the server behind it.
fn haproxy(backend: &str) -> String {
    format!(
        "
frontend front
    mode http
    bind LISTEN
    timeout client 60s
    default_backend back
backend back
    mode http
    timeout connect 5s
    timeout server 60s
    {backend}
"
    )
}

fn caddy(directives: &str) -> String {
    format!("{CADDY_SITE} {{\n{directives}\n}}\n")
}

/// As Debian's package configures it.
const VARNISH: &str =
    "vcl 4.1; backend default { .host = \"127.0.0.1\"; .port = \"BACKEND_PORT\"; }";
