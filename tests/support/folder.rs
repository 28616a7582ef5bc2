//! A temporary folder, removed with its value.

use std::{fs, path::Path};

use tempfile::TempDir;

pub struct Folder(TempDir);

impl Folder {
    pub fn create() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of a file in the folder; the file need not exist.
    pub fn file(&self, name: &str) -> String {
        self.path().join(name).into_os_string().into_string().expect("UTF-8")
    }

    /// Writes a file in the folder and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path().join(name), content).expect("a file");
        self.file(name)
    }
}
