//! PostgreSQL for tests: the server at GATEPASS_TEST_POSTGRES, or one of our own that ends with the tests.

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

/// The URL of a server whose user may create databases.
const SERVER: &str = "GATEPASS_TEST_POSTGRES";

/// Makes a cluster in the folder $2.
const MAKE: &str = r#"
set -e
mkdir -m 700 "$2"
"$1/initdb" -D "$2/data" -U postgres --auth=trust --no-sync -E UTF8 --locale=C.UTF-8
"#;

/// Serves the cluster in the folder $2 there on a Unix socket with the options $3, until standard input ends.
const SERVE: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=200 $3 &
cat
kill -INT $!
wait $! || true
"#;

/// Tests fear no power cut.
const QUICK: &str = "-c fsync=off";

/// How long it may take until a server answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database for one test.
pub struct Database {
    pub url: String,
    name: String,
}

impl Database {
    /// A new, empty one, or why there is none.
    pub fn create() -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = SERVER_URL.as_ref()?;
        let name = format!("gatepass_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        psql(server, &format!("CREATE DATABASE {name}"))?;
        Ok(Self { url: with_database(server, &name), name })
    }

    /// Runs a statement in this database.
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

fn psql(url: &str, statement: &str) -> Result<String, String> {
    let psql = binaries().map_or_else(|_| "psql".into(), |folder| folder.join("psql"));
    let output = Command::new(psql)
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--command", statement, url])
        .output()
        .map_err(|error| format!("psql does not start: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The newest PostgreSQL that Debian's packages installed.
fn binaries() -> Result<PathBuf, String> {
    let versions = fs::read_dir("/usr/lib/postgresql").map_err(|_| "there is no PostgreSQL".to_owned())?;
    versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|folder| folder.join("initdb").exists())
        .max_by_key(|folder| folder.parent()?.file_name()?.to_str()?.parse::<u32>().ok())
        .ok_or_else(|| "there is no PostgreSQL server".to_owned())
}

/// A server of a test's own, which may be stopped and started. It ends with the test.
pub struct Server {
    binaries: PathBuf,
    folder: PathBuf,
    options: &'static str,
    shell: Option<Child>,
}

impl Server {
    /// A running one, or why there is none.
    pub fn create() -> Result<Self, String> {
        Self::create_with(QUICK)
    }

    /// The same, with other options.
    pub fn create_with(options: &'static str) -> Result<Self, String> {
        let mut server = Self::make(options)?;
        server.start("")?;
        server.execute("CREATE ROLE gatepass LOGIN");
        server.execute("CREATE DATABASE gatepass OWNER gatepass");
        Ok(server)
    }

    fn make(options: &'static str) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("gatepass-postgres-{}-{number}", std::process::id()));
        let server = Self { binaries: binaries()?, folder, options, shell: None };
        let made = server.shell(MAKE).output().map_err(|error| error.to_string())?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into_owned());
        }
        Ok(server)
    }

    /// A database on it, of a user of its own. Nobody asks for the password.
    pub fn url(&self) -> String {
        self.url_of("gatepass:hush", "gatepass")
    }

    /// Runs a statement as its superuser.
    pub fn execute(&self, statement: &str) -> String {
        psql(&self.url_of("postgres", "postgres"), statement).expect("the statement runs")
    }

    fn url_of(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@localhost/{database}?host={}", self.folder.display())
    }

    /// Starts it; `then` is what the shell does at its end.
    pub fn start(&mut self, then: &str) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        let mut shell = self.serve(then)?;
        while !self.answers() {
            if Instant::now() > end {
                return Err("PostgreSQL does not answer".to_owned());
            }
            // After one that was killed, its remains may keep the next one from starting for a moment.
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

    /// Stops it: whoever is connected is sent away.
    pub fn stop(&mut self) {
        if let Some(mut shell) = self.shell.take() {
            // Its standard input is what it waits for.
            drop(shell.stdin.take());
            let _ = shell.wait();
        }
    }

    /// Ends it by `kill -9`.
    pub fn kill(&mut self) {
        assert!(Command::new("kill").args(["-9", &self.process()]).status().unwrap().success());
        self.stop();
    }

    /// The number of its first process, whose children are all the others.
    pub fn process(&self) -> String {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("it runs");
        file.lines().next().expect("its process").to_owned()
    }

    fn serve(&self, then: &str) -> Result<Child, String> {
        self.shell(&format!("{SERVE} {then}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("PostgreSQL does not start: {error}"))
    }

    fn answers(&self) -> bool {
        let mut ready = Command::new(self.binaries.join("pg_isready"));
        ready.arg("-q").arg("-h").arg(&self.folder).status().is_ok_and(|status| status.success())
    }

    fn shell(&self, script: &str) -> Command {
        // PostgreSQL refuses to run as root.
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
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
    let mut server = Server::make(QUICK)?;
    server.start("rm -rf \"$2\"")?;
    let url = server.url_of("postgres", "postgres");
    // Its standard input ends with this process, whatever ends it, and the cluster with that.
    mem::forget(server);
    Ok(url)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
