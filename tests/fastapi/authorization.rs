//! The `Authorization` header of `GET /users/me`.

use crate::{
    fastapi::servers::{Parser, compare, compare_with},
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
            ("no header", get("/users/me")),
            ("header name in lower case", get("/users/me").header("authorization", "Bearer johndoe")),
            ("header name in upper case", get("/users/me").header("AUTHORIZATION", "Bearer johndoe")),
            ("two headers, valid one first", get("/users/me").bearer("johndoe").bearer("nobody")),
            ("two headers, valid one last", get("/users/me").bearer("nobody").bearer("johndoe")),
            ("Basic and Bearer", get("/users/me").header("Authorization", "Basic Og==").bearer("johndoe")),
            ("Bearer and Basic", get("/users/me").bearer("johndoe").header("Authorization", "Basic Og==")),
            ("empty header and Bearer", get("/users/me").header("Authorization", "").bearer("johndoe")),
            ("long token", get("/users/me").bearer(&"johndoe".repeat(1000))),
            ("Proxy-Authorization", get("/users/me").header("Proxy-Authorization", "Bearer johndoe")),
            ("token in the query", get("/users/me?access_token=johndoe&token=johndoe")),
            (
                "token in a cookie",
                get("/users/me").header("Cookie", "Authorization=Bearer johndoe; token=johndoe"),
            ),
            ("header and query", get("/users/me?token=alice").bearer("johndoe")),
            ("header and body", get("/users/me").bearer("johndoe").body("token=alice")),
            ("unacceptable Accept", get("/users/me").bearer("johndoe").header("Accept", "image/png")),
            ("If-None-Match", get("/users/me").bearer("johndoe").header("If-None-Match", "*")),
            ("Range", get("/users/me").bearer("johndoe").header("Range", "bytes=0-3")),
        ]
        .map(|(name, request)| (name.to_owned(), request)),
    );
    cases
}

#[test]
fn authorization_header_matches_fastapi() {
    compare(values());
    compare_with(Parser::H11, values());
}
