//! The program as a user starts it, in either profile.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    peer::{On, Peer},
    support::{
        Failure,
        gatepass::{PROGRAM, isolate},
    },
};

/// The issuer of all tokens, whatever address a service listens on.
const ISSUER: &str = "http://127.0.0.1";
/// How long a server may take until it answers.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where a secure service has its users, its sessions and its keys.
pub struct Place {
    pub database_url: String,
    pub keys: PathBuf,
}

/// A command on the database of this place, such as `users import`.
pub fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    isolate(&mut command).args(arguments).args(["--database-url", &place.database_url]);
    command
}

/// The tutorial profile. Without a number of workers it takes its own default.
pub fn tutorial(on: On<'_>, workers: Option<u8>) -> Result<Peer, Failure> {
    Peer::start(on, Path::new(PROGRAM), |command, address| {
        let command = isolate(command).args(["--bind", &address.to_string()]);
        set_workers(command, workers);
    })
}

/// The secure profile, with these arguments besides.
pub fn secure(on: On<'_>, workers: Option<u8>, place: &Place, arguments: &[&str]) -> Result<Peer, Failure> {
    Peer::start(on, Path::new(PROGRAM), |command, address| {
        let command = isolate(command).args(["--bind", &address.to_string()]).args(arguments);
        secure_arguments(command, place);
        set_workers(command, workers);
    })
}

fn secure_arguments(command: &mut Command, place: &Place) {
    command.args(["--profile", "secure", "--issuer", ISSUER, "--database-url", &place.database_url]);
    command.arg("--keys-dir").arg(&place.keys);
}

fn set_workers(command: &mut Command, workers: Option<u8>) {
    if let Some(workers) = workers {
        command.args(["--workers", &workers.to_string()]);
    }
}
