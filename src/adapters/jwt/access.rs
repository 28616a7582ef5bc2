//! Ownership and access modes of the key directory and its files.
//!
//! Root works in directories of other users (`sudo gatepass keys rotate`), so the owner of the directory may have put any
//! file under any name.

use std::{
    fs::{self, File, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

use rustix::{
    fs::{OFlags, StatVfsMountFlags, statvfs},
    process::geteuid,
};

use super::key_error::{KeyError, Reason, at};

const ROOT: u32 = 0;

/// Opens a key file, without waiting for a writer if it is a FIFO. Symbolic links are followed: the files of a secret
/// that Kubernetes mounts are links.
pub(super) fn open_key(path: &Path, directory: &Path) -> Result<File, Reason> {
    let file = File::options().read(true).custom_flags(flags(OFlags::NONBLOCK)).open(path)?;
    let owner = fs::metadata(directory)?.uid();
    check_key(&file.metadata()?, &[ROOT, geteuid().as_raw(), owner])?;
    Ok(file)
}

/// Checks what PostgreSQL checks of its key: mode 0600 or less, or 0640 if root owns the file, so that the group of a
/// service in a container can read a mounted secret.
fn check_key(metadata: &Metadata, trusted_owners: &[u32]) -> Result<(), Reason> {
    if !metadata.is_file() {
        return Err(Reason::NotAFile);
    }
    if !trusted_owners.contains(&metadata.uid()) {
        return Err(Reason::KeyOwner(metadata.uid()));
    }
    let forbidden = if metadata.uid() == ROOT { 0o037 } else { 0o077 };
    let mode = metadata.mode() & 0o777;
    if mode & forbidden == 0 { Ok(()) } else { Err(Reason::KeyMode(mode)) }
}

/// Checks that nobody else can add a key.
pub(super) fn check_directory(path: &Path) -> Result<(), KeyError> {
    let metadata = fs::metadata(path).map_err(at(path))?;
    check_owner(metadata.uid(), geteuid().as_raw()).map_err(at(path))?;
    // A secret that Kubernetes mounts has mode 1777 and is read-only.
    let is_read_only = || statvfs(path).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY));
    let mode = metadata.mode() & 0o777;
    if mode & 0o022 == 0 || is_read_only() { Ok(()) } else { Err(Reason::DirectoryMode(mode).at(path)) }
}

/// Root works in the directories of all users.
fn check_owner(owner: u32, own: u32) -> Result<(), Reason> {
    if own == ROOT || [ROOT, own].contains(&owner) { Ok(()) } else { Err(Reason::DirectoryOwner(owner)) }
}

/// Opens or creates the lock file.
pub(super) fn open_lock(path: &Path, directory: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.append(true).mode(0o600).custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK));
    match options.clone().create_new(true).open(path) {
        // Only a new file changes its owner: the directory's owner can move files of root to this name.
        Ok(file) => give_to_directory_owner(&file, directory).map(|()| file),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// Gives a file that root has just created to the user that the service runs as.
pub(super) fn give_to_directory_owner(file: &File, directory: &Path) -> io::Result<()> {
    let (own, directory) = (file.metadata()?, fs::metadata(directory)?);
    // A second link may be a name outside of the directory.
    if own.is_file() && own.nlink() == 1 && own.uid() == ROOT && directory.uid() != ROOT {
        fchown(file, Some(directory.uid()), Some(directory.gid()))?;
    }
    Ok(())
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_of_another_user_is_rejected_unless_root_reads_it() {
        let is_trusted = |owner, own| check_owner(owner, own).is_ok();
        assert!(is_trusted(0, 65532) && is_trusted(65532, 65532) && is_trusted(65532, 0));
        assert!(!is_trusted(1000, 65532));
    }

    #[test]
    fn key_of_an_untrusted_owner_is_rejected() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let metadata = file.as_file().metadata().unwrap();
        assert!(check_key(&metadata, &[metadata.uid()]).is_ok());
        let error = check_key(&metadata, &[metadata.uid() + 1]).unwrap_err();
        assert!(matches!(error, Reason::KeyOwner(_)), "{error}");
    }
}
