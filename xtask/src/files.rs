//! Files and directories, with errors that name them. Paths are from the root of the checkout.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::run::TaskResult;

/// Makes a directory, if it is not there.
pub(crate) fn make(directory: impl AsRef<Path>) -> TaskResult {
    let directory = directory.as_ref();
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}

/// Makes an empty directory.
pub(crate) fn empty(directory: &str) -> TaskResult {
    remove(directory)?;
    make(directory)
}

/// Removes a directory, if it is there.
pub(crate) fn remove(directory: &str) -> TaskResult {
    if Path::new(directory).exists() {
        fs::remove_dir_all(directory).map_err(|error| format!("{directory}: {error}"))?;
    }
    Ok(())
}

/// A text.
pub(crate) fn read(path: impl AsRef<Path>) -> Result<String, String> {
    let path = path.as_ref();
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Of any kind.
pub(crate) fn bytes(path: impl AsRef<Path>) -> Result<Vec<u8>, String> {
    let path = path.as_ref();
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Says how large a file is, and fails if that is more bytes than it may have.
pub(crate) fn is_small(file: impl AsRef<Path>, largest: u64) -> TaskResult {
    let name = file.as_ref().display();
    let size = fs::metadata(&file).map_err(|error| format!("{name}: {error}"))?;
    let size = size.len();
    eprintln!("{name}: {size} bytes (at most {largest})");
    if size <= largest {
        return Ok(());
    }
    Err(format!("{name} is too large"))
}

pub(crate) fn write(path: impl AsRef<Path>, text: &str) -> TaskResult {
    let path = path.as_ref();
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// A copy in this directory, under the same name. Returns its path.
pub(crate) fn copy(file: impl AsRef<Path>, to: &str) -> Result<PathBuf, String> {
    let file = file.as_ref();
    let name = file.file_name().ok_or("no file name")?.to_string_lossy();
    copy_as(file, to, &name)
}

/// A copy in this directory, under this name. Returns its path.
pub(crate) fn copy_as(file: impl AsRef<Path>, to: &str, name: &str) -> Result<PathBuf, String> {
    let (file, copy) = (file.as_ref(), Path::new(to).join(name));
    fs::copy(file, &copy).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(copy)
}

/// Absolute, for a program that runs in another directory.
pub(crate) fn here(path: impl AsRef<Path>) -> Result<PathBuf, String> {
    let path = path.as_ref();
    std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))
}
