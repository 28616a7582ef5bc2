//! JavaScript packages for tests.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use super::python::run;

/// Installs the packages of a `package.json` in Cargo's target folder, unless they are there, and returns a copy of
/// `script` that finds them; or returns why that is impossible.
pub fn install(package: &Path, script: &Path) -> Result<PathBuf, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("node");
    // Several test binaries may run concurrently.
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;

    let (wanted, installed) = (fs::read_to_string(package).expect("a package"), folder.join("package.json"));
    if fs::read_to_string(&installed).is_ok_and(|installed| installed != wanted) {
        let _ = fs::remove_dir_all(folder.join("node_modules"));
    }
    if !folder.join("node_modules/.package-lock.json").exists() {
        fs::write(&installed, wanted).map_err(|error| error.to_string())?;
        let arguments = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"];
        run(Command::new("npm").args(arguments).current_dir(&folder))?;
    }
    let copy = folder.join(script.file_name().expect("a file"));
    fs::copy(script, &copy).map_err(|error| error.to_string())?;
    Ok(copy)
}
