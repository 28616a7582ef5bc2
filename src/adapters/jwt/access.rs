//! Who else has their hands on the keys: how files of the folder are opened, and whose they must be.
//!
//! Root works in folders of others (`sudo gatepass keys rotate`), so the folder's owner may have put anything
//! under any name there.

#[cfg(not(unix))]
pub(super) use self::elsewhere::{check_folder, give_to_the_folders_owner, open_key, open_lock};
#[cfg(unix)]
pub(super) use self::unix::{check_folder, give_to_the_folders_owner, open_key, open_lock};

#[cfg(unix)]
mod unix {
    use std::{
        fs::{self, File, Metadata, OpenOptions},
        io::{self, ErrorKind},
        os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
        path::Path,
    };

    use rustix::{
        fs::{OFlags, StatVfsMountFlags, statvfs},
        process::geteuid,
    };

    use super::super::key_error::{KeyError, Reason, at};

    const ROOT: u32 = 0;

    /// Opens the file of a key. A FIFO does not make it wait for a writer. Links are followed: the files of a
    /// secret that Kubernetes mounts are links.
    pub(in super::super) fn open_key(path: &Path, folder: &Path) -> Result<File, Reason> {
        let file = File::options().read(true).custom_flags(flags(OFlags::NONBLOCK)).open(path)?;
        let folders_owner = fs::metadata(folder)?.uid();
        check_key(&file.metadata()?, &[ROOT, geteuid().as_raw(), folders_owner])?;
        Ok(file)
    }

    /// As PostgreSQL holds it with its key: 0600 at the most, or 0640 where it is root's, so that a secret mounted
    /// into a container can be the service's group's. Its owner could have changed it all the same.
    fn check_key(metadata: &Metadata, trusted: &[u32]) -> Result<(), Reason> {
        if !metadata.is_file() {
            return Err(Reason::NoFile);
        }
        if !trusted.contains(&metadata.uid()) {
            return Err(Reason::KeyOfAnother(metadata.uid()));
        }
        let forbidden = if metadata.uid() == ROOT { 0o037 } else { 0o077 };
        match metadata.mode() & 0o777 {
            mode if mode & forbidden != 0 => Err(Reason::OthersMayRead(mode)),
            _ => Ok(()),
        }
    }

    /// Whoever may write into the folder may add the key of their choice.
    pub(in super::super) fn check_folder(path: &Path) -> Result<(), KeyError> {
        let metadata = fs::metadata(path).map_err(at(path))?;
        check_owner(metadata.uid(), geteuid().as_raw()).map_err(at(path))?;
        // A secret that Kubernetes mounts is of mode 1777, and read-only.
        let is_read_only =
            || statvfs(path).is_ok_and(|mount| mount.f_flag.contains(StatVfsMountFlags::RDONLY));
        match metadata.mode() & 0o777 {
            mode if mode & 0o022 != 0 && !is_read_only() => Err(Reason::OthersMayWrite(mode).at(path)),
            _ => Ok(()),
        }
    }

    /// Root works for whoever owns the folder.
    fn check_owner(owner: u32, own: u32) -> Result<(), Reason> {
        if own == ROOT || [ROOT, own].contains(&owner) { Ok(()) } else { Err(Reason::FolderOfAnother(owner)) }
    }

    /// Opens the file to lock, or makes it.
    pub(in super::super) fn open_lock(path: &Path, folder: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.append(true).mode(0o600).custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK));
        match options.clone().create_new(true).open(path) {
            // Only a new one is given away: the folder's owner can move files of root to this name.
            Ok(file) => give_to_the_folders_owner(&file, folder).map(|()| file),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => options.open(path),
            Err(error) => Err(error),
        }
    }

    /// A file that root has just made is for the user that the service runs as.
    pub(in super::super) fn give_to_the_folders_owner(file: &File, folder: &Path) -> io::Result<()> {
        let (own, folder) = (file.metadata()?, fs::metadata(folder)?);
        // A second link might be a name outside of the folder.
        if own.is_file() && own.nlink() == 1 && own.uid() == ROOT && folder.uid() != ROOT {
            fchown(file, Some(folder.uid()), Some(folder.gid()))?;
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
        fn a_folder_is_roots_or_ones_own_and_root_works_in_any() {
            let is_trusted = |owner, own| check_owner(owner, own).is_ok();
            assert!(is_trusted(0, 65532) && is_trusted(65532, 65532) && is_trusted(65532, 0));
            assert!(!is_trusted(1000, 65532));
        }

        #[test]
        fn a_key_is_of_somebody_trusted() {
            let file = tempfile::NamedTempFile::new().unwrap();
            let metadata = file.as_file().metadata().unwrap();
            assert!(check_key(&metadata, &[metadata.uid()]).is_ok());
            let error = check_key(&metadata, &[metadata.uid() + 1]).unwrap_err();
            assert!(matches!(error, Reason::KeyOfAnother(_)), "{error}");
        }
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::{fs::File, io, path::Path};

    use super::super::key_error::{KeyError, Reason, at};

    pub(in super::super) fn open_key(path: &Path, _: &Path) -> Result<File, Reason> {
        Ok(File::open(path)?)
    }

    pub(in super::super) fn check_folder(path: &Path) -> Result<(), KeyError> {
        path.metadata().map(drop).map_err(at(path))
    }

    pub(in super::super) fn open_lock(path: &Path, _: &Path) -> io::Result<File> {
        File::options().create(true).append(true).open(path)
    }

    pub(in super::super) fn give_to_the_folders_owner(_: &File, _: &Path) -> io::Result<()> {
        Ok(())
    }
}
