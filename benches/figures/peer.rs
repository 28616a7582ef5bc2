//! A server to measure: a process of its own on a free port of 127.0.0.1.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    service::PATIENCE,
    support::{Failure, gatepass::free_address, load::Exchange, process::Process},
};

pub struct Peer {
    pub process: Process,
    pub address: SocketAddr,
}

/// What a server runs on.
#[derive(Clone, Copy)]
pub enum On<'a> {
    /// Whichever cores the system gives it.
    Any,
    /// This core alone.
    Core(usize),
    /// A processor that counts its instructions, and writes them into this file at the end.
    Callgrind(&'a Path),
}

impl From<Option<usize>> for On<'_> {
    fn from(core: Option<usize>) -> Self {
        core.map_or(Self::Any, Self::Core)
    }
}

impl On<'_> {
    pub fn command(self, program: &Path) -> Command {
        match self {
            Self::Any => Command::new(program),
            Self::Core(core) => {
                let mut taskset = Command::new("taskset");
                taskset.args(["--cpu-list", &core.to_string()]).arg(program);
                taskset
            }
            Self::Callgrind(file) => {
                let mut valgrind = Command::new("valgrind");
                valgrind.args(["--tool=callgrind", &format!("--callgrind-out-file={}", file.display())]);
                valgrind.arg(program);
                valgrind
            }
        }
    }
}

impl Peer {
    /// Starts `program`; `set` gives it its arguments, the address among them.
    pub fn start(
        on: On<'_>,
        program: &Path,
        set: impl FnOnce(&mut Command, SocketAddr),
    ) -> Result<Self, Failure> {
        let address = free_address()?;
        let mut command = on.command(program);
        set(&mut command, address);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(&mut command)?;
        Ok(Self { process, address })
    }

    /// Asks again and again until the right answer comes.
    pub fn await_answer(&self, exchange: &Exchange) -> Result<(), Failure> {
        self.await_done(|| exchange.once(self.address))
    }

    /// Does something again and again until it can be done.
    pub fn await_done<T>(&self, mut done: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            match done() {
                Ok(done) => return Ok(done),
                Err(failure) if Instant::now() > end => return Err(failure),
                Err(_) => thread::sleep(Duration::from_micros(50)),
            }
        }
    }
}
