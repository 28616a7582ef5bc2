//! JavaScript packages for tests.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use super::python::run;

/// The oldest major version of Node.js with which the packages work.
const OLDEST: u32 = 20;

/// Installs the packages of a `package.json` in Cargo's target folder if they are missing, and copies `script` there.
/// Returns the path of the copy. If that fails, returns the reason.
pub fn install(package: &Path, script: &Path) -> Result<PathBuf, String> {
    let version = Command::new("node")
        .arg("--version")
        .output()
        .map_err(|error| format!("cannot run node: {error}"))?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok());
    if major.is_none_or(|major: u32| major < OLDEST) {
        return Err(format!("the packages need Node.js {OLDEST} or later, but found {version}"));
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("node");
    // Several test binaries may run concurrently, but only one may install the packages.
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
