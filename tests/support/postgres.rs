//! PostgreSQL for tests: the server at GATEPASS_TEST_POSTGRES, or one of our own that ends with the tests.

use std::{
    env, fs, mem,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::service::PATIENCE;

/// The URL of a server whose user may create databases.
const SERVER: &str = "GATEPASS_TEST_POSTGRES";

/// Makes a cluster in the folder $2 and serves it there on a Unix socket, until standard input ends.
const CLUSTER: &str = r#"
set -e
"$1/initdb" -D "$2/data" -U postgres --auth=trust --no-sync -E UTF8 --locale=C.UTF-8
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c max_connections=200 &
cat
kill -INT $!
wait $! || true
"#;

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

fn start_cluster() -> Result<String, String> {
    let binaries = binaries()?;
    let folder = env::temp_dir().join(format!("gatepass-postgres-{}", std::process::id()));
    let shell = |script: &str, arguments: &[&Path]| {
        // PostgreSQL refuses to run as root.
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", script, "sh"]).args(arguments).current_dir("/");
        command
    };
    let made = shell("mkdir -m 700 \"$1\"", &[&folder]).status().map_err(|error| error.to_string())?;
    if !made.success() {
        return Err(format!("{} cannot be made", folder.display()));
    }
    let cluster = shell(&format!("{CLUSTER} rm -rf \"$2\""), &[&binaries, &folder])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("PostgreSQL does not start: {error}"))?;
    // Its standard input ends with this process, whatever ends it, and the cluster with that.
    mem::forget(cluster);

    let end = Instant::now() + PATIENCE * 3;
    let ready = || Command::new(binaries.join("pg_isready")).arg("-q").arg("-h").arg(&folder).status();
    while !ready().is_ok_and(|status| status.success()) {
        if Instant::now() > end {
            return Err("PostgreSQL does not answer".to_owned());
        }
        thread::park_timeout(Duration::from_millis(20));
    }
    Ok(format!("postgres://postgres@localhost/postgres?host={}", folder.display()))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
