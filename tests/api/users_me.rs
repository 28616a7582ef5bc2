//! `GET /users/me`.

use crate::support::{
    http::{Reply, get, request},
    service::tutorial,
};

const JOHNDOE: &str = r#"{"username":"johndoe","email":"johndoe@example.com","full_name":"John Doe","disabled":false,"hashed_password":"fakehashedsecret"}"#;

fn read_with(authorization: &[u8]) -> Reply {
    get("/users/me").header("Authorization", authorization).send(tutorial())
}

fn assert_not_authenticated(reply: &Reply, what: &str) {
    assert_eq!(reply.status, 401, "{what}");
    assert_eq!(reply.text(), r#"{"detail":"Not authenticated"}"#, "{what}");
    assert_eq!(reply.header("www-authenticate").as_deref(), Some("Bearer"), "{what}");
}

#[test]
fn the_bearer_of_a_token_is_recognised() {
    let reply = get("/users/me").bearer("johndoe").send(tutorial());
    assert_eq!((reply.status, reply.text().as_str()), (200, JOHNDOE));
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
}

#[test]
fn the_scheme_is_case_insensitive_and_space_around_the_token_does_not_count() {
    for authorization in ["bearer johndoe", "BEARER johndoe", "BeArEr   johndoe  ", "Bearer \tjohndoe\t"] {
        assert_eq!(read_with(authorization.as_bytes()).text(), JOHNDOE, "{authorization:?}");
    }
}

#[test]
fn no_bytes_in_the_header_give_anything_but_401() {
    assert_not_authenticated(&get("/users/me").send(tutorial()), "no header");
    for authorization in [
        b"".as_slice(),
        b"Bearer",
        b"Bearer ",
        b"Bearer nobody",
        b"Bearer john doe",
        b"Bearer johndoe,",
        b"Bearer\tjohndoe",
        b"Basic am9obmRvZTpzZWNyZXQ=",
        b"johndoe",
        b"Bearer \xff\xfe",
        b"\xc3\xa9 johndoe",
    ] {
        assert_not_authenticated(&read_with(authorization), &String::from_utf8_lossy(authorization));
    }
}

#[test]
fn of_several_headers_the_first_counts() {
    let first = get("/users/me").bearer("johndoe").header("Authorization", "Bearer nobody");
    assert_eq!(first.send(tutorial()).status, 200);
    let second = get("/users/me").header("Authorization", "Basic x").bearer("johndoe");
    assert_not_authenticated(&second.send(tutorial()), "the second one");
}

#[test]
fn a_token_in_the_query_does_not_count() {
    assert_not_authenticated(&get("/users/me?access_token=johndoe").send(tutorial()), "a query");
}

#[test]
fn a_disabled_user_is_inactive() {
    let reply = get("/users/me").bearer("alice").send(tutorial());
    assert_eq!((reply.status, reply.text().as_str()), (400, r#"{"detail":"Inactive user"}"#));
}

#[test]
fn head_answers_like_get_without_the_body() {
    let reply = request("HEAD", "/users/me").bearer("johndoe").send(tutorial());
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!(reply.header("content-length"), Some(JOHNDOE.len().to_string()));
}
