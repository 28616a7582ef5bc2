//! Slow clients: the service closes their connections, and other clients are not delayed.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    http::{connect, get, read_reply},
    service::{Program, gatepass, limited},
    skip,
};

const SECOND: Duration = Duration::from_secs(1);

/// Starts a service with a timeout of three seconds for responses, and of one second for everything else.
fn with_short_timeouts(more: &[&str]) -> Program {
    let arguments =
        ["--bind", "127.0.0.1:0", "--workers", "1", "--header-timeout", "1", "--idle-timeout", "1"];
    let limits = ["--body-timeout", "1", "--response-timeout", "3"];
    let variables = [("RUST_LOG", "info,gatepass::access=off,gatepass::app=debug")];
    Program::start(&[&arguments[..], &limits, more].concat(), &variables)
}

/// Sends `bytes`, runs `then`, and returns the time until the service closes the connection.
fn time_to_close(
    address: SocketAddr,
    bytes: &[u8],
    then: impl FnOnce(TcpStream) + Send + 'static,
) -> Duration {
    let mut stream = connect(address);
    stream.write_all(bytes).unwrap();
    let start = Instant::now();
    let writer = stream.try_clone().unwrap();
    thread::spawn(move || then(writer));
    let _ = stream.read_to_end(&mut Vec::new());
    start.elapsed()
}

fn send_nothing(_: TcpStream) {}

fn send_slowly(mut stream: TcpStream) {
    while stream.write_all(b"1\r\nx\r\n").is_ok() {
        thread::park_timeout(Duration::from_millis(100));
    }
}

fn send_endlessly(mut stream: TcpStream) {
    let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x10000], b"\r\n"].concat();
    while stream.write_all(&chunk).is_ok() {}
}

/// A test case: its name, the bytes that the client sends first, and what the client does next.
type Case = (&'static str, Vec<u8>, fn(TcpStream));

#[test]
fn slow_or_idle_connection_is_closed_after_its_timeout() {
    const COMPLETE: &[u8] = b"GET /users/me HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const CHUNKED: &str = "HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    let program = with_short_timeouts(&[]);
    let address = program.address();
    let chunked = |target: &str| format!("POST {target} {CHUNKED}").into_bytes();
    let half = |target: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx").into_bytes()
    };
    let cases: [Case; 12] = [
        ("no head", vec![], send_nothing),
        ("half a head", b"GET /users/me HTTP/1.1\r\nHo".into(), send_nothing),
        ("a slow head", b"GET /users/me HTTP/1.1\r\nHost: localhost\r\na: ".into(), send_slowly),
        ("an idle connection", COMPLETE.into(), send_nothing),
        ("half a second head", [COMPLETE, b"GET /users"].concat(), send_nothing),
        ("a slow second head", [COMPLETE, b"GET / HTTP/1.1\r\na: "].concat(), send_slowly),
        ("half a body", half("/token"), send_nothing),
        ("half an unread body", half("/nothing"), send_nothing),
        ("a slow body", chunked("/token"), send_slowly),
        ("a slow unread body", chunked("/nothing"), send_slowly),
        ("a body over the limit", chunked("/token"), send_endlessly),
        ("an endless unread body", chunked("/nothing"), send_endlessly),
    ];
    thread::scope(|scope| {
        for (case, bytes, then) in cases {
            scope.spawn(move || {
                let time = time_to_close(address, &bytes, then);
                assert!(time < 6 * SECOND, "{case}: {time:?}");
            });
        }
    });
}

#[test]
fn connection_of_a_client_that_does_not_read_its_responses_is_closed() {
    let program = with_short_timeouts(&[]);
    let mut stream = connect(program.address());
    // The responses do not fit into the socket buffers of the system.
    let request = "GET /docs/any-version/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
    stream.write_all(request.as_bytes()).unwrap();
    let start = Instant::now();
    program.wait_for("timed out sending a response");
    assert!(start.elapsed() < 8 * SECOND, "{:?}", start.elapsed());
}

#[test]
fn connection_above_the_limit_is_served_when_another_one_closes() {
    let program = with_short_timeouts(&["--max-connections", "4"]);
    let address = program.address();
    // These idle connections take all slots until the service closes them, after a second.
    let _idle: Vec<_> = (0..4).map(|_| connect(address)).collect();
    let start = Instant::now();
    let mut waiting = connect(address);
    waiting.write_all(b"GET /users/me HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(read_reply(&mut waiting).expect("a response").status, 401);
    assert!(start.elapsed() > SECOND / 5 && start.elapsed() < 6 * SECOND, "{:?}", start.elapsed());
}

#[test]
fn number_of_connections_is_limited_by_the_maximum_number_of_open_files() {
    for (database_connections, limit) in [("10", 136), ("100", 46)] {
        let arguments = ["--bind", "127.0.0.1:0", "--database-connections", database_connections];
        let program = Program::run(&mut limited("--nofile=400:400", &gatepass(&arguments, &[])));
        let line = program.wait_for("instead of 8000");
        assert!(line.contains(&format!("at most {limit} connections")), "{line}");
        assert!(line.contains("the limit on open files is 400"), "{line}");
        program.wait_for("listening on");
    }
}

/// Sends requests while `slowhttptest` runs 400 slow clients, and checks response times and memory.
fn check_under_attack(mode: &[&str]) {
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[("RUST_LOG", "info,gatepass::access=off")]);
    let address = program.address();
    let mut attack = Command::new("slowhttptest")
        .args(["-c", "400", "-r", "200", "-l", "6", "-p", "2"])
        .args(mode)
        .args(["-u", &format!("http://{address}/docs/any-version/swagger-ui-bundle.js")])
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
    // With up to 100 samples, p99 would be the slowest request, which other tests may have delayed.
    let [p50, p99] = [50, 99].map(|percent| times[(times.len() * percent / 100).min(times.len() - 2)]);
    let memory = peak_memory(program.child.id());
    eprintln!("{mode:?}: {} requests, p50 {p50:?}, p99 {p99:?}, {memory} KiB", times.len());
    // The limit allows for the load of other tests. If slow clients blocked workers, requests would wait for the
    // timeouts.
    assert!(times.len() > 20 && p99 < 4 * SECOND, "{} requests, p99 {p99:?}", times.len());
    // 400 copies of the largest file would take 600 MiB.
    assert!(memory < 250 * 1024, "{memory} KiB");
}

#[test]
fn slow_heads_bodies_and_readers_do_not_delay_other_clients() {
    if Command::new("slowhttptest").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return skip("slowhttptest is not installed");
    }
    check_under_attack(&["-H", "-i", "1"]);
    check_under_attack(&["-B", "-i", "1", "-s", "8192"]);
    check_under_attack(&["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "32", "-k", "3"]);
}

/// Returns the peak memory of a process in KiB.
fn peak_memory(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
