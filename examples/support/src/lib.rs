//! Test support: starts an example as a user would, and runs the commands in its README.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, id},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

// This file is formatted with the main workspace's settings.
#[rustfmt::skip]
#[path = "../../../tests/support/postgres.rs"]
pub mod postgres;

const TIMEOUT: Duration = Duration::from_secs(60);

/// The address that the READMEs use.
const ADDRESS: &str = "127.0.0.1:8080";

/// Returns a new database, or `None` if PostgreSQL is missing. The caller then skips its test.
pub fn new_postgres() -> Option<postgres::Database> {
    let skip = |why: &String| {
        assert!(
            env::var_os("GATEPASS_REQUIRE_ALL_TESTS").is_none(),
            "skipped: {why}"
        );
        eprintln!("skipped: {why}");
    };
    postgres::Database::create().inspect_err(skip).ok()
}

/// A running example in a directory of its own. The process is killed when the value is dropped.
pub struct Example {
    pub address: String,
    child: Child,
    folder: TempDir,
    variables: Vec<(String, String)>,
}

impl Example {
    /// Starts a program with these environment variables, and with `BIND` set to a free address.
    pub fn start(program: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = free_address();
        let variables: Vec<(String, String)> = variables
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let mut command = Command::new(program);
        command
            .env("BIND", &address)
            .envs(variables.clone())
            .current_dir(&folder);
        let mut child = command.spawn().expect("the program starts");
        let start = Instant::now();
        while TcpStream::connect(&address).is_err() {
            let status = child.try_wait().expect("a child process");
            assert!(
                status.is_none(),
                "{program} exited before it listened: {status:?}"
            );
            assert!(
                start.elapsed() < TIMEOUT,
                "expected {program} to listen on {address}, timed out"
            );
            thread::park_timeout(Duration::from_millis(10));
        }
        Self {
            address,
            child,
            folder,
            variables,
        }
    }

    /// Runs the commands in the `console` blocks of a Markdown file, and compares their output with the file.
    pub fn run_file(&self, path: impl AsRef<Path>) {
        self.run(&fs::read_to_string(path).expect("a readable file"));
    }

    /// Runs the commands in the `console` blocks of a Markdown string, in one shell, and compares their output. In the
    /// expected output, `…` stands for any characters.
    #[track_caller]
    pub fn run(&self, text: &str) {
        const END: &str = "end of command";
        let commands = commands(&text.replace(ADDRESS, &self.address));
        assert!(!commands.is_empty(), "the text contains no commands");
        let script: String = commands
            .iter()
            .map(|(command, _)| format!("{command}\nprintf '%s' '{END}'\n"))
            .collect();
        let settings = self.folder.path().join(".curlrc");
        fs::write(settings, "silent\nshow-error\nmax-time = 60\n").expect("a writable folder");
        let mut shell = Command::new("bash");
        shell.env("CURL_HOME", self.folder.path());
        shell
            .args(["-c", &script])
            .current_dir(&self.folder)
            .envs(self.variables.clone());
        let output = shell.output().expect("bash runs");
        let printed = String::from_utf8_lossy(&output.stdout);
        for ((command, expected), printed) in commands.iter().zip(printed.split(END)) {
            let errors = String::from_utf8_lossy(&output.stderr);
            let (expected, printed) = (expected.trim(), printed.trim());
            assert!(
                matches(expected, printed),
                "$ {command}\n{printed}\n\nexpected:\n{expected}\n\n{errors}"
            );
        }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns each command of the `console` blocks with its expected output.
fn commands(text: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let (mut in_block, mut continues) = (false, false);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = line.trim() == "```console";
        } else if !in_block {
        } else if let Some(command) = line.strip_prefix("$ ") {
            continues = command.ends_with('\\');
            commands.push((command.to_owned(), String::new()));
        } else if let Some((command, output)) = commands.last_mut() {
            let part = if continues { command } else { output };
            if !part.is_empty() {
                part.push('\n');
            }
            part.push_str(line);
            continues = continues && line.ends_with('\\');
        }
    }
    commands
}

/// Returns whether `text` matches `expected`, in which `…` stands for any characters.
fn matches(expected: &str, text: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(position) = rest.find(part) else {
            return false;
        };
        rest = &rest[position + part.len()..];
    }
    rest.ends_with(last)
}

/// Returns a free address. Its port is below the range that the system assigns to clients.
fn free_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = id().wrapping_mul(50) as u16;
    let ports = (0..20_000)
        .map(|_| 10_000 + first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    format!(
        "127.0.0.1:{}",
        ports.into_iter().find(is_free).expect("a free port")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ellipsis_matches_any_characters() {
        assert!(
            matches("a…c", "abc")
                && matches("…", "")
                && matches("a…b…", "a1b2")
                && matches("ab", "ab")
        );
        assert!(!matches("a…c", "abd") && !matches("ab", "abc") && !matches("a…a", "a"));
    }

    #[test]
    fn commands_include_continuation_lines_and_output() {
        let text = "```sh\n$ no\n```\n```console\n$ a \\\n  b\nout\nput\n$ c\n```\n";
        let expected = [("a \\\n  b", "out\nput"), ("c", "")];
        assert_eq!(
            commands(text),
            expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
    }
}
