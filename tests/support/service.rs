//! Services under test: in this process, or the program as a child process.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, LazyLock, Mutex, mpsc},
    thread,
    time::Instant,
};

use gatepass::{
    Auth, AuthUser,
    app::{
        ops::Operations,
        profile,
        server::{Server, Service},
        settings::Settings,
    },
};
use serde::Serialize;
use utoipa::openapi::OpenApi;

pub use super::wait::TIMEOUT;
use super::{secrets, wait::within};

/// Returns the default settings with a free port and one worker.
pub fn settings() -> Settings {
    let arguments = ["--bind", "127.0.0.1:0", "--workers", "1", "--shutdown-timeout", "5"];
    Settings::from_arguments(arguments).expect("valid settings")
}

/// Returns the address of a service with the tutorial profile. All tests share this service.
pub fn tutorial() -> SocketAddr {
    static ADDRESS: LazyLock<SocketAddr> =
        LazyLock::new(|| run(async || profile::server(&settings()).await.map_err(|error| error.to_string())));
    *ADDRESS
}

/// Starts a service for an `Auth`.
pub fn spawn<U: AuthUser + Serialize>(auth: Auth<U>, document: OpenApi) -> SocketAddr {
    spawn_service(Service { auth, document, pages: Arc::new(|_| {}), operations: Operations::default() })
}

/// Starts a service from its parts, as a profile does.
pub fn spawn_service<U: AuthUser + Serialize>(service: Service<U>) -> SocketAddr {
    run(async move || Server::bind(service, &settings()).map_err(|error| error.to_string()))
}

fn run(server: impl AsyncFnOnce() -> Result<Server, String> + Send + 'static) -> SocketAddr {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let server = server().await.expect("the service starts");
            send.send(server.address()).unwrap();
            server.run().await
        })
    });
    receive.recv_timeout(TIMEOUT).expect("the service listens")
}

/// A child process, killed on drop.
pub struct Program {
    pub child: Child,
    log: Arc<(Mutex<Vec<String>>, Condvar)>,
    reader: Option<thread::JoinHandle<()>>,
}

/// Returns a command that runs the program with these arguments and environment variables. `RUST_LOG` and other
/// `GATEPASS_` variables are removed.
pub fn gatepass(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepass"));
    for (name, _) in std::env::vars() {
        if name.starts_with("GATEPASS_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(variables.iter().copied());
    command
}

/// Returns the same command with a resource limit, such as `--nofile=400`.
pub fn limited(limit: &str, program: &Command) -> Command {
    wrapped(&["prlimit", limit], program)
}

/// Returns the same command, run by another program such as `prlimit`.
pub fn wrapped(by: &[&str], program: &Command) -> Command {
    let mut command = Command::new(by[0]);
    command.args(&by[1..]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

impl Program {
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::run(&mut gatepass(arguments, variables))
    }

    pub fn run(command: &mut Command) -> Self {
        Self::run_to(command, Stdio::null())
    }

    /// Starts the command with its standard output sent to `output`.
    pub fn run_to(command: &mut Command, output: Stdio) -> Self {
        let mut child = command.stdout(output).stderr(Stdio::piped()).spawn().expect("the program starts");
        let log = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (lines, writer) = (child.stderr.take().unwrap(), Arc::clone(&log));
        let mut copy = secrets::log_file();
        let reader = thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                let _ = writeln!(copy, "{line}");
                writer.0.lock().unwrap().push(line);
                writer.1.notify_all();
            }
        });
        Self { child, log, reader: Some(reader) }
    }

    /// Waits for a line of the log that contains `text`.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_for_any(&[text])
    }

    /// Waits for a line of the log that contains one of `texts`.
    #[track_caller]
    pub fn wait_for_any(&self, texts: &[&str]) -> String {
        let end = Instant::now() + TIMEOUT;
        let mut lines = self.log.0.lock().unwrap();
        loop {
            if let Some(line) = lines.iter().find(|line| texts.iter().any(|text| line.contains(text))) {
                return line.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {texts:?} in the log: {lines:#?}");
            lines = self.log.1.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits until the program listens on this address.
    #[track_caller]
    pub fn wait_until_listening(&mut self, address: SocketAddr) {
        within(TIMEOUT, &format!("the program listens on {address}"), || {
            let connected = TcpStream::connect(address).ok();
            if connected.is_none() {
                let exited = self.child.try_wait().unwrap();
                assert!(
                    exited.is_none(),
                    "the program exited before it listened on {address} ({exited:?}): {}",
                    self.log()
                );
            }
            connected
        });
    }

    /// Returns the log so far.
    pub fn log(&self) -> String {
        self.log.0.lock().unwrap().join("\n")
    }

    /// Waits until the program listens, and returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address_after("listening on http://")
    }

    /// Waits for a line of the log that contains `text`, and returns the address after it.
    pub fn address_after(&self, text: &str) -> SocketAddr {
        let line = self.wait_for(text);
        let address = line.split(text).nth(1).and_then(|rest| rest.split([',', ' ']).next()).unwrap();
        address.parse().unwrap_or_else(|_| panic!("no address after {text:?} in {line:?}"))
    }

    /// Returns the resident memory of the program, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the resident memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    #[cfg(unix)]
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Kills the program and returns its whole log.
    pub fn end(mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.reader.take().map(thread::JoinHandle::join);
        self.log()
    }

    /// Waits for the program to exit, and returns the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        within(TIMEOUT, "the program exits", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
