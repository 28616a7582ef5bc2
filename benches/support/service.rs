//! The program in its secure profile as a user starts it, on a new SQLite database with one user.

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    Failure,
    connection::Connection,
    gatepass::{PROGRAM, add_user, free_address, isolate},
    process::Process,
    requests::{sign_in, users_me},
};

pub const PASSWORD: &str = "johndoe's own passphrase";
/// How long it may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Service {
    pub process: Process,
    pub address: SocketAddr,
    token: String,
    folder: TempDir,
}

impl Service {
    /// With these settings, and without the protection against guessing: all clients have one address.
    pub fn start(settings: &[&str]) -> Result<Self, Failure> {
        let why = |error: std::io::Error| error.to_string();
        // Beside the program and not where temporary files are: that may be in memory, which no fsync waits for.
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).map_err(why)?;
        let address = free_address()?;
        let command = |arguments: &[&str]| {
            let mut command = Command::new(PROGRAM);
            isolate(&mut command)
                .args(arguments)
                .env("GATEPASS_PROFILE", "secure")
                .current_dir(folder.path());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        add_user(command, "johndoe", PASSWORD)?;
        let bind = address.to_string();
        let mut serve = command(&["serve", "--bind", &bind, "--login-throttle", "off"]);
        let process = Process::start(serve.args(settings).stdin(Stdio::null()))?;
        let mut service = Self { process, address, token: String::new(), folder };
        service.token = service.await_token()?;
        Ok(service)
    }

    pub fn users_me(&self) -> String {
        users_me(&self.token)
    }

    /// What GET /users/me answers.
    pub fn user(&self) -> Result<String, Failure> {
        let broken = |error: std::io::Error| format!("GET /users/me: {error}");
        let mut connection = Connection::open(self.address).map_err(broken)?;
        match connection.ask(&self.users_me()).map_err(broken)? {
            answer if answer.status == 200 && answer.body.contains(r#""username":"johndoe""#) => {
                Ok(answer.body.to_owned())
            }
            answer => Err(format!("GET /users/me: {answer:?}")),
        }
    }

    /// The size of the database, with what is not written back yet, in MiB.
    pub fn database_mib(&self) -> f64 {
        let size = |file| fs::metadata(self.folder.path().join(file)).map_or(0, |metadata| metadata.len());
        let bytes = size("gatepass.db") + size("gatepass.db-wal");
        bytes as f64 / f64::from(1 << 20)
    }

    fn await_token(&self) -> Result<String, Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.sign_in_once() {
                Ok(token) => return Ok(token),
                Err(failure) if Instant::now() > end => return Err(failure),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn sign_in_once(&self) -> Result<String, Failure> {
        let broken = |error: std::io::Error| format!("POST /token: {error}");
        let mut connection = Connection::open(self.address).map_err(broken)?;
        connection.ask(&sign_in(PASSWORD)).map_err(broken)?.access_token()
    }
}
