//! Prompts, colors and the progress bar, on a terminal that util-linux's `script` emulates.

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    program::{Gatepass, users_jsonl},
    service::TIMEOUT,
    skip,
};

/// The program, running on a terminal.
struct Terminal {
    child: Child,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn start(gatepass: &Gatepass, arguments: &[&str]) -> Self {
        Self::start_in(gatepass, arguments, "GATEPASS")
    }

    /// Runs a shell script in which GATEPASS stands for the program.
    fn start_in(gatepass: &Gatepass, arguments: &[&str], script: &str) -> Self {
        let program = gatepass.command(arguments);
        let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap());
        let line: Vec<_> =
            [program.get_program()].into_iter().chain(program.get_args()).map(quoted).collect();
        let mut child = Command::new("script")
            .args([
                "--quiet",
                "--return",
                "--echo",
                "never",
                "--command",
                &script.replace("GATEPASS", &line.join(" ")),
                "/dev/null",
            ])
            .env("GATEPASS_DATABASE_URL", &gatepass.url)
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (send, output) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                let _ = send.send(buffer[..read].to_vec());
            }
        });
        Self { child, output, seen: String::new() }
    }

    /// Waits for `prompt` in new output, and types a line.
    fn type_at(&mut self, prompt: &str, line: &str) {
        let end = Instant::now() + TIMEOUT;
        let mut shown = String::new();
        while !shown.contains(prompt) {
            let left = end.saturating_duration_since(Instant::now());
            let bytes =
                self.output.recv_timeout(left).unwrap_or_else(|_| panic!("expected {prompt:?} in {shown:?}"));
            shown += &String::from_utf8_lossy(&bytes);
        }
        self.seen += &shown;
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for `prompt`, and presses Ctrl-C until `end` is shown: the program may not be ready for the first Ctrl-C.
    fn interrupt(&mut self, prompt: &str, end: &str) {
        let late = Instant::now() + TIMEOUT;
        while !self.seen.contains(end) {
            assert!(Instant::now() < late, "expected {end:?} in {:?}", self.seen);
            if self.seen.contains(prompt) {
                self.child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
            }
            while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(500)) {
                self.seen += &String::from_utf8_lossy(&bytes);
                if self.seen.ends_with(prompt) {
                    break;
                }
            }
        }
    }

    /// Waits for the program to exit, and returns its exit code and all output.
    fn end(mut self) -> (Option<i32>, String) {
        while let Ok(bytes) = self.output.recv_timeout(TIMEOUT) {
            self.seen += &String::from_utf8_lossy(&bytes);
        }
        let _ = self.child.kill();
        (self.child.wait().unwrap().code(), self.seen)
    }
}

fn lacks_terminal() -> bool {
    let version = Command::new("script").arg("--version").output();
    let exists = version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("util-linux"));
    if !exists {
        skip("util-linux's `script` is not installed");
    }
    !exists
}

#[test]
fn password_is_prompted_for_twice_and_not_echoed() {
    if lacks_terminal() {
        return;
    }
    let gatepass = Gatepass::on_sqlite();
    let mut terminal = Terminal::start(&gatepass, &["users", "add", "johndoe"]);
    terminal.type_at("New password: ", "correct horse battery");
    terminal.type_at("Again: ", "correct horse battery");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("added johndoe") && !seen.contains("horse"), "{seen}");

    let before = gatepass.hash("johndoe");
    let mut terminal = Terminal::start(&gatepass, &["users", "passwd", "johndoe"]);
    terminal.type_at("New password: ", "correct horse battery");
    terminal.type_at("Again: ", "correct horse batery");
    let (code, seen) = terminal.end();
    assert_eq!(code, Some(1), "{seen}");
    assert!(seen.contains("differ"), "{seen}");
    assert_eq!(gatepass.hash("johndoe"), before);
}

#[test]
fn interrupted_password_prompt_restores_the_terminal() {
    if lacks_terminal() {
        return;
    }
    let gatepass = Gatepass::on_sqlite();
    let script = "before=$(stty --save); GATEPASS; echo \"ended with $?\"; \
                  [ \"$before\" = \"$(stty --save)\" ] && echo 'unchanged'";
    let mut terminal = Terminal::start_in(&gatepass, &["users", "add", "johndoe"], script);
    terminal.interrupt("New password: ", "ended with");
    let (_, seen) = terminal.end();
    assert!(seen.contains("ended with 130"), "{seen}");
    assert!(seen.contains("unchanged"), "{seen}");
    assert_eq!(gatepass.usernames(), [""; 0]);
}

#[test]
fn users_remove_prompts_for_confirmation() {
    if lacks_terminal() {
        return;
    }
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("johndoe", &[]).done();
    for answer in ["", "n", "no", "what?"] {
        let mut terminal = Terminal::start(&gatepass, &["users", "remove", "johndoe"]);
        terminal.type_at("Remove johndoe permanently? [y/N] ", answer);
        assert_eq!(terminal.end().0, Some(1));
        assert_eq!(gatepass.usernames(), ["johndoe"]);
    }
    let mut terminal = Terminal::start(&gatepass, &["users", "remove", "johndoe"]);
    terminal.type_at("Remove johndoe permanently? [y/N] ", "y");
    assert_eq!(terminal.end().0, Some(0));
    assert_eq!(gatepass.usernames(), [""; 0]);
}

#[test]
fn output_is_colored_on_a_terminal_unless_no_color_is_set() {
    if lacks_terminal() {
        return;
    }
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("johndoe", &[]).done();
    gatepass.add("alice", &["--disabled"]).done();
    let shown = |arguments: &[&str], environment: &str| {
        // CI systems set the variable CI, which also turns colors on.
        let script = format!("env -u CI {environment} GATEPASS");
        let (code, seen) = Terminal::start_in(&gatepass, arguments, &script).end();
        assert_eq!(code, Some(0), "{seen}");
        seen
    };
    let (bold, dimmed, green, escape) = ("\u{1b}[1m", "\u{1b}[2m", "\u{1b}[32m", "\u{1b}");
    let colors = "-u NO_COLOR TERM=xterm";
    let list = shown(&["users", "list"], colors);
    for line in [format!("{bold}USERNAME "), format!("{dimmed}alice "), "\njohndoe ".to_owned()] {
        assert!(list.contains(&line), "expected {line:?} in {list:?}");
    }
    assert!(shown(&["check", "--profile=tutorial"], colors).contains(&format!("{green}ok")));
    for (arguments, environment) in [
        (&["users", "list"][..], "NO_COLOR=1 TERM=xterm"),
        (&["users", "list"], "-u NO_COLOR TERM=dumb"),
        (&["users", "list", "--json"], colors),
    ] {
        let seen = shown(arguments, environment);
        assert!(seen.contains("alice") && !seen.contains(escape), "{seen:?}");
    }
    assert!(!gatepass.done(&["users", "list"]).contains(escape));
}

#[test]
fn import_shows_progress_only_on_a_terminal() {
    if lacks_terminal() {
        return;
    }
    let gatepass = Gatepass::on_sqlite();
    let file = gatepass.folder.write("users.jsonl", users_jsonl(5000));
    let (code, seen) = Terminal::start(&gatepass, &["users", "import", &file]).end();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("importing") && seen.contains('%'), "{seen}");
    // Without a terminal, `done` asserts that only the result is printed.
}
