//! A temporary folder, deleted on drop.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

pub struct Folder(TempDir);

/// Returns the parent directory of the temporary folders. It is in memory if possible, because SQLite waits for the
/// disk at each commit.
fn parent() -> PathBuf {
    const REQUIRED_SPACE: u64 = 1 << 30;
    let memory = PathBuf::from("/dev/shm");
    let has_space = rustix::fs::statvfs(&memory).is_ok_and(|fs| fs.f_bavail * fs.f_frsize >= REQUIRED_SPACE);
    if has_space { memory } else { env::temp_dir() }
}

impl Folder {
    pub fn create() -> Self {
        Self(tempfile::tempdir_in(parent()).expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of a file in the folder. The file need not exist.
    pub fn file(&self, name: &str) -> String {
        self.path().join(name).into_os_string().into_string().expect("UTF-8")
    }

    /// Writes a file in the folder and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path().join(name), content).expect("a file");
        self.file(name)
    }
}
