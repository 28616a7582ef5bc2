//! Runs the program `gatepass` with its log turned off and without the environment's `GATEPASS_` variables.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{On, Result, Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gatepass");

pub const PASSWORD: &str = "johndoe's own passphrase";
const UNLIMITED: [&str; 4] = ["--login-throttle", "off", "--max-sessions", "1000"];
/// A request that needs no token.
pub const PUBLIC_KEYS: &str = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

/// A service in the secure profile with one user, johndoe, on a new SQLite database.
pub struct Service {
    pub server: Server,
    pub data: Data,
    _directory: TempDir,
}

impl Service {
    /// Starts the service without login throttling, since all clients have the same address, and with a high limit on
    /// sessions per user.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        // The system's directory for temporary files may be in memory, where fsync costs nothing.
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let data = Data::sqlite(directory.path());
        data.add_user("johndoe", PASSWORD)?;
        let server = secure(On::AnyCore, &data, &[&UNLIMITED[..], arguments].concat())?;
        server.first_response(PUBLIC_KEYS)?;
        Ok(Self { server, data, _directory: directory })
    }
}

/// The database and the keys of the secure profile.
pub struct Data {
    pub database_url: String,
    pub keys: PathBuf,
}

impl Data {
    /// Returns the locations of a SQLite database and keys in this directory. The program creates them.
    pub fn sqlite(directory: &Path) -> Self {
        let database = directory.join("gatepass.db");
        Self { database_url: format!("sqlite:{}", database.display()), keys: directory.join("keys") }
    }

    /// Runs a command such as `users import` on the database, with `input` as its standard input.
    pub fn run(&self, arguments: &[&str], input: &str) -> Result<()> {
        let mut command = Command::new(PROGRAM);
        isolate(&mut command).args(arguments).args(["--database-url", &self.database_url]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        process.stdin.take().ok_or("no standard input")?.write_all(input.as_bytes())?;
        if process.wait()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
    }

    pub fn add_user(&self, username: &str, password: &str) -> Result<()> {
        self.run(&["users", "add", username, "--scopes", "me", "--password-stdin"], &format!("{password}\n"))
    }

    /// Returns the size of a SQLite database in MiB, including its write-ahead log.
    pub fn mib(&self) -> f64 {
        let file = self.database_url.trim_start_matches("sqlite:");
        let size = |suffix| fs::metadata(format!("{file}{suffix}")).map_or(0, |metadata| metadata.len());
        (size("") + size("-wal")) as f64 / f64::from(1 << 20)
    }
}

pub fn tutorial(on: On, arguments: &[&str]) -> Result<Server> {
    Server::start(on, PROGRAM, |command, address| {
        isolate(command).args(["--bind", &address.to_string()]).args(arguments);
    })
}

pub fn secure(on: On, data: &Data, arguments: &[&str]) -> Result<Server> {
    Server::start(on, PROGRAM, |command, address| {
        isolate(command).args(["--bind", &address.to_string(), "--profile", "secure"]);
        command.args(["--issuer", "http://127.0.0.1", "--database-url", &data.database_url]);
        // EdDSA is not the default, but the bare verification that Gatepass is compared with uses Ed25519.
        command.args(["--algorithm", "EdDSA"]).arg("--keys-dir").arg(&data.keys).args(arguments);
    })
}

fn isolate(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GATEPASS_")) {
        command.env_remove(name);
    }
    command.env("RUST_LOG", "off")
}
