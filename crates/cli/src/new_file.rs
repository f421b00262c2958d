//! Files that appear complete or not at all.

use std::{
    io::{self, Write as _},
    path::Path,
};

/// Writes a file in one step, readable by its owner only. It never replaces an existing file.
pub(crate) fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(directory(path))?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)
        .map(drop)
        .map_err(|error| error.error)
}

/// The directory of a file with this name.
pub(crate) fn directory(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}
