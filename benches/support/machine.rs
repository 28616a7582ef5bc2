//! What the figures were measured on.

use std::{fs, path::Path, process::Command, thread};

use super::python;

/// The machine and the compiler in a sentence.
pub fn sentence() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{}, {cores} cores, {} {}; {}",
        cpu.unwrap_or(std::env::consts::ARCH).trim(),
        std::env::consts::OS,
        kernel.trim(),
        said_by("rustc".as_ref(), &["--version"]),
    )
}

/// The versions that FastAPI's application runs with.
pub fn python_sentence() -> String {
    const VERSIONS: &str = "import platform, fastapi, uvicorn, uvloop, httptools; print(\
        f'Python {platform.python_version()}, FastAPI {fastapi.__version__}, uvicorn {uvicorn.__version__}, '\
        f'uvloop {uvloop.__version__}, httptools {httptools.__version__}')";
    python::program("python").map_or_else(|why| why, |python| said_by(&python, &["-c", VERSIONS]))
}

fn said_by(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |error| format!("{}: {error}", program.display()),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
