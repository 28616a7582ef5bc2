//! The program in its secure profile as a user starts it, on a new SQLite database with one user.

use std::{
    env, fs,
    io::Write,
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    Failure,
    connection::Connection,
    process::Process,
    requests::{sign_in, users_me},
};

const GATEPASS: &str = env!("CARGO_BIN_EXE_gatepass");
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
        let address = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).map_err(why)?;
        let command = |arguments: &[&str]| {
            let mut command = Command::new(GATEPASS);
            for (name, _) in
                env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GATEPASS_"))
            {
                command.env_remove(name);
            }
            command.args(arguments).args(["--profile", "secure"]).current_dir(folder.path());
            command.env("RUST_LOG", "off").stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let mut add = command(&["users", "add", "johndoe", "--scopes", "me", "--password-stdin"]);
        let mut add = add.stdin(Stdio::piped()).spawn().map_err(why)?;
        if let Some(stdin) = &mut add.stdin {
            writeln!(stdin, "{PASSWORD}").map_err(why)?;
        }
        if !add.wait().map_err(why)?.success() {
            return Err("the user was not added".to_owned());
        }
        let bind = address.to_string();
        let mut serve = command(&["serve", "--bind", &bind, "--guess-protection", "off"]);
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
            let answer = self.sign_in_once().unwrap_or_default();
            let token = answer.split_once("\"access_token\":\"").and_then(|(_, rest)| rest.split_once('"'));
            match token {
                Some((token, _)) => return Ok(token.to_owned()),
                None if Instant::now() > end => return Err(format!("no token: {answer:?}")),
                None => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn sign_in_once(&self) -> std::io::Result<String> {
        let mut connection = Connection::open(self.address)?;
        Ok(connection.ask(&sign_in(PASSWORD))?.body.to_owned())
    }
}
