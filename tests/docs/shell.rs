//! Runs the commands of the tutorials and how-to guides in bash, in order, as a reader would.
//!
//! Blocks of the language `sh` run in one shell per page, in a new directory. A block with `background` starts a
//! service, and the next block runs once the service listens; `background=PORT` specifies its port. If a `text` or
//! `json` block follows, it contains the expected output, in which `…` stands for any text. Blocks with `norun` do not
//! run.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    os::unix::{fs::symlink, process::CommandExt},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    docs::page::{Block, names, read, split},
    support::{
        folder::Folder,
        secure_profile::free_address,
        skip,
        wait::{TIMEOUT, wait_until},
    },
};

/// The number of blocks with `norun`, which must not grow.
const NOT_RUN: usize = 15;

/// The ports that the pages use. The test replaces them with free ones.
const PORTS: [&str; 3] = ["8000", "8080", "9000"];

/// The programs that the pages use and that may be missing.
const PROGRAMS: [&str; 3] = ["curl", "openssl", "sqlite3"];

/// The line that ends the output of a block.
const END: &str = "--- end of the block ---";

/// A shell for the blocks of one page.
struct Shell {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// Each port of the page, and the address that replaces it.
    addresses: Vec<(String, String)>,
    _folder: Folder,
}

impl Drop for Shell {
    /// Ends the shell and the services that the page started.
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id())
            && let Some(pid) = Pid::from_raw(pid)
        {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Shell {
    fn start() -> Self {
        let folder = Folder::create();
        let addresses: Vec<_> =
            PORTS.iter().map(|port| (format!("127.0.0.1:{port}"), free_address().to_string())).collect();
        let (bin, work) = (folder.path().join("bin"), folder.path().join("work"));
        fs::create_dir(&bin).unwrap();
        fs::create_dir(&work).unwrap();
        symlink(env!("CARGO_BIN_EXE_gatepass"), bin.join("gatepass")).unwrap();
        // `cargo run` in docs/first-application.md starts the example, which Cargo has built with the tests.
        let example = env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/minimal");
        let script = format!("#!/bin/sh\nBIND={} exec {}\n", addresses[1].1, example.display());
        fs::write(bin.join("cargo"), script).unwrap();
        assert!(Command::new("chmod").arg("+x").arg(bin.join("cargo")).status().unwrap().success());
        let mut command = Command::new("bash");
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("GATEPASS_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        let mut child = command
            .current_dir(&work)
            .env("PATH", format!("{}:{}", bin.display(), env::var("PATH").unwrap()))
            .env("GATEPASS_BIND", &addresses[0].1)
            // On a busy machine, sign-ins may wait longer than the default allows.
            .env("GATEPASS_HASH_MAX_WAIT", "60000")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash");
        let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        writeln!(stdin, "set -euo pipefail\nexec 2>&1").unwrap();
        Self { child, stdin, stdout: BufReader::new(stdout), addresses, _folder: folder }
    }

    fn with_addresses(&self, text: &str) -> String {
        let replace = |text: String, (old, new): &(String, String)| text.replace(old, new);
        self.addresses.iter().fold(text.to_owned(), replace)
    }

    /// Runs a block and returns its output, as `Err` if a command failed.
    fn run(&mut self, block: &Block) -> Result<String, String> {
        let text = self.with_addresses(&block.text);
        writeln!(self.stdin, "{{\n{text}\n}} < /dev/null\necho; echo '{END}'").unwrap();
        let mut output = String::new();
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).expect("UTF-8") == 0 {
                return Err(output);
            }
            if line.trim_end() == END {
                return Ok(output);
            }
            output.push_str(&line);
        }
    }

    /// Stops the previous service of the page, if any, starts the one of this block, and waits until it listens.
    fn start_service(&mut self, block: &Block, port: &str) {
        let text = self.with_addresses(&block.text);
        let script = "if [ -n \"${service:-}\" ]; then kill $service; wait $service || true; fi\n\
                      (exec env COMMAND) < /dev/null > service.log 2>&1 &\nservice=$!";
        writeln!(self.stdin, "{}", script.replace("COMMAND", text.trim_end())).unwrap();
        let stopped = Block { info: String::new(), text: ":".into(), line: 0 };
        self.run(&stopped).expect("the previous service stops");
        let port = if port.is_empty() { PORTS[0] } else { port };
        let (_, address) =
            self.addresses.iter().find(|(old, _)| old.ends_with(port)).expect("a port in PORTS");
        wait_until(TIMEOUT, &format!("the service in line {} listens", block.line), || {
            TcpStream::connect(address).is_ok()
        });
    }
}

/// Returns whether the output matches the expected output, in which `…` stands for any text.
fn matches(output: &str, expected: &str) -> bool {
    let lines = |text: &str| {
        text.trim().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    };
    let (output, expected) = (lines(output), lines(expected));
    let mut pieces = expected.split('…');
    let Some(mut rest) = output.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let pieces: Vec<_> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn commands_of_every_page_succeed_with_the_documented_output() {
    let is_missing = |name: &str| {
        let version = if name == "openssl" { "version" } else { "--version" };
        Command::new(name).arg(version).stdout(Stdio::null()).status().is_err()
    };
    if let Some(name) = PROGRAMS.into_iter().find(|name| is_missing(name)) {
        return skip(format!("{name} is not installed"));
    }
    let mut count = 0;
    for name in names() {
        let (blocks, _) = split(&read(&format!("docs/{name}")));
        let is_run = |block: &&Block| block.language() == "sh" && block.attribute("norun").is_none();
        if !blocks.iter().any(|block| is_run(&block)) {
            continue;
        }
        let mut shell = Shell::start();
        for (index, block) in blocks.iter().enumerate().filter(|(_, block)| is_run(block)) {
            count += 1;
            if let Some(port) = block.attribute("background") {
                shell.start_service(block, port);
                continue;
            }
            let place = format!("docs/{name}:{}", block.line);
            let output = shell.run(block);
            let output = output.unwrap_or_else(|output| panic!("{place} failed:\n{output}"));
            let next = blocks.get(index + 1).filter(|next| ["json", "text"].contains(&next.language()));
            if let Some(next) = next {
                let expected = shell.with_addresses(&next.text);
                assert!(matches(&output, &expected), "{place} printed:\n{output}\nexpected:\n{expected}");
            }
        }
    }
    assert!(count > 20, "expected more than 20 blocks to run, got {count}");
}

#[test]
fn number_of_blocks_marked_norun_does_not_grow() {
    let pages = names().into_iter().map(|name| split(&read(&format!("docs/{name}"))).0);
    let count = pages.flatten().filter(|block| block.attribute("norun").is_some()).count();
    assert_eq!(count, NOT_RUN, "lower NOT_RUN if fewer blocks are marked `norun`; do not raise it");
}

#[test]
fn ellipsis_matches_any_text() {
    for (output, expected, matching) in [
        ("a\n", "a", true),
        ("ab", "a", false),
        ("a1b2c", "a…b…c", true),
        ("a1b2", "a…b…c", false),
        ("x1", "a…", false),
        ("a", "a…", true),
        ("a  \nb\n\n", "a\nb", true),
    ] {
        assert_eq!(matches(output, expected), matching, "{output:?} {expected:?}");
    }
}
