//! A small file system that a test can fill or make read-only.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use super::{folder::Folder, python::run};

/// An in-memory file system, mounted on a temporary folder.
pub struct Disk {
    folder: Folder,
}

impl Disk {
    /// Mounts a disk of the given size, such as `1m`. If that fails, returns the reason.
    pub fn mount(size: &str) -> Result<Self, String> {
        let disk = Self { folder: Folder::create() };
        let options = format!("size={size},mode=700");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(disk.path()))?;
        Ok(disk)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills all free space.
    pub fn fill(&self) {
        let mut filler = fs::File::create(self.filler()).unwrap();
        for size in [64 * 1024, 4096, 1] {
            loop {
                match filler.write(&vec![b'x'; size]) {
                    Ok(1..) => {}
                    Ok(_) => break,
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    /// Frees the space that [`Self::fill`] filled.
    pub fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    /// Makes the disk read-only. This fails while a file is open for writing.
    pub fn protect(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()))
    }

    pub fn unprotect(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "remount,rw"]).arg(self.path()))
    }

    /// Mounts this disk a second time, read-only and at another path.
    pub fn read_only(&self) -> Result<Self, String> {
        let disk = Self { folder: Folder::create() };
        run(Command::new("mount").arg("--bind").args([self.path(), disk.path()]))?;
        run(Command::new("mount").args(["-o", "remount,bind,ro"]).arg(disk.path()))?;
        Ok(disk)
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg("--lazy").arg(self.path()));
    }
}
