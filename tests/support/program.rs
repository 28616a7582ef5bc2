//! Runs commands of the program on a new database.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::support::{folder::Folder, new_postgres, postgres, secrets, service};

/// Returns the content of a file for `users import`, with `count` users as JSON lines.
pub fn users_jsonl(count: usize) -> String {
    let line = |number| format!("{{\"username\":\"user{number}\",\"hashed_password\":\"{HASH}\"}}\n");
    (0..count).map(line).collect()
}

/// A hash in Django's format that matches no password.
pub const HASH: &str = "pbkdf2_sha256$1000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The environment variables that set the lowest cost for password hashes.
pub const CHEAP_HASHES: [(&str, &str); 2] =
    [("GATEPASS_ARGON2_MEMORY", "1024"), ("GATEPASS_ARGON2_ITERATIONS", "1")];

/// The program with a new database.
pub struct Gatepass {
    pub url: String,
    pub folder: Folder,
    postgres: Option<postgres::Database>,
}

/// The exit code and the output of a command.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Gatepass {
    pub fn on_sqlite() -> Self {
        let folder = Folder::create();
        Self { url: format!("sqlite:{}", folder.file("gatepass.db")), folder, postgres: None }
    }

    pub fn on_postgres(database: postgres::Database) -> Self {
        Self { url: database.url.clone(), folder: Folder::create(), postgres: Some(database) }
    }

    /// Runs a test on SQLite and on PostgreSQL.
    pub fn on_both(run: impl Fn(&Self)) {
        run(&Self::on_sqlite());
        if let Some(database) = new_postgres() {
            run(&Self::on_postgres(database));
        }
    }

    /// Returns the PostgreSQL database. Panics if the database is SQLite.
    pub fn postgres(&self) -> &postgres::Database {
        self.postgres.as_ref().expect("a PostgreSQL database")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = service::gatepass(arguments, &[("GATEPASS_DATABASE_URL", self.url.as_str())]);
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a command with empty standard input.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, "")
    }

    /// Runs a command with `stdin` as its standard input.
    pub fn run_with(&self, arguments: &[&str], stdin: &str) -> Run {
        Self::run_command(&mut self.command(arguments), stdin)
    }

    fn run_command(command: &mut Command, stdin: &str) -> Run {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        secrets::record(stdin.trim_end());
        // The program may exit without reading its input.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let run = Run::from(child.wait_with_output().unwrap());
        secrets::record_reply(run.out.as_bytes());
        // Error messages may end up in logs, so the search for secrets includes them.
        let _ = secrets::log_file().write_all(run.err.as_bytes());
        run
    }

    /// Runs a command, which must succeed, and returns its output.
    pub fn done(&self, arguments: &[&str]) -> String {
        self.run(arguments).done()
    }

    /// Runs a command with `--json`, which must succeed, and returns its output.
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[arguments, &["--json"]].concat())).expect("one JSON value")
    }

    /// Runs a command that prints JSON lines and must succeed, and returns the values.
    pub fn json_lines(&self, arguments: &[&str]) -> Vec<Value> {
        self.done(arguments).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Adds a user with the password `USERNAME's own passphrase` and a cheap hash.
    pub fn add(&self, username: &str, options: &[&str]) -> Run {
        let mut command = self.command(&[&["users", "add", username, "--password-stdin"], options].concat());
        Self::run_command(command.envs(CHEAP_HASHES), &format!("{username}'s own passphrase\n"))
    }

    /// Returns the names of all users, or none if the database does not exist.
    pub fn usernames(&self) -> Vec<String> {
        if let Some(file) = self.url.strip_prefix("sqlite:")
            && !std::path::Path::new(file).exists()
        {
            return Vec::new();
        }
        let users = self.json_lines(&["users", "list", "--json"]);
        users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns the stored hash of a user's password.
    pub fn hash(&self, username: &str) -> String {
        let users = self.json_lines(&["users", "export"]);
        let user = users.iter().find(|user| user["username"] == username).expect("the user");
        user["hashed_password"].as_str().unwrap().to_owned()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Run {
    /// Asserts that the command succeeded, and returns its output.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// Asserts that the command failed with this exit code and printed one line that contains all of `words`.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{}", self.err);
        assert_eq!(self.err.trim_end().lines().count(), 1, "{}", self.err);
        assert!(self.err.starts_with("gatepass: "), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in {:?}", self.err);
        }
    }
}
