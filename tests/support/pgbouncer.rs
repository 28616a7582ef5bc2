//! PgBouncer in front of the PostgreSQL server that the tests use.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::postgres::{Database, as_postgres, psql};

/// A shell script that runs the program $1 with the configuration in the folder $2 until standard input is closed.
const SERVE: &str = r#"
cd "$2"
"$1" pgbouncer.ini &
cat
kill -INT $!
wait $! || true
"#;

/// The environment variable with the path of a `pgbouncer` program other than Debian's.
const PROGRAM: &str = "GATEPASS_TEST_PGBOUNCER";
const DEBIAN: &str = "/usr/sbin/pgbouncer";
const PORT: u16 = 6432;
const TIMEOUT: Duration = Duration::from_secs(20);

/// A running PgBouncer, stopped on drop.
pub struct PgBouncer {
    folder: PathBuf,
    shell: Child,
}

impl PgBouncer {
    /// Starts PgBouncer for the server of this database, with additional `settings`. If that fails, returns the reason.
    pub fn start(database: &Database, settings: &str) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (_, server) = database.url.split_once("?host=").ok_or("PostgreSQL has no Unix socket")?;
        let program = env::var(PROGRAM).unwrap_or_else(|_| DEBIAN.to_owned());
        if !PathBuf::from(&program).exists() {
            return Err(format!("PgBouncer is not installed: {program} does not exist"));
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("gatepass-pgbouncer-{}-{number}", std::process::id()));
        let configuration = format!(
            "[databases]\n* = host={server} user=postgres\n\
             [pgbouncer]\nlisten_port = {PORT}\nunix_socket_dir = {folder}\nauth_type = any\nmax_client_conn = 500\n\
             {settings}\n",
            folder = folder.display()
        );
        fs::create_dir(&folder)
            .and_then(|()| fs::write(folder.join("pgbouncer.ini"), configuration))
            .unwrap();
        // PgBouncer refuses to run as root, so another user must be able to create its socket in this folder.
        Command::new("chmod").arg("777").arg(&folder).status().map_err(|error| error.to_string())?;
        let mut command = as_postgres();
        command.args(["-c", SERVE, "sh", &program]).arg(&folder).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = command.spawn().map_err(|error| format!("cannot start PgBouncer: {error}"))?;
        let (bouncer, end) = (Self { folder, shell }, Instant::now() + TIMEOUT);
        while psql(&bouncer.url(database), "SELECT 1").is_err() {
            if Instant::now() > end {
                return Err(format!("PgBouncer did not start within {TIMEOUT:?}"));
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        Ok(bouncer)
    }

    /// Returns the URL of a database through this PgBouncer.
    pub fn url(&self, database: &Database) -> String {
        let (url, _) = database.url.split_once('?').expect("a socket");
        let name = url.rsplit('/').next().expect("a name");
        format!("postgres://postgres@localhost:{PORT}/{name}?host={}", self.folder.display())
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // The script stops PgBouncer when its standard input is closed.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
