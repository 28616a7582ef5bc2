//! Access to the key directory on systems without Unix file modes, where nothing is checked.

use std::{fs::File, io, path::Path};

use super::key_error::{KeyError, Reason, at};

pub(super) fn open_key(path: &Path, _: &Path) -> Result<File, Reason> {
    Ok(File::open(path)?)
}

pub(super) fn restrict_to_owner(_: &Path) {}

pub(super) fn check_directory(path: &Path) -> Result<(), KeyError> {
    path.metadata().map(drop).map_err(at(path))
}

pub(super) fn open_lock(path: &Path, _: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

pub(super) fn give_to_directory_owner(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}
