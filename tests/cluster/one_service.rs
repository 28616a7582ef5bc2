//! Replicas behind nginx are one service: what one did counts at all of them, and the client stays known.

use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::{
    cluster::replicas::{Cluster, Replica},
    support::{
        http::{get, post_form, read_reply},
        secure_profile::{JOHNDOE, JOHNDOE_OFFLINE, SECOND, Tokens, access_token, within},
    },
};

/// A cluster of three.
fn three(test: &str) -> Option<(Cluster, [Replica; 3])> {
    let mut cluster = Cluster::create(test)?;
    let replicas = [cluster.replica(), cluster.replica(), cluster.replica()];
    Some((cluster, replicas))
}

#[test]
fn a_token_that_is_revoked_at_one_replica_is_dead_at_all() {
    let test = "a_token_that_is_revoked_at_one_replica_is_dead_at_all";
    let Some((cluster, replicas)) = three(test) else { return };
    let token = access_token(&post_form("/token", JOHNDOE).send(cluster.address));
    for replica in &replicas {
        // Now it is remembered there.
        assert_eq!(replica.service.users_me(&token).status, 200);
    }
    let revoke = post_form("/revoke", format!("token={token}"));
    assert_eq!(revoke.send(replicas[0].service.address).status, 200);
    replicas[0].service.expect_invalid(&[&token]);
    for replica in &replicas {
        within(SECOND, "it is dead", || (replica.service.users_me(&token).status == 401).then_some(()));
    }
    assert_eq!(get("/users/me").bearer(&token).send(cluster.address).status, 401);
    // nginx may ask again of another one what the first one did and did not answer.
    assert_eq!(revoke.send(replicas[1].service.address).status, 200);
}

#[test]
fn a_refresh_that_is_asked_again_of_another_replica_has_the_same_next_token() {
    let test = "a_refresh_that_is_asked_again_of_another_replica_has_the_same_next_token";
    let Some((cluster, replicas)) = three(test) else { return };
    let first = Tokens::of(&post_form("/token", JOHNDOE_OFFLINE).send(cluster.address)).refresh;
    let answers = replicas.each_ref().map(|replica| replica.service.refreshed(&first));
    for answer in &answers {
        assert_eq!(answer.refresh, answers[0].refresh);
        assert_eq!(get("/users/me").bearer(&answer.access).send(cluster.address).status, 200);
    }
}

#[test]
fn the_client_is_known_by_its_own_address_whatever_it_says() {
    let test = "the_client_is_known_by_its_own_address_whatever_it_says";
    let Some((cluster, _replicas)) = three(test) else { return };
    let forged = post_form("/token", JOHNDOE)
        .header("X-Forwarded-For", "6.6.6.6, 127.0.0.1")
        .header("Forwarded", "for=6.6.6.6")
        .bytes();
    let mut stream = connect_from("127.0.0.77:0", cluster.address);
    std::io::Write::write_all(&mut stream, &forged).unwrap();
    let token = access_token(&read_reply(&mut stream).expect("an answer"));
    let sessions = get("/users/me/sessions").bearer(&token).send(cluster.address).json();
    assert_eq!(sessions[0]["address"], "127.0.0.77", "{sessions}");
}

fn connect_from(own: &str, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&own.parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}
