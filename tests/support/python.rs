//! A virtual environment with the Python peers that some tests compare with.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
    sync::LazyLock,
};

const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fastapi/requirements.txt");

/// A program of the environment (`python`, `uvicorn`), or why there is none. The environment is made once, in
/// cargo's target folder, and made anew when the requirements change.
pub fn program(name: &str) -> Result<PathBuf, String> {
    static ENVIRONMENT: LazyLock<Result<PathBuf, String>> = LazyLock::new(make);
    ENVIRONMENT.clone().map(|environment| environment.join("bin").join(name))
}

fn make() -> Result<PathBuf, String> {
    let environment = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("python");
    // Several test binaries may run at once: the first one makes it.
    let lock = File::create(environment.with_extension("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;

    let (wanted, made) = (fs::read_to_string(REQUIREMENTS), environment.join("requirements.txt"));
    let wanted = wanted.map_err(|error| error.to_string())?;
    if fs::read_to_string(&made).is_ok_and(|made| made == wanted) {
        return Ok(environment);
    }
    let _ = fs::remove_dir_all(&environment);
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    run(Command::new(environment.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        REQUIREMENTS,
    ]))?;
    fs::write(&made, wanted).map_err(|error| error.to_string())?;
    Ok(environment)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?} does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {}", said.lines().last().unwrap_or("it says nothing")))
}
