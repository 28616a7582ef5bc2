//! A server to measure: a process of its own on a free port of 127.0.0.1, with one worker and no log.

use std::{
    env,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    bare,
    support::{Failure, load::Exchange, process::Process, python},
};

/// The answer to GET /users/me, from every peer.
pub const USER: &str = r#"{"username":"johndoe","email":"johndoe@example.com","full_name":"John Doe","disabled":false,"hashed_password":"fakehashedsecret"}"#;
/// The answer to POST /token.
const TOKEN: &str = r#"{"access_token":"johndoe","token_type":"bearer"}"#;

const GATEPASS: &str = env!("CARGO_BIN_EXE_gatepass");
/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Peer {
    pub process: Process,
    pub address: SocketAddr,
}

pub fn read_users_me() -> Exchange {
    Exchange::new("GET /users/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer johndoe\r\n\r\n", USER)
}

pub fn sign_in() -> Exchange {
    let form = "username=johndoe&password=secret";
    Exchange::new(
        &format!(
            "POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        ),
        TOKEN,
    )
}

/// The real program. Without a number of workers it takes its own default.
pub fn gatepass(core: Option<usize>, workers: Option<u8>) -> Result<Peer, Failure> {
    Peer::start(core, GATEPASS.as_ref(), |command, address| {
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("GATEPASS_") {
                command.env_remove(name);
            }
        }
        command.arg("--bind").arg(address.to_string()).env("RUST_LOG", "off");
        if let Some(workers) = workers {
            command.arg("--workers").arg(workers.to_string());
        }
    })
}

/// A bare handler, of one of the kinds that [`bare`] knows.
pub fn bare(core: Option<usize>, kind: &str) -> Result<Peer, Failure> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    Peer::start(core, &program, |command, address| {
        command.args([bare::ARGUMENT, kind]).arg(address.to_string());
    })
}

/// FastAPI's application of the chapter, where an environment for it can be made.
pub fn fastapi(core: Option<usize>) -> Result<Peer, Failure> {
    Peer::start(core, &python::program("uvicorn")?, |command, address| {
        command
            .args(["--app-dir", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fastapi"), "chapter:app"])
            .args(["--loop", "uvloop", "--http", "httptools", "--workers", "1"])
            .args(["--no-access-log", "--log-level", "critical"])
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .env("PYTHONDONTWRITEBYTECODE", "1");
    })
}

impl Peer {
    fn start(
        core: Option<usize>,
        program: &Path,
        set: impl FnOnce(&mut Command, SocketAddr),
    ) -> Result<Self, Failure> {
        let address = free_address().map_err(|error| error.to_string())?;
        let mut command = match core {
            Some(core) => {
                let mut taskset = Command::new("taskset");
                taskset.args(["--cpu-list", &core.to_string()]).arg(program);
                taskset
            }
            None => Command::new(program),
        };
        set(&mut command, address);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(&mut command)?;
        Ok(Self { process, address })
    }

    /// Asks again and again until the right answer comes.
    pub fn await_answer(&self, exchange: &Exchange) -> Result<(), Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            match exchange.once(self.address) {
                Ok(()) => return Ok(()),
                Err(failure) if Instant::now() > end => return Err(failure),
                Err(_) => thread::sleep(Duration::from_micros(50)),
            }
        }
    }
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
