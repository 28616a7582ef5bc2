//! Slow clients: they delay nobody, and the service closes their connections.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    http::{connect, get, read_reply},
    left_out,
    service::Program,
};

const SECOND: Duration = Duration::from_secs(1);

/// A service with timeouts of one second, and three for responses.
fn impatient(more: &[&str]) -> Program {
    let arguments =
        ["--bind", "127.0.0.1:0", "--workers", "1", "--header-timeout", "1", "--idle-timeout", "1"];
    let limits = ["--body-timeout", "1", "--response-timeout", "3"];
    let variables = [("RUST_LOG", "info,gatepass::access=off,gatepass::app=debug")];
    Program::start(&[&arguments[..], &limits, more].concat(), &variables)
}

/// The time until the service closes a connection on which this was sent.
fn time_to_end(address: SocketAddr, bytes: &[u8], then: impl FnOnce(TcpStream) + Send + 'static) -> Duration {
    let mut stream = connect(address);
    stream.write_all(bytes).unwrap();
    let start = Instant::now();
    let writer = stream.try_clone().unwrap();
    thread::spawn(move || then(writer));
    let _ = stream.read_to_end(&mut Vec::new());
    start.elapsed()
}

fn nothing(_: TcpStream) {}

fn drip(mut stream: TcpStream) {
    while stream.write_all(b"1\r\nx\r\n").is_ok() {
        thread::park_timeout(Duration::from_millis(100));
    }
}

fn flood(mut stream: TcpStream) {
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    while stream.write_all(&chunk).is_ok() {}
}

#[test]
fn slow_connections_are_closed() {
    const ANSWERED: &[u8] = b"GET /users/me HTTP/1.1\r\nHost: x\r\n\r\n";
    const CHUNKED: &str = "HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    let program = impatient(&[]);
    let address = program.address();
    let end = |bytes: &[u8], then: fn(TcpStream)| time_to_end(address, bytes, then);
    let ends = [
        ("no head", end(b"", nothing)),
        ("half a head", end(b"GET /users/me HTTP/1.1\r\nHo", nothing)),
        ("a head that drips", end(b"GET /users/me HTTP/1.1\r\nHost: x\r\na: ", drip)),
        ("an idle connection", end(ANSWERED, nothing)),
        ("half a second head", end(&[ANSWERED, b"GET /users"].concat(), nothing)),
        ("a second head that drips", end(&[ANSWERED, b"GET / HTTP/1.1\r\na: "].concat(), drip)),
        ("half a body", end(b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", nothing)),
        (
            "half a body that nobody reads",
            end(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", nothing),
        ),
        ("a body that drips", end(format!("POST /token {CHUNKED}").as_bytes(), drip)),
        ("a body that drips and nobody reads", end(format!("POST /nothing {CHUNKED}").as_bytes(), drip)),
        ("a body over the limit", end(format!("POST /token {CHUNKED}").as_bytes(), flood)),
        ("an endless body that nobody reads", end(format!("POST /nothing {CHUNKED}").as_bytes(), flood)),
    ];
    for (what, time) in ends {
        assert!(time < 6 * SECOND, "{what}: {time:?}");
    }
}

#[test]
fn connection_of_a_client_that_does_not_read_is_closed() {
    let program = impatient(&[]);
    let mut stream = connect(program.address());
    // More than the socket buffers of the system hold.
    let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
    stream.write_all(request.as_bytes()).unwrap();
    let start = Instant::now();
    program.wait_for("timed out sending a response");
    assert!(start.elapsed() < 8 * SECOND, "{:?}", start.elapsed());
}

#[test]
fn connections_over_the_limit_wait() {
    let program = impatient(&["--max-connections", "4"]);
    let address = program.address();
    let held: Vec<_> = (0..4).map(|_| connect(address)).collect();
    thread::park_timeout(SECOND / 5);
    // The idle connections take all slots for a second, until they are closed.
    let start = Instant::now();
    let mut waiting = connect(address);
    waiting.write_all(b"GET /users/me HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read_reply(&mut waiting).expect("an answer").status, 401);
    assert!(start.elapsed() > SECOND / 5 && start.elapsed() < 6 * SECOND, "{:?}", start.elapsed());
    drop(held);
}

#[cfg(target_os = "linux")]
#[test]
fn connections_are_limited_by_file_descriptors() {
    use crate::support::service::{gatepass, limited};
    for (of_database, affordable) in [("10", 136), ("100", 46)] {
        let arguments = ["--bind", "127.0.0.1:0", "--database-connections", of_database];
        let program = Program::run(&mut limited("--nofile=400:400", &gatepass(&arguments, &[])));
        let line = program.wait_for("connections, not 8000");
        assert!(
            line.ends_with(&format!(
                "at most {affordable} connections, not 8000: this process may open 400 files only"
            )),
            "{line}"
        );
        program.wait_for("listening on");
    }
}

/// Sends requests while `slowhttptest` runs hundreds of slow clients.
fn withstands(test: &str, mode: &[&str]) {
    // One test at a time: each uses the whole machine.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if Command::new("slowhttptest").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return left_out(test, "there is no slowhttptest");
    }
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[("RUST_LOG", "info,gatepass::access=off")]);
    let address = program.address();
    let mut attack = Command::new("slowhttptest")
        .args(["-c", "400", "-r", "200", "-l", "6", "-p", "2"])
        .args(mode)
        .args(["-u", &format!("http://{address}/docs/swagger-ui-bundle.js")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut times = Vec::new();
    while attack.try_wait().unwrap().is_none() {
        let start = Instant::now();
        assert_eq!(get("/users/me").bearer("johndoe").send(address).status, 200);
        times.push(start.elapsed());
        thread::park_timeout(Duration::from_millis(10));
    }
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    let memory = peak_memory(program.child.id());
    let p50 = times[times.len() / 2];
    eprintln!("{test}: {} requests, p50 {p50:?}, p99 {p99:?}, {memory} KiB", times.len());
    assert!(times.len() > 20 && p99 < SECOND, "{} requests, p99 {p99:?}", times.len());
    // 400 copies of the largest file would be 600 MiB.
    assert!(memory < 250 * 1024, "{memory} KiB");
}

/// The peak memory of a process in KiB.
fn peak_memory(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn slow_heads_do_not_delay_other_clients() {
    withstands("slow_heads_do_not_delay_other_clients", &["-H", "-i", "1"]);
}

#[test]
fn slow_bodies_do_not_delay_other_clients() {
    withstands("slow_bodies_do_not_delay_other_clients", &["-B", "-i", "1", "-s", "8192"]);
}

#[test]
fn slow_readers_do_not_delay_other_clients() {
    withstands(
        "slow_readers_do_not_delay_other_clients",
        &["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "32", "-k", "3"],
    );
}
