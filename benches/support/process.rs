//! A process under measurement: what it has used, by /proc. It ends when this is dropped.

use std::{
    fs,
    process::{Child, Command},
    time::Duration,
};

use super::Failure;

pub struct Process(Child);

impl Process {
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        command.spawn().map(Self).map_err(|error| format!("{command:?} does not start: {error}"))
    }

    /// User and system time of all its threads; zero where there is no /proc.
    pub fn cpu_time(&self) -> Duration {
        // Linux tells it in hundredths of a second, whatever the kernel's own clock.
        const TICK: Duration = Duration::from_millis(10);
        let ticks = |fields: &str| -> Option<u32> {
            let mut fields = fields.split_ascii_whitespace().skip(11).map(|field| field.parse::<u32>().ok());
            Some(fields.next()?? + fields.next()??)
        };
        let stat = self.proc("stat");
        // The second field, a name in parentheses, may hold anything.
        stat.rsplit_once(')')
            .and_then(|(_, fields)| ticks(fields))
            .map_or(Duration::ZERO, |ticks| TICK * ticks)
    }

    /// The resident memory (VmRSS) in MiB; not a number where there is no /proc.
    pub fn resident_mib(&self) -> f64 {
        self.status("VmRSS:", " kB") / 1024.0
    }

    pub fn threads(&self) -> f64 {
        self.status("Threads:", "")
    }

    /// Its open file descriptors; not a number where there is no /proc.
    pub fn open_files(&self) -> f64 {
        let files = fs::read_dir(format!("/proc/{}/fd", self.0.id()));
        files.map_or(f64::NAN, |files| files.count() as f64)
    }

    fn status(&self, name: &str, unit: &str) -> f64 {
        let status = self.proc("status");
        let figure = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(unit));
        figure.and_then(|figure| figure.parse().ok()).unwrap_or(f64::NAN)
    }

    /// Asks it to stop, and waits until it has.
    pub fn end(mut self) -> Result<(), Failure> {
        let id = self.0.id().to_string();
        let asked = Command::new("kill").args(["-s", "TERM", &id]).status();
        asked
            .and_then(|_| self.0.wait())
            .map(drop)
            .map_err(|error| format!("a process does not end: {error}"))
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
