//! The server under test: a separate process on a free port of 127.0.0.1.

use std::{
    ffi::OsStr,
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{Connection, Response, Result};

/// The timeout for the first response of a server.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A server process. It is killed when the value is dropped.
pub struct Server {
    process: Child,
    pub address: SocketAddr,
}

/// The cores that a server runs on.
#[derive(Clone, Copy)]
pub enum On {
    AnyCore,
    Core(usize),
}

impl Server {
    /// Starts a program; `configure` adds the arguments, including the address.
    pub fn start(
        on: On,
        program: impl AsRef<OsStr>,
        configure: impl FnOnce(&mut Command, SocketAddr),
    ) -> Result<Self> {
        let mut command = Command::new(program.as_ref());
        if let On::Core(core) = on {
            command = Command::new("taskset");
            command.args(["--cpu-list", &core.to_string()]).arg(program);
        }
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        configure(&mut command, address);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(|error| format!("cannot start {command:?}: {error}"))?;
        Ok(Self { process, address })
    }

    /// Repeats a request until the server returns 200, and returns this response.
    pub fn first_response(&self, request: &str) -> Result<Response> {
        let end = Instant::now() + START_TIMEOUT;
        loop {
            match self.request(request).and_then(|response| response.expect(200, "")) {
                Err(_) if Instant::now() < end => thread::sleep(Duration::from_micros(50)),
                result => return result,
            }
        }
    }

    /// Sends a request on a new connection.
    pub fn request(&self, request: &str) -> Result<Response> {
        Connection::open(self.address)?.request(request)
    }

    /// Returns the CPU time in seconds.
    pub fn cpu_time(&self) -> f64 {
        cpu_time(&self.process.id().to_string())
    }

    pub fn resident_mib(&self) -> f64 {
        self.status("VmRSS:") / 1024.0
    }

    pub fn threads(&self) -> f64 {
        self.status("Threads:")
    }

    pub fn open_files(&self) -> f64 {
        let files = fs::read_dir(format!("/proc/{}/fd", self.process.id()));
        files.map_or(f64::NAN, |files| files.count() as f64)
    }

    /// Returns a number from /proc/PID/status, or NaN if it is missing.
    fn status(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
        value.and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
    }

    /// Stops the server with SIGTERM and waits until it exits.
    pub fn stop(mut self) -> Result<()> {
        Command::new("kill").args(["-s", "TERM", &self.process.id().to_string()]).status()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the CPU time in seconds of the running threads of a process, or 0 on systems without /proc. `process` is an
/// ID or `self`.
pub fn cpu_time(process: &str) -> f64 {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    threads.map(|thread| thread_cpu_time(&thread.path())).sum()
}

/// Returns the CPU time in seconds of the thread with this directory in /proc.
pub fn thread_cpu_time(thread: &Path) -> f64 {
    let times = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    let nanoseconds: Option<f64> = times.split(' ').next().and_then(|time| time.parse().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}
