//! Checks that the memory of many connections is returned to the system when the connections close.

use std::{io::Write, time::Instant};

use crate::support::{
    http::connect,
    service::Program,
    wait::{TIMEOUT, wait_until},
};

#[test]
fn memory_of_many_slow_connections_is_released_when_they_close() {
    const MIB: u64 = 1024 * 1024;
    let arguments = ["--bind", "127.0.0.1:0", "--workers", "2", "--header-timeout", "60"];
    let program = Program::start(&arguments, &[]);
    let address = program.address();
    let head = format!("GET /users/me HTTP/1.1\r\nHost: x\r\nx: {}", "x".repeat(12_000));
    let start = program.resident_bytes();
    let open = |_| {
        let mut connection = connect(address);
        connection.write_all(head.as_bytes()).unwrap();
        connection
    };
    let connections: Vec<_> = (0..800).map(open).collect();
    wait_until(TIMEOUT, "the service reads the heads", || program.resident_bytes() > start + 12 * MIB);
    let peak = program.resident_bytes();
    drop(connections);
    let end = Instant::now();
    wait_until(TIMEOUT, "memory is returned", || program.resident_bytes() < start + 6 * MIB);
    eprintln!("{start} bytes, then {peak}, and {} {:?} later", program.resident_bytes(), end.elapsed());
}
