//! The program in its secure profile, several times, on a PostgreSQL of their own that waits for its disk.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    postgres::Server,
    support::{
        Failure,
        gatepass::{PROGRAM, add_user, free_address, isolate},
        process::Process,
    },
};

/// How many there are at the most.
pub const REPLICAS: usize = 4;
/// How many users, each of whom one client is.
pub const USERS: usize = 8;
/// As in production, and it counts statements. Nothing is vacuumed in the middle of a measurement.
const OPTIONS: &str = "-c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.track_planning=on \
                       -c autovacuum=off";
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Replicas {
    pub addresses: Vec<SocketAddr>,
    _processes: Vec<Process>,
    pub postgres: Server,
    _folder: TempDir,
}

impl Replicas {
    pub fn start() -> Result<Self, Failure> {
        let postgres = Server::create_with(OPTIONS)?;
        postgres.execute("CREATE EXTENSION pg_stat_statements");
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        let command = |arguments: &[&str]| {
            let mut command = Command::new(PROGRAM);
            isolate(&mut command).args(arguments).current_dir(folder.path());
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command.envs([
                ("GATEPASS_PROFILE", "secure"),
                ("GATEPASS_DATABASE_URL", &postgres.url()),
                ("GATEPASS_ISSUER", "https://auth.example.com"),
                // Hashing is not what is measured here: it asks nothing of PostgreSQL.
                ("GATEPASS_ARGON2_MEMORY", "64"),
                ("GATEPASS_ARGON2_ITERATIONS", "1"),
                // The guard is asked, as always; but all clients have one address.
                ("GATEPASS_LOGIN_THROTTLE_RATE", "1000000"),
                // A client that is done before the others waits for them.
                ("GATEPASS_IDLE_TIMEOUT", "300"),
            ]);
            command
        };
        for user in 0..USERS {
            add_user(command, &username(user), &password(user))?;
        }
        let (mut addresses, mut processes) = (Vec::new(), Vec::new());
        for _ in 0..REPLICAS {
            let address = free_address()?;
            processes.push(Process::start(
                command(&["serve", "--bind", &address.to_string()]).stdin(Stdio::null()),
            )?);
            await_answers(address)?;
            addresses.push(address);
        }
        Ok(Self { addresses, _processes: processes, postgres, _folder: folder })
    }
}

pub fn username(user: usize) -> String {
    format!("user{user}")
}

pub fn password(user: usize) -> String {
    format!("user{user}-own-passphrase")
}

fn await_answers(address: SocketAddr) -> Result<(), Failure> {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > end {
            return Err(format!("the service at {address} does not listen"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
