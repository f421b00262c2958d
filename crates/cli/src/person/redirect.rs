//! A file that leads a browser to the page. The page's address must not be an argument of the
//! browser: other users of this machine can list the arguments of every process.

use std::{
    env,
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::new_file;

/// Is removed when this is dropped.
pub(super) struct RedirectFile {
    directory: TempDir,
}

impl RedirectFile {
    /// In the home directory itself: a browser in a sandbox (snap) has a `/tmp` of its own, and sees
    /// nothing that is hidden, such as the directories for caches and for runtime files.
    pub(super) fn new(url: &str) -> io::Result<Self> {
        let home = env::home_dir().filter(|home| home.is_absolute());
        let at_home = home.and_then(|home| Self::within(&home, url).ok());
        at_home.map_or_else(|| Self::within(&env::temp_dir(), url), Ok)
    }

    fn within(parent: &Path, url: &str) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("matrix-qr-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)?;
        let file = Self { directory };
        new_file::write(&file.path(), document(url).as_bytes())?;
        Ok(file)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("sign-in.html")
    }
}

/// Neither quotes nor angle brackets are in a URL.
fn document(url: &str) -> String {
    format!(
        "<!doctype html>\n\
         <html lang=\"en\">\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"refresh\" content=\"0; url={url}\">\n\
         <title>Sign in with a QR code</title>\n\
         <p><a href=\"{url}\">Open the page</a></p>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_owner_reads_it_and_it_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let file = RedirectFile::within(parent.path(), "http://127.0.0.1:8787/abc/").unwrap();
        let path = file.path();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        drop(file);
        let left = parent.path().read_dir().unwrap();
        assert_eq!(left.count(), 0);
    }
}
