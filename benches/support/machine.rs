//! The machine that a benchmark runs on.

use std::{fs, path::Path, process::Command, thread};

/// Describes the processor, the operating system and the compiler.
pub fn description() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{}, {} cores, {} {}; {}",
        cpu.unwrap_or(std::env::consts::ARCH).trim(),
        cores(),
        std::env::consts::OS,
        kernel.trim(),
        output_of("rustc".as_ref(), &["--version"]),
    )
}

pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the standard output of a program, or the error if it cannot be started.
pub fn output_of(program: &Path, arguments: &[&str]) -> String {
    Command::new(program).args(arguments).output().map_or_else(
        |error| format!("{}: {error}", program.display()),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// Moves this process to the last core that it may use, and returns the first such core, for the servers. Returns
/// `None` if there is only one core or `taskset` is missing.
pub fn separate_cores() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim();
    // The list looks like `0-3,8`.
    let (first, last) = (list.split(['-', ',']).next()?, list.rsplit(['-', ',']).next()?);
    let process = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["--cpu-list", "--pid", last, &process]).output();
    (first != last && pinned.is_ok_and(|output| output.status.success())).then(|| first.parse().ok())?
}
