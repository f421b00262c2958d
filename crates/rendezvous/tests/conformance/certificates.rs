//! Certificates of the tests' own, made with openssl.

use std::{fs, process::Command};

use tempfile::TempDir;

const OPENSSL: &str = "/usr/bin/openssl";

pub(crate) struct Certificates(TempDir);

impl Certificates {
    /// Two authorities; a server certificate of the first for 127.0.0.1, and a client certificate.
    pub(crate) fn new() -> Self {
        let certificates = Self(tempfile::tempdir().unwrap());
        certificates.authority("ca");
        certificates.authority("other");
        certificates.signed(
            "server",
            "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n",
        );
        certificates.signed("client", "extendedKeyUsage=clientAuth\n");
        certificates
    }

    /// The path of `ca.pem`, `server.key` and so on.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn pem(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn authority(&self, name: &str) {
        let (key, pem, subject) = (
            format!("{name}.key"),
            format!("{name}.pem"),
            format!("/CN={name}"),
        );
        self.openssl(
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ],
            &["-keyout", &key, "-out", &pem, "-subj", &subject],
        );
    }

    fn signed(&self, name: &str, extensions: &str) {
        let (key, pem, request) = (
            format!("{name}.key"),
            format!("{name}.pem"),
            format!("{name}.csr"),
        );
        let (subject, extended) = (format!("/CN={name}"), format!("{name}.ext"));
        fs::write(
            self.path(&extended),
            format!("basicConstraints=CA:FALSE\n{extensions}"),
        )
        .unwrap();
        self.openssl(
            &[
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ],
            &["-keyout", &key, "-out", &request, "-subj", &subject],
        );
        self.openssl(
            &[
                "x509",
                "-req",
                "-CA",
                "ca.pem",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-days",
                "2",
            ],
            &["-in", &request, "-out", &pem, "-extfile", &extended],
        );
    }

    fn openssl(&self, how: &[&str], what: &[&str]) {
        let output = Command::new(OPENSSL)
            .args(how)
            .args(what)
            .current_dir(&self.0)
            .output();
        let output =
            output.unwrap_or_else(|error| panic!("{OPENSSL}: {error}; apt-get install openssl"));
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
