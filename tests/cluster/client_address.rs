//! The client's address behind nginx.

use std::{io::Write, net::TcpStream};

use crate::{
    cluster::setup::Cluster,
    support::{
        http::{connect_from, get, post_form, read_reply},
        secure_profile::{JOHNDOE, access_token},
    },
};

#[test]
fn forged_headers_change_neither_the_address_of_a_session_nor_the_request_id() {
    let Some(mut cluster) = Cluster::create() else { return };
    let _replicas = [cluster.start_replica(), cluster.start_replica()];
    let forged = post_form("/token", JOHNDOE)
        .header("X-Forwarded-For", "6.6.6.6, 127.0.0.1")
        .header("Forwarded", "for=6.6.6.6")
        .header("X-Request-Id", "forged")
        .bytes();
    let mut stream = TcpStream::from(connect_from("127.0.0.77", cluster.address));
    stream.write_all(&forged).unwrap();
    let reply = read_reply(&mut stream).expect("a response");
    let id = reply.header("X-Request-Id").expect("an ID");
    assert!(
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "expected an ID from nginx, not {id}"
    );
    let token = access_token(&reply);
    let sessions = get("/users/me/sessions").bearer(&token).send(cluster.address).json();
    assert_eq!(sessions[0]["address"], "127.0.0.77", "{sessions}");
}
