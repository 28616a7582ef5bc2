//! Ownership and access modes of the key directory and its files.
//!
//! Root may work in a directory of another user (`sudo gatepass keys rotate`). That user could have put any file there,
//! under any name.

use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::Path,
};

use rustix::{
    fs::{OFlags, StatVfsMountFlags, statvfs},
    process::{getegid, geteuid, getgroups},
};

use super::key_error::{KeyError, Reason, at};

const ROOT: u32 = 0;

/// Opens a key file and checks its owner and mode. Does not block on a FIFO. Follows symbolic links, because Kubernetes
/// mounts the files of a secret as links.
pub(super) fn open_key(path: &Path, directory: &Path) -> Result<File, Reason> {
    let file = File::options().read(true).custom_flags(flags(OFlags::NONBLOCK)).open(path)?;
    let owner = fs::metadata(directory)?.uid();
    check_key(&file.metadata()?, &[ROOT, geteuid().as_raw(), owner])?;
    Ok(file)
}

/// Checks owner and mode by the same rules as PostgreSQL: mode 0600 or stricter, or 0640 if root owns the file, so that
/// the group of a service in a container can read a mounted secret. Files in a Kubernetes volume may have mode 0660.
fn check_key(metadata: &Metadata, trusted_owners: &[u32]) -> Result<(), Reason> {
    if !metadata.is_file() {
        return Err(Reason::NotAFile);
    }
    if !trusted_owners.contains(&metadata.uid()) {
        return Err(Reason::KeyOwner(metadata.uid()));
    }
    let forbidden = if metadata.uid() == ROOT { 0o037 } else { 0o077 };
    let mode = metadata.mode() & 0o777;
    if mode & forbidden == 0 || is_shared_by_platform(metadata) { Ok(()) } else { Err(Reason::KeyMode(mode)) }
}

/// Returns whether root or this user owns a file or directory, and a group of this process can write to it, but other
/// users cannot. A file must not be readable by other users either. Kubernetes grants such access to the `fsGroup` of a
/// volume at each start.
fn is_shared_by_platform(metadata: &Metadata) -> bool {
    let groups = getgroups().unwrap_or_default();
    let is_own_group = groups.iter().chain([&getegid()]).any(|group| group.as_raw() == metadata.gid());
    let is_own = [ROOT, geteuid().as_raw()].contains(&metadata.uid());
    let is_readable_by_others = metadata.is_file() && metadata.mode() & 0o004 != 0;
    is_own && is_own_group && metadata.mode() & 0o022 == 0o020 && !is_readable_by_others
}

/// Removes the group access that Kubernetes granted to a file or directory owned by this user: write access for a
/// directory, all access for a file. Failures are ignored.
pub(super) fn restrict_to_owner(path: &Path) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if metadata.is_symlink() || metadata.uid() != geteuid().as_raw() || !is_shared_by_platform(&metadata) {
        return;
    }
    let group = if metadata.is_dir() { 0o020 } else { 0o077 };
    let mode = metadata.mode() & 0o7777 & !group;
    if fs::set_permissions(path, Permissions::from_mode(mode)).is_ok() {
        log::warn!("{}: was writable by its group; changed the mode to {mode:o}", path.display());
    }
}

/// Checks that other users cannot add keys.
pub(super) fn check_directory(path: &Path) -> Result<(), KeyError> {
    let metadata = fs::metadata(path).map_err(at(path))?;
    check_owner(metadata.uid(), geteuid().as_raw()).map_err(at(path))?;
    // Kubernetes mounts secrets with mode 1777, but read-only.
    let is_read_only = || statvfs(path).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY));
    let mode = metadata.mode() & 0o777;
    if mode & 0o022 == 0 || is_shared_by_platform(&metadata) || is_read_only() {
        Ok(())
    } else {
        Err(Reason::DirectoryMode(mode).at(path))
    }
}

/// Checks the owner of the directory. Root may work in the directory of any user.
fn check_owner(owner: u32, own: u32) -> Result<(), Reason> {
    if own == ROOT || [ROOT, own].contains(&owner) { Ok(()) } else { Err(Reason::DirectoryOwner(owner)) }
}

/// Opens or creates the lock file.
pub(super) fn open_lock(path: &Path, directory: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.append(true).mode(0o600).custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK));
    match options.clone().create_new(true).open(path) {
        // Only a new file is given to the directory's owner, who could have moved an existing file that root owns to
        // this name.
        Ok(file) => give_to_directory_owner(&file, directory).map(|()| file),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// Gives a file that root has just created to the owner of the directory, because the service runs as that user.
pub(super) fn give_to_directory_owner(file: &File, directory: &Path) -> io::Result<()> {
    let (own, directory) = (file.metadata()?, fs::metadata(directory)?);
    // A file with a second hard link might also exist outside the directory.
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
    fn directory_of_another_user_is_rejected_unless_root_uses_it() {
        let is_trusted = |owner, user| check_owner(owner, user).is_ok();
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
