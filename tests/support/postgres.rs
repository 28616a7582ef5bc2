//! PostgreSQL for tests: the server at `GATEPASS_TEST_POSTGRES`, or a server that starts and stops with the tests.

use std::{
    env, fs, mem,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// The environment variable with the URL of a server. The user in the URL must be allowed to create databases.
const SERVER: &str = "GATEPASS_TEST_POSTGRES";

/// A shell script that creates a cluster in the folder $2.
const CREATE: &str = r#"
set -e
mkdir -m 700 "$2"
"$1/initdb" -D "$2/data" -U postgres --auth=trust --no-sync -E UTF8 --locale=C.UTF-8
"#;

/// A shell script that serves the cluster in the folder $2 on a Unix socket, with the options $3, until standard input
/// is closed.
const SERVE: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=200 $3 &
cat
kill -INT $!
wait $! || true
"#;

/// Test databases need not survive a power failure.
const WITHOUT_FSYNC: &str = "-c fsync=off";

/// The time within which a server must start.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A database for one test.
pub struct Database {
    pub url: String,
    name: String,
}

impl Database {
    /// Creates an empty database. If that fails, returns the reason.
    pub fn create() -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = SERVER_URL.as_ref()?;
        let name = format!("gatepass_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        psql(server, &format!("CREATE DATABASE {name}"))?;
        Ok(Self { url: with_database(server, &name), name })
    }

    /// Runs a statement and returns its output.
    pub fn execute(&self, statement: &str) -> String {
        psql(&self.url, statement).expect("the statement runs")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Ok(server) = SERVER_URL.as_ref() {
            let _ = psql(server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

static SERVER_URL: LazyLock<Result<String, String>> =
    LazyLock::new(|| env::var(SERVER).or_else(|_| start_cluster()));

fn with_database(server: &str, name: &str) -> String {
    let (address, parameters) = server.split_once('?').unwrap_or((server, ""));
    let host = address.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    format!("{host}/{name}?{parameters}")
}

/// Runs a statement and returns its output, or the error message.
pub fn psql(url: &str, statement: &str) -> Result<String, String> {
    let psql = binaries().map_or_else(|_| "psql".into(), |folder| folder.join("psql"));
    let output = Command::new(psql)
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", statement, url])
        .output()
        .map_err(|error| format!("cannot run psql: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Returns the directory with the programs of the newest PostgreSQL version that is installed from Debian's packages.
fn binaries() -> Result<PathBuf, String> {
    let versions =
        fs::read_dir("/usr/lib/postgresql").map_err(|_| "PostgreSQL is not installed".to_owned())?;
    versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").exists())
        .max_by_key(|folder| folder.parent()?.file_name()?.to_str()?.parse::<u32>().ok())
        .ok_or_else(|| "the PostgreSQL server is not installed".to_owned())
}

/// A server that a test can stop and start. Stopped on drop.
pub struct Server {
    binaries: PathBuf,
    folder: PathBuf,
    options: &'static str,
    shell: Option<Child>,
}

impl Server {
    /// Starts a server. If that fails, returns the reason.
    pub fn create() -> Result<Self, String> {
        Self::create_with(WITHOUT_FSYNC)
    }

    /// Starts a server with these options.
    pub fn create_with(options: &'static str) -> Result<Self, String> {
        let mut server = Self::init(options)?;
        server.start("")?;
        server.execute("CREATE ROLE gatepass LOGIN");
        server.execute("CREATE DATABASE gatepass OWNER gatepass");
        Ok(server)
    }

    fn init(options: &'static str) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("gatepass-postgres-{}-{number}", std::process::id()));
        let server = Self { binaries: binaries()?, folder, options, shell: None };
        let output = server.shell(CREATE).output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(server)
    }

    /// Returns the URL of the database `gatepass`, with the owner of the database as the user. The server accepts any
    /// password.
    pub fn url(&self) -> String {
        self.url_of("gatepass:hush", "gatepass")
    }

    /// Runs a statement as the superuser.
    pub fn execute(&self, statement: &str) -> String {
        psql(&self.url_of("postgres", "postgres"), statement).expect("the statement runs")
    }

    fn url_of(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@localhost/{database}?host={}", self.folder.display())
    }

    /// Starts the server. `then` is a shell command that runs after the server has exited.
    pub fn start(&mut self, then: &str) -> Result<(), String> {
        let end = Instant::now() + TIMEOUT;
        let mut shell = self.serve(then)?;
        while !self.is_ready() {
            if Instant::now() > end {
                return Err(format!("PostgreSQL did not start within {TIMEOUT:?}"));
            }
            // The shared memory of a killed server may briefly prevent a new server from starting.
            if !self.folder.join("data/postmaster.pid").exists() {
                thread::park_timeout(Duration::from_millis(200));
                if !self.folder.join("data/postmaster.pid").exists() {
                    let _ = shell.kill();
                    let _ = shell.wait();
                    shell = self.serve(then)?;
                }
            }
            thread::park_timeout(Duration::from_millis(20));
        }
        self.shell = Some(shell);
        Ok(())
    }

    /// Stops the server, which closes all connections.
    pub fn stop(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            // The script stops the server when its standard input is closed.
            drop(shell.stdin.take());
            let _ = shell.wait();
        }
    }

    /// Kills the server with `kill -9`.
    pub fn kill(&mut self) {
        assert!(Command::new("kill").args(["-9", &self.process()]).status().unwrap().success());
        self.stop();
    }

    /// Returns the process ID of the server's main process.
    pub fn process(&self) -> String {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("the server runs");
        file.lines().next().expect("a process ID").to_owned()
    }

    fn serve(&self, then: &str) -> Result<Child, String> {
        self.shell(&format!("{SERVE} {then}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start PostgreSQL: {error}"))
    }

    fn is_ready(&self) -> bool {
        let mut ready = Command::new(self.binaries.join("pg_isready"));
        ready.arg("-q").arg("-h").arg(&self.folder).status().is_ok_and(|status| status.success())
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = as_postgres();
        command.args(["-c", script, "sh"]).args([&self.binaries, &self.folder]);
        command.arg(self.options).current_dir("/");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn start_cluster() -> Result<String, String> {
    let mut server = Server::init(WITHOUT_FSYNC)?;
    server.start("rm -rf \"$2\"")?;
    let url = server.url_of("postgres", "postgres");
    // When this process exits, the shell's standard input is closed, which stops the server.
    mem::forget(server);
    Ok(url)
}

/// Returns a command that starts a shell as the user that runs PostgreSQL. PostgreSQL refuses to run as root.
pub fn as_postgres() -> Command {
    if !is_root() {
        return Command::new("sh");
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--", "sh"]);
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
