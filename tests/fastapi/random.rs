//! Random requests. `PROPTEST_CASES=20000` tries more of them.

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{RngSeed, TestCaseError, TestError, TestRunner},
};

use crate::{
    fastapi::{multipart::post_multipart, servers::servers},
    support::http::{Request, get, post_form, request},
};

/// Compares the responses to random requests. Panics with the smallest request whose responses differ.
fn compare_any(requests: impl Strategy<Value = Request>) {
    let Some(servers) = servers() else { return };
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    // With a fixed seed, only a change to the code can make the test fail.
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(6749);
    }
    let result =
        TestRunner::new(config).run(&requests, |request| match servers.difference(&request.bytes()) {
            Some(difference) => Err(TestCaseError::fail(difference)),
            None => Ok(()),
        });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(difference, _)) => panic!("{difference}"),
        Err(error) => panic!("{error}"),
    }
}

/// Concatenates random fragments. One piece in ten is a byte from `other` instead.
fn concatenated(
    fragments: &'static [&'static str],
    other: impl Strategy<Value = u8>,
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<u8>> {
    let fragment = select(fragments).prop_map(|fragment| fragment.as_bytes().to_vec());
    vec(prop_oneof![9 => fragment, 1 => other.prop_map(|byte| vec![byte])], count)
        .prop_map(|pieces| pieces.concat())
}

#[test]
fn random_urlencoded_form_matches_fastapi() {
    #[rustfmt::skip]
    let fragments = &[
        "username", "password", "grant_type", "scope", "client_id", "johndoe", "secret", "username=johndoe",
        "password=secret", "grant_type=", "grant_type=x", "=", "=", "&", "&", "&", ";", "+", "%", "%2",
        "%41", "%26", "%3D", "%2B", "%00", "%0d%0A", "%C3%A9", "%C3", "%E2%82", "%ED%A0%80", "%F0%9F",
        "%94%91", "%ff", "%C0%80", "\r\n", "\"", "\\", "[]",
    ];
    let form = concatenated(fragments, 0..0x80u8, 0..14);
    // With a valid end, more of the forms reach the password check.
    let form = (form, any::<bool>()).prop_map(|(mut form, good)| {
        if good {
            form.extend(b"&username=johndoe&password=secret");
        }
        form
    });
    compare_any(form.prop_map(|form| post_form("/token", form)));
}

#[test]
fn random_multipart_form_matches_fastapi() {
    #[rustfmt::skip]
    let fragments = &[
        "--b", "\r\n", "\r\n", "\r\n\r\n", "--b\r\n", "\r\n--b\r\n", "\r\n--b--\r\n", "--b--", "--", "-",
        "b", "\r", "\n", " ", "\t", "Content-Disposition", ": ", ":", "; ", ";", "form-data", "name", "=",
        "\"", "\\", "username", "johndoe", "*", "Content-Disposition: form-data; name=",
        "\"username\"\r\n\r\njohndoe\r\n", "grant_type\r\n\r\n",
        "--b\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\n",
        "\r\n--b\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\njohndoe",
        "\r\n--b\r\nContent-Disposition: form-data; name=password\r\n\r\nsecret\r\n",
        "Content-Type: text/plain\r\n", "--b\r\ncontent-disposition: x; filename=f; name=f\r\n\r\n",
    ];
    let body = concatenated(fragments, any::<u8>(), 0..20);
    let body = (body, any::<bool>()).prop_map(|(body, opened)| {
        if opened { [b"--b\r\nContent-Disposition: form-data; name=", &body[..]].concat() } else { body }
    });
    compare_any(body.prop_map(|body| post_multipart("multipart/form-data; boundary=b", body)));
}

#[test]
fn random_content_type_matches_fastapi() {
    #[rustfmt::skip]
    let fragments = &[
        "multipart/form-data", "application/x-www-form-urlencoded", "MULTIPART/form-data;", "boundary",
        "boundary=b", "Boundary = b", "charset=", "charset=latin-1", "\"", "\"", "\\", ";", ";", "; ", "=",
        " ", "\t", ",", "/", "*", "b", "a=",
    ];
    let content_type = concatenated(fragments, prop_oneof![0x20..0x7fu8, 0x80..=0xffu8], 0..8);
    let content_type =
        (content_type, select(&["", "multipart/form-data; ", "application/x-www-form-urlencoded; "][..]))
            .prop_map(|(rest, start)| [start.as_bytes(), &rest].concat());
    let body = select(
        &[
            "username=johndoe&password=secret",
            "--b\r\nContent-Disposition: form-data; name=username\r\n\r\njohndoe\r\n--b--\r\n",
        ][..],
    );
    compare_any((content_type, body).prop_map(|(content_type, body)| post_multipart(content_type, body)));
}

#[test]
fn random_authorization_header_matches_fastapi() {
    #[rustfmt::skip]
    let fragments = &[
        "Bearer", "bearer", "BEARER", "Bearer ", "Bearer johndoe", "Basic", "johndoe", "alice", " ", " ",
        "\t", ",", "=", ":", "\"", "Bearer\t",
    ];
    let value = concatenated(fragments, prop_oneof![0x20..0x7fu8, 0x80..=0xffu8], 0..6);
    let requests = vec(value, 0..3).prop_map(|values| {
        values.into_iter().fold(get("/users/me"), |request, value| request.header("Authorization", value))
    });
    compare_any(requests);
}

#[test]
fn random_path_matches_fastapi() {
    #[rustfmt::skip]
    let fragments = &[
        "/", "/", "//", "token", "/token", "/token/", "users", "me", "/users/me", "/users/me/", "docs/",
        "/openapi.json/", "%74", "%6D", "%", "%2", "%zz", "%20", "%C3%A9", "%ff", "%3F", "%23", "%00", ".",
        "..", "?", "?a=b", "&", ";", "=", "+", "~", "*", "(", "[",
    ];
    let target = vec(select(fragments), 0..6).prop_map(|fragments| format!("/{}", fragments.concat()));
    let target = target.prop_filter("the start page", |target| target.split('?').next() != Some("/"));
    let method = select(&["GET", "POST", "PUT", "OPTIONS", "DELETE", "TRACE"][..]);
    compare_any((method, target).prop_map(|(method, target)| request(method, &target)));
}
