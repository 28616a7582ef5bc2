//! The built program: as its user would start it, and with nothing of what this one's user has set for another.

use std::{
    env,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
};

use super::Failure;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_gatepass");

/// Without settings, and without a log.
pub fn isolate(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GATEPASS_")) {
        command.env_remove(name);
    }
    command.env("RUST_LOG", "off")
}

/// `gatepass users add`, of one who may see themselves; `command` makes a command of these arguments.
pub fn add_user(
    command: impl FnOnce(&[&str]) -> Command,
    username: &str,
    password: &str,
) -> Result<(), Failure> {
    let why = |error: io::Error| error.to_string();
    let mut add = command(&["users", "add", username, "--scopes", "me", "--password-stdin"]);
    let mut add = add.stdin(Stdio::piped()).spawn().map_err(why)?;
    if let Some(stdin) = &mut add.stdin {
        writeln!(stdin, "{password}").map_err(why)?;
    }
    if add.wait().map_err(why)?.success() { Ok(()) } else { Err(format!("{username} was not added")) }
}

/// One that nobody listens on.
pub fn free_address() -> Result<SocketAddr, Failure> {
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|taken| taken.local_addr());
    free.map_err(|error| error.to_string())
}
