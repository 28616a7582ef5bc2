//! Forms that are too large, too numerous or not valid UTF-8, and unusual field values.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use crate::{
    secure::{
        Gatepass, JOHNDOE, Reply, access_token, connect, expect_oauth2_error, on_sqlite, password_change,
        post_form, read_reply, request, serve, wait_until,
    },
    support::http::exchange,
};

/// Starts a request to /token with a body of `length` bytes, but sends only the first `sent` bytes of the body.
fn incomplete(address: SocketAddr, length: usize, sent: usize) -> TcpStream {
    let mut stream = connect(address);
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'a'; sent]).unwrap();
    stream
}

#[test]
fn form_larger_than_64_kib_returns_413() {
    let (_gatepass, service) = on_sqlite(&[]);
    let form = |length: usize| format!("{JOHNDOE}&x={}", "a".repeat(length - JOHNDOE.len() - 3));
    assert_eq!(service.sign_in(&form(65536)).status, 200);
    let limit = "The request body is larger than 65536 bytes";
    expect_oauth2_error(&service.sign_in(&form(65537)), 413, "invalid_request", limit);
    let chunked = format!(
        "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Transfer-Encoding: chunked\r\n\r\n10001\r\n{}\r\n0\r\n\r\n",
        form(65537)
    );
    expect_oauth2_error(&exchange(service.address, chunked.as_bytes()), 413, "invalid_request", limit);
}

#[test]
fn incomplete_bodies_on_1000_connections_use_less_than_80_mib_and_sign_ins_still_succeed() {
    const CONNECTIONS: usize = 1000;
    let (_gatepass, service) = on_sqlite(&["--body-timeout", "120", "--response-timeout", "120"]);
    let heads: Vec<_> = (0..CONNECTIONS).map(|_| incomplete(service.address, 65536, 0)).collect();
    access_token(&service.sign_in(JOHNDOE));
    let before = service.program.resident_bytes();
    drop(heads);

    let mut bodies: Vec<_> = (0..CONNECTIONS).map(|_| incomplete(service.address, 65536, 65535)).collect();
    access_token(&service.sign_in(JOHNDOE));
    let growth = service.program.resident_bytes().saturating_sub(before);
    eprintln!("{} MiB for the bodies of {CONNECTIONS} connections", growth / 1024 / 1024);
    // The measured growth is 71 to 72 MiB, most of it in Actix's buffers.
    assert!(growth < 80 * 1024 * 1024, "{growth} bytes");

    let mut statuses: Vec<u16> = Vec::new();
    wait_until(Duration::from_secs(30), "responses to some requests", || {
        bodies.retain_mut(|stream| {
            stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            let has_response = stream.peek(&mut [0]).is_ok();
            if has_response {
                statuses.extend(read_reply(stream).map(|reply| reply.status));
            }
            !has_response
        });
        !statuses.is_empty()
    });
    assert!(statuses.iter().all(|status| *status == 503), "{statuses:?}");
    assert!(
        statuses.len() < CONNECTIONS,
        "all requests were refused, but the memory budget suffices for some"
    );
}

#[test]
fn form_that_is_not_utf_8_returns_invalid_request() {
    let gatepass = Gatepass::on_sqlite();
    // If the service replaced invalid bytes with U+FFFD, a wrong password would match this one.
    let add = ["users", "add", "johndoe", "--password-stdin"];
    gatepass.run_with(&add, "correct \u{fffd} horse battery\n").done();
    let service = serve(&gatepass, &[]);
    let not_utf_8 = "The form is not valid UTF-8";
    let expect = |reply: Reply| expect_oauth2_error(&reply, 400, "invalid_request", not_utf_8);
    expect(service.sign_in("username=johndoe&password=correct+%FF+horse+battery"));
    expect(service.sign_in("username=%E9va&password=x"));
    expect(post_form("/revoke", "token=%FF").send(service.address));
    let multipart = [
        b"--x\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\njohndoe\r\n\
          --x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\ncorrect "
            .as_slice(),
        b"\xff",
        b" horse battery\r\n--x--\r\n",
    ]
    .concat();
    let post = request("POST", "/token").header("Content-Type", "multipart/form-data; boundary=x");
    expect(post.body(multipart).send(service.address));
    access_token(&service.sign_in("username=johndoe&password=correct+%EF%BF%BD+horse+battery"));
}

#[test]
fn sign_in_ignores_white_space_around_the_username() {
    let (_gatepass, service) = on_sqlite(&[]);
    for username in ["johndoe+", "+JohnDoe", "johndoe%C2%A0"] {
        access_token(&service.sign_in(&format!("username={username}&password=johndoe's+own+passphrase")));
    }
}

#[test]
fn concurrent_password_changes_by_one_user_do_not_prevent_sign_ins_by_other_users() {
    // At most 20 hashes can wait in the queue.
    let hashing = ["--argon2-memory=65536", "--hash-threads=1", "--hash-queue=20", "--hash-max-wait=10000"];
    let (gatepass, service) = on_sqlite(&hashing);
    gatepass.add("alice", &[]).done();
    let token = service.token(JOHNDOE);
    // The current password is correct and the new one is too weak, so each request would cost a hash and a strength
    // estimate.
    let change = password_change(&token, "johndoe's+own+passphrase", &"aB3$".repeat(10));
    thread::scope(|scope| {
        let changes: Vec<_> = (0..200).map(|_| scope.spawn(|| change.send(service.address).status)).collect();
        for _ in 0..3 {
            access_token(&service.sign_in("username=alice&password=alice's+own+passphrase"));
        }
        let statuses: Vec<_> = changes.into_iter().map(|change| change.join().unwrap()).collect();
        assert!(statuses.iter().filter(|status| **status == 429).count() > 100, "{statuses:?}");
        assert!(statuses.iter().all(|status| [400, 429].contains(status)), "{statuses:?}");
    });
}
