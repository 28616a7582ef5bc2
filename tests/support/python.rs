//! Virtual environments with the Python programs that some tests compare with, or are asked by.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
    sync::OnceLock,
};

/// What a folder of tests needs of PyPI, as its requirements.txt says: made once, in cargo's target folder, and made
/// anew when the requirements change.
pub struct Environment {
    tests: &'static str,
    made: OnceLock<Result<PathBuf, String>>,
}

/// A program of the peers that tests compare with (`python`, `uvicorn`), or why there is none.
pub fn program(name: &str) -> Result<PathBuf, String> {
    static PEERS: Environment = Environment::of("fastapi");
    PEERS.program(name)
}

impl Environment {
    pub const fn of(tests: &'static str) -> Self {
        Self { tests, made: OnceLock::new() }
    }

    /// A program of the environment, or why there is none.
    pub fn program(&self, name: &str) -> Result<PathBuf, String> {
        self.made.get_or_init(|| self.make()).clone().map(|environment| environment.join("bin").join(name))
    }

    fn make(&self) -> Result<PathBuf, String> {
        let requirements = format!("{}/tests/{}/requirements.txt", env!("CARGO_MANIFEST_DIR"), self.tests);
        let environment = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{}", self.tests));
        // Several test binaries may run at once: the first one makes it.
        let lock = File::create(environment.with_extension("lock")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;

        let (wanted, made) = (fs::read_to_string(&requirements), environment.join("requirements.txt"));
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
            requirements.as_str(),
        ]))?;
        fs::write(&made, wanted).map_err(|error| error.to_string())?;
        Ok(environment)
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?} does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {}", said.lines().last().unwrap_or("it says nothing")))
}
