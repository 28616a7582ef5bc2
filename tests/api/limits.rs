//! Limits on the size of request bodies and on the time to receive them.

use std::io::{Read, Write};

use serde_json::json;

use crate::support::{
    http::{connect, post_form, read_reply, request},
    service::tutorial,
};

const MIB: usize = 1024 * 1024;

fn padded_form(length: usize) -> String {
    let form = "username=johndoe&password=secret&padding=";
    format!("{form}{}", "x".repeat(length - form.len()))
}

#[test]
fn body_of_one_mebibyte_is_accepted() {
    assert_eq!(post_form("/token", padded_form(MIB)).send(tutorial()).status, 200);
}

#[test]
fn body_over_one_mebibyte_returns_413_for_any_content_type() {
    let too_large = json!({ "detail": "The request body is larger than 1048576 bytes" });
    for content_type in
        ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"]
    {
        for length in [MIB + 1, 8 * MIB] {
            let request = request("POST", "/token").header("Content-Type", content_type);
            let reply = request.body(padded_form(length)).send(tutorial());
            assert_eq!((reply.status, reply.json()), (413, too_large.clone()), "{content_type} {length}");
        }
    }
}

#[test]
fn chunked_body_over_one_mebibyte_returns_413() {
    let mut stream = connect(tutorial());
    stream
        .write_all(
            b"POST /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
              Content-Type: application/x-www-form-urlencoded\r\n\r\n",
        )
        .unwrap();
    let chunk = [format!("{:x}\r\n", MIB / 8).as_bytes(), &vec![b'x'; MIB / 8], b"\r\n"].concat();
    for _ in 0..9 {
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    assert_eq!(read_reply(&mut stream).expect("a response").status, 413);
}

#[test]
fn incomplete_body_returns_408_and_closes_the_connection() {
    let mut stream = connect(tutorial());
    stream
        .write_all(b"POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 32\r\n\r\nusername=")
        .unwrap();
    let reply = read_reply(&mut stream).expect("a response");
    let detail = json!({ "detail": "Timed out reading the request body" });
    assert_eq!((reply.status, reply.json()), (408, detail));
    assert_eq!(reply.header("connection").as_deref(), Some("close"));
    assert_eq!(stream.read(&mut [0]).expect("the end of the connection"), 0);
}
