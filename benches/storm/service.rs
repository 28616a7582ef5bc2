//! The program in its secure profile as a user starts it, on a new SQLite database with one user.

use std::{
    env,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    sign_ins::sign_in,
    support::{Failure, process::Process},
};

const GATEPASS: &str = env!("CARGO_BIN_EXE_gatepass");
pub const PASSWORD: &str = "johndoe's own passphrase";
/// How long it may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Service {
    pub process: Process,
    pub address: SocketAddr,
    token: String,
    _folder: TempDir,
}

impl Service {
    pub fn start() -> Result<Self, Failure> {
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
        let process = Process::start(serve.stdin(Stdio::null()))?;
        let mut service = Self { process, address, token: String::new(), _folder: folder };
        service.token = service.await_token()?;
        Ok(service)
    }

    pub fn users_me(&self) -> String {
        format!("GET /users/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n\r\n", self.token)
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
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(sign_in(PASSWORD).as_bytes())?;
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }
}
