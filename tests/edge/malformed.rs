//! Malformed requests: no input causes a 5xx, a panic or a blocked worker.

use std::io::{Read, Write};

use proptest::prelude::*;

use crate::support::{
    http::{connect, exchange, get},
    service::{Program, tutorial},
};

/// Returns the status of the response, or `None` if the connection is closed without one.
fn status(bytes: &[u8]) -> Option<u16> {
    let mut stream = connect(tutorial());
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut response = Vec::new();
    // A reset after the response is fine.
    let _ = stream.read_to_end(&mut response);
    let line = String::from_utf8_lossy(&response[..response.len().min(12)]).into_owned();
    line.split(' ').nth(1)?.parse().ok()
}

#[test]
fn malformed_or_unusual_request_returns_4xx() {
    let head = |line: &str, headers: &str| format!("{line}\r\n{headers}\r\n").into_bytes();
    let post = |headers: &str, body: &str| {
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        [head("POST /token HTTP/1.1", &format!("Host: localhost\r\n{form}{headers}")), body.into()].concat()
    };
    let chunked = "Transfer-Encoding: chunked\r\n";
    let many = "a: b\r\n".repeat(200);
    let (large, huge) = (format!("a: {}\r\n", "b".repeat(17_000)), format!("a: {}\r\n", "b".repeat(150_000)));
    for (what, bytes, expected) in [
        ("no Host", head("GET / HTTP/1.1", ""), 400),
        ("two Hosts", head("GET / HTTP/1.1", "Host: a\r\nHost: b\r\n"), 400),
        ("a request line without a version", head("GET /", "Host: localhost\r\n"), 400),
        ("an unknown version", head("GET / HTTP/3.0", "Host: localhost\r\n"), 400),
        ("HTTP/2 without TLS", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 400),
        ("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400),
        ("HTTP/1.0", head("GET /users/me HTTP/1.0", ""), 401),
        ("an absolute target", head("GET http://evil.com/users/me HTTP/1.1", "Host: localhost\r\n"), 401),
        ("TRACE", head("TRACE /users/me HTTP/1.1", "Host: localhost\r\n"), 405),
        ("CONNECT", head("CONNECT x:80 HTTP/1.1", "Host: localhost\r\n"), 404),
        ("an unknown method", head("BREW /users/me HTTP/1.1", "Host: localhost\r\n"), 405),
        ("an invalid method", head("G(T / HTTP/1.1", "Host: localhost\r\n"), 400),
        ("a space before the colon", head("GET / HTTP/1.1", "Host : x\r\n"), 400),
        ("a folded header", head("GET / HTTP/1.1", "Host: localhost\r\na: b\r\n c\r\n"), 400),
        ("a NUL in a header", head("GET / HTTP/1.1", "Host: localhost\r\na: \0\r\n"), 400),
        ("many headers", head("GET / HTTP/1.1", &format!("Host: localhost\r\n{many}")), 431),
        ("a large header", head("GET / HTTP/1.1", &format!("Host: localhost\r\n{large}")), 431),
        ("a huge header", head("GET / HTTP/1.1", &format!("Host: localhost\r\n{huge}")), 431),
        ("two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"), 400),
        ("two equal lengths", post("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), 400),
        ("a list of lengths", post("Content-Length: 1, 1\r\n", "a"), 400),
        ("a signed length", post("Content-Length: +1\r\n", "a"), 400),
        ("a negative length", post("Content-Length: -1\r\n", "a"), 400),
        ("a length of more than 64 bits", post("Content-Length: 99999999999999999999\r\n", "a"), 400),
        ("a length over the body limit", post("Content-Length: 9999999999999999999\r\n", "a"), 413),
        ("a length and chunked encoding", post(&format!("Content-Length: 4\r\n{chunked}"), "0\r\n\r\n"), 400),
        ("chunked encoding and a length", post(&format!("{chunked}Content-Length: 4\r\n"), "0\r\n\r\n"), 400),
        ("chunked encoding twice", post(&format!("{chunked}{chunked}"), "0\r\n\r\n"), 400),
        ("another encoding before chunked", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 400),
        ("an unknown encoding", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 400),
        ("a chunk without a size", post(chunked, "\r\n"), 400),
        ("a chunk size that is not a number", post(chunked, "zz\r\n"), 400),
        ("a negative chunk size", post(chunked, "-1\r\n"), 400),
        ("a chunk size of more than 64 bits", post(chunked, "ffffffffffffffffff\r\n"), 400),
        ("a chunk longer than its size", post(chunked, "1\r\nab\r\n0\r\n\r\n"), 400),
    ] {
        assert_eq!(status(&bytes), Some(expected), "{what}");
    }
    assert_eq!(get("/users/me").bearer("johndoe").send(tutorial()).status, 200);
}

#[test]
fn bytes_after_a_rejected_request_are_not_parsed_as_another_request() {
    let smuggled =
        b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
        0\r\n\r\nGET /users/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer johndoe\r\n\r\n";
    let reply = exchange(tutorial(), smuggled);
    assert_eq!((reply.status, reply.header("connection").as_deref()), (400, Some("close")));
    assert!(!String::from_utf8_lossy(&reply.body).contains("johndoe"), "{reply:?}");
}

#[test]
fn pipelined_requests_get_responses_in_order() {
    let mut stream = connect(tutorial());
    let one =
        "GET /users/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer johndoe\r\n\r\n".repeat(500);
    let last = "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut writer = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || writer.write_all(format!("{one}{last}").as_bytes()));
    let mut responses = String::new();
    stream.read_to_string(&mut responses).unwrap();
    sender.join().unwrap().unwrap();
    assert_eq!(responses.matches("HTTP/1.1 200 OK").count(), 500);
    assert_eq!(responses.matches("HTTP/1.1 404 Not Found").count(), 1);
}

#[test]
fn malformed_requests_are_not_logged_as_errors() {
    let program = Program::start(&["--bind", "127.0.0.1:0", "--workers", "1"], &[]);
    for _ in 0..5 {
        assert_eq!(exchange(program.address(), b"GET / HTTP/1.1\r\n\r\n").status, 400);
    }
    get("/nothing").send(program.address());
    program.wait_for("GET /nothing 404");
    assert!(!program.log().contains("ERROR"), "{}", program.log());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]
    #[test]
    fn random_request_never_returns_5xx(
        method in "(GET|POST|HEAD|[ -~]{0,8})",
        target in "(/token|/users/me/?|/docs|[ -~]{0,40})",
        headers in proptest::collection::vec("(Host|Content-Length|Transfer-Encoding|Content-Type|Expect|Connection|Authorization|[ -~]{1,12}): ?(x|chunked|close|[0-9]{1,4}|multipart/form-data; boundary=x|[ -~]{0,40})", 0..6),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let headers = headers.join("\r\n");
        let bytes = [format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n").into_bytes(), body].concat();
        let status = status(&bytes);
        prop_assert!(status.is_none_or(|status| status < 500), "{status:?}: {}", bytes.escape_ascii());
    }
}
