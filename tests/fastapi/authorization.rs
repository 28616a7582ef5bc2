//! `GET /users/me`: what stands in `Authorization`.

use crate::{
    fastapi::servers::{Parser, compare, compare_on, peers_with},
    support::http::{Request, get},
};

fn values() -> Vec<(String, Request)> {
    let values: &[&[u8]] = &[
        b"Bearer johndoe",
        b"bearer johndoe",
        b"BEARER johndoe",
        b"bEaReR johndoe",
        b"Bearer alice",
        b"Bearer nobody",
        b"Bearer Johndoe",
        b"Bearer fakehashedsecret",
        b"Bearer   johndoe",
        b"Bearer \tjohndoe",
        b"Bearer johndoe \t ",
        b" \t Bearer johndoe",
        b"Bearer\tjohndoe",
        b"Bearer\t johndoe",
        b"\"Bearer\" johndoe",
        b"Bearer",
        b"Bearer ",
        b"Bearer    ",
        b"Bearer \t",
        b"",
        b" ",
        b"johndoe",
        b"Bearerjohndoe",
        b"Bearer:johndoe",
        b"Bearer=johndoe",
        b"Bearer: johndoe",
        b"Bearer, johndoe",
        b"Bearer johndoe,",
        b"Bearer johndoe, Bearer alice",
        b"Bearer johndoe alice",
        b"Bearer \"johndoe\"",
        b"Bearer token=johndoe",
        b"Bearer john%64oe",
        b"Bearer am9obmRvZQ==",
        b"Bearer Bearer johndoe",
        b"Basic johndoe",
        b"Basic am9obmRvZTpzZWNyZXQ=",
        b"Basic Og==",
        b"Token johndoe",
        b"Digest username=\"johndoe\"",
        b"BearerX johndoe",
        b"Beare johndoe",
        b"Bearer \xff",
        b"\xff\xfe\xfd",
        b"Bearer j\xf6hndoe",
        b"Bearer j\xc3\xb6hndoe",
        b"B\xe8arer johndoe",
        b"Bearer\xa0johndoe",
        b"Bearer johndoe\xa0",
        b"Bearer \x85\xa0johndoe\x85",
        b"Bearer \xc2\xa0johndoe",
        b"Bearer johndoe\xe3\x80\x80",
        b"\xe2\x84\xaaBearer johndoe",
    ];
    let mut cases: Vec<_> = values
        .iter()
        .map(|value| (value.escape_ascii().to_string(), get("/users/me").header("Authorization", value)))
        .collect();
    cases.extend(
        [
            ("none", get("/users/me")),
            ("the name in small letters", get("/users/me").header("authorization", "Bearer johndoe")),
            ("the name in capitals", get("/users/me").header("AUTHORIZATION", "Bearer johndoe")),
            ("two, the right one first", get("/users/me").bearer("johndoe").bearer("nobody")),
            ("two, the right one last", get("/users/me").bearer("nobody").bearer("johndoe")),
            ("Basic and Bearer", get("/users/me").header("Authorization", "Basic Og==").bearer("johndoe")),
            ("Bearer and Basic", get("/users/me").bearer("johndoe").header("Authorization", "Basic Og==")),
            ("an empty one and Bearer", get("/users/me").header("Authorization", "").bearer("johndoe")),
            ("a long one", get("/users/me").bearer(&"johndoe".repeat(1000))),
            ("of a proxy", get("/users/me").header("Proxy-Authorization", "Bearer johndoe")),
            ("in the query", get("/users/me?access_token=johndoe&token=johndoe")),
            ("in a cookie", get("/users/me").header("Cookie", "Authorization=Bearer johndoe; token=johndoe")),
            ("a query beside it", get("/users/me?token=alice").bearer("johndoe")),
            ("a body beside it", get("/users/me").bearer("johndoe").body("token=alice")),
            (
                "an Accept of nothing we have",
                get("/users/me").bearer("johndoe").header("Accept", "image/png"),
            ),
            ("an If-None-Match", get("/users/me").bearer("johndoe").header("If-None-Match", "*")),
            ("a Range", get("/users/me").bearer("johndoe").header("Range", "bytes=0-3")),
        ]
        .map(|(name, request)| (name.to_owned(), request)),
    );
    cases
}

#[test]
fn authorization_is_read_alike() {
    compare("authorization_is_read_alike", values().iter().map(|(name, request)| (&**name, request.clone())));
}

#[test]
fn authorization_is_read_alike_on_the_other_server() {
    if let Some(peers) = peers_with("authorization_is_read_alike_on_the_other_server", Parser::H11) {
        compare_on(&peers, values().iter().map(|(name, request)| (&**name, request.clone())));
    }
}
