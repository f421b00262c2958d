//! How the proxies are set up: plainly, and so that they compress what they can.

use crate::program::Program;

/// What a package brings around a site, in one directory and one process.
pub(crate) fn around(program: Program, site: &str) -> String {
    match program {
        Program::Nginx => NGINX.replace("SITE", site),
        Program::Apache => APACHE.replace("SITE", site),
        Program::Haproxy => format!("global\n    maxconn 100\n{site}"),
        Program::Caddy => format!("{{\n\tadmin off\n\tauto_https off\n}}\n{site}"),
        Program::Varnish => site.to_owned(),
    }
}

/// Each passes on who asks as it does by itself, or as is usual: by appending to what the client
/// says.
pub(crate) fn plain(program: Program) -> &'static str {
    match program {
        Program::Nginx => {
            "server {
                listen LISTEN;
                location / {
                    proxy_pass http://BACKEND;
                    proxy_http_version 1.1;
                    proxy_request_buffering off;
                    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                }
            }"
        }
        Program::Apache => "Listen LISTEN\nProxyPass / http://BACKEND/",
        Program::Haproxy => {
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
    option forwardfor
    server one BACKEND
"
        }
        Program::Caddy => {
            "http://127.0.0.1:PORT, http://rendezvous.example.org:PORT {\n\treverse_proxy BACKEND\n}\n"
        }
        Program::Varnish => VARNISH,
    }
}

pub(crate) fn compressing(program: Program) -> &'static str {
    match program {
        Program::Nginx => {
            "gzip on; gzip_types *; gzip_proxied any;
            server { listen LISTEN; location / { proxy_pass http://BACKEND; } }"
        }
        Program::Apache => {
            "Listen LISTEN\nProxyPass / http://BACKEND/\nInclude /etc/apache2/mods-available/deflate.conf"
        }
        Program::Haproxy => {
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
    compression algo gzip
    compression type text/plain application/json
    server one BACKEND
"
        }
        Program::Caddy => {
            "http://127.0.0.1:PORT, http://rendezvous.example.org:PORT {\n\tencode gzip\n\treverse_proxy BACKEND\n}\n"
        }
        Program::Varnish => VARNISH,
    }
}

/// HTTP/2 to what is behind it.
pub(crate) const HAPROXY_HTTP2: &str = "
frontend front
    mode http
    bind LISTEN
    timeout client 60s
    default_backend back
backend back
    mode http
    timeout connect 5s
    timeout server 60s
    server one BACKEND proto h2
";

pub(crate) const CADDY_HTTP2: &str = "http://127.0.0.1:PORT, http://rendezvous.example.org:PORT {\n\treverse_proxy h2c://BACKEND\n}\n";

const NGINX: &str = "
    daemon off; master_process off; pid nginx.pid; error_log stderr crit; events {}
    http {
        access_log off;
        client_body_temp_path body; proxy_temp_path proxy;
        fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
        SITE
    }";

/// The user is Debian's, where it is started by root.
const APACHE: &str = "
ServerName 127.0.0.1
PidFile DIRECTORY/apache.pid
DefaultRuntimeDir DIRECTORY
Mutex posixsem
ErrorLog /dev/stderr
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule filter_module /usr/lib/apache2/modules/mod_filter.so
LoadModule deflate_module /usr/lib/apache2/modules/mod_deflate.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
SITE
";

/// As Debian's package has it.
const VARNISH: &str =
    "vcl 4.1; backend default { .host = \"127.0.0.1\"; .port = \"BACKEND_PORT\"; }";
