//! The memory of many connections, which the service returns to the system.

use std::{fs, io::Write, time::Instant};

use crate::support::{
    http::connect,
    service::Program,
    wait::{TIMEOUT, wait_until},
};

/// The resident memory of the service in KiB.
fn memory(program: &Program) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn memory_of_many_slow_connections_is_returned_within_a_minute() {
    const MIB: u64 = 1024;
    let arguments = ["--bind", "127.0.0.1:0", "--workers", "2", "--header-timeout", "60"];
    let program = Program::start(&arguments, &[]);
    let address = program.address();
    let head = format!("GET /users/me HTTP/1.1\r\nHost: x\r\nx: {}", "x".repeat(12_000));
    let start = memory(&program);
    let open = |_| {
        let mut connection = connect(address);
        connection.write_all(head.as_bytes()).unwrap();
        connection
    };
    let connections: Vec<_> = (0..800).map(open).collect();
    wait_until(TIMEOUT, "the service reads the heads", || memory(&program) > start + 12 * MIB);
    let peak = memory(&program);
    drop(connections);
    let end = Instant::now();
    wait_until(TIMEOUT, "memory is returned", || memory(&program) < start + 6 * MIB);
    eprintln!("{start} KiB, then {peak}, and {} {:?} later", memory(&program), end.elapsed());
}
