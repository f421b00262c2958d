//! Files and directories for their owner alone.

pub(crate) use platform::{dir, file, mode, restrict, sync_dir};

#[cfg(unix)]
mod platform {
    use std::{
        fs::{self, DirBuilder, File, OpenOptions, Permissions},
        io,
        os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
        path::Path,
    };

    /// The permission bits.
    pub(crate) fn mode(path: &Path) -> io::Result<u32> {
        Ok(fs::metadata(path)?.permissions().mode() & 0o777)
    }

    pub(crate) fn restrict(path: &Path, mode: u32) -> io::Result<()> {
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Makes directories of mode 0700.
    pub(crate) fn dir() -> DirBuilder {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        builder
    }

    /// Opens files to be written; new ones have the mode 0600.
    pub(crate) fn file() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        options
    }

    /// The rename of a file must survive a crash.
    pub(crate) fn sync_dir(file: &Path) -> io::Result<()> {
        file.parent()
            .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }
}

/// Where there are no permission bits, the directory's own access list is what protects it.
#[cfg(not(unix))]
mod platform {
    use std::{
        fs::{DirBuilder, OpenOptions},
        io,
        path::Path,
    };

    pub(crate) fn mode(_: &Path) -> io::Result<u32> {
        Ok(0)
    }

    pub(crate) fn restrict(_: &Path, _: u32) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn dir() -> DirBuilder {
        DirBuilder::new()
    }

    pub(crate) fn file() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true);
        options
    }

    pub(crate) fn sync_dir(_: &Path) -> io::Result<()> {
        Ok(())
    }
}
