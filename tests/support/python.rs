//! Virtual environments with Python programs for tests and benchmarks.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
    sync::OnceLock,
};

/// A virtual environment in Cargo's target folder with the packages of one `requirements.txt` under `tests/`. The
/// environment is created again when that file changes.
pub struct Environment {
    tests: &'static str,
    created: OnceLock<Result<PathBuf, String>>,
}

/// Returns the path of a program in FastAPI's environment, such as `python` or `uvicorn`, or the reason why it is
/// missing.
pub fn program(name: &str) -> Result<PathBuf, String> {
    static FASTAPI: Environment = Environment::of("fastapi");
    FASTAPI.program(name)
}

impl Environment {
    pub const fn of(tests: &'static str) -> Self {
        Self { tests, created: OnceLock::new() }
    }

    /// Returns the path of a program in the environment, or the reason why it is missing.
    pub fn program(&self, name: &str) -> Result<PathBuf, String> {
        self.created
            .get_or_init(|| self.create())
            .clone()
            .map(|environment| environment.join("bin").join(name))
    }

    fn create(&self) -> Result<PathBuf, String> {
        let requirements = format!("{}/tests/{}/requirements.txt", env!("CARGO_MANIFEST_DIR"), self.tests);
        let environment = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{}", self.tests));
        // Several test binaries may run concurrently, but only one may create the environment.
        let lock = File::create(environment.with_extension("lock")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;

        let (wanted, installed) = (fs::read_to_string(&requirements), environment.join("requirements.txt"));
        let wanted = wanted.map_err(|error| error.to_string())?;
        if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
            return Ok(environment);
        }
        let _ = fs::remove_dir_all(&environment);
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        run(Command::new(environment.join("bin/pip")).args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
            requirements.as_str(),
        ]))?;
        fs::write(&installed, wanted).map_err(|error| error.to_string())?;
        Ok(environment)
    }
}

/// Runs a command. If it fails, returns the last line of its standard error.
pub fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {}", errors.lines().last().unwrap_or("no message")))
}
