//! examples/own_user.rs, as a user would run it.

use std::fs;

use crate::support::{
    example::Example,
    http::{get, post_form},
};

#[test]
fn members_of_the_example_sign_in_and_are_greeted() {
    let Example { address, .. } = &Example::start("own_user", &[]);
    let reply = post_form("/token", "username=alice@example.com&password=secret2").send(*address);
    assert_eq!(reply.text(), r#"{"access_token":"7","token_type":"bearer"}"#);
    assert_eq!(get("/greeting").bearer("7").send(*address).text(), "Hello, member 7 (alice@example.com)");
    assert_eq!(get("/greeting").bearer("8").send(*address).status, 401);
}

#[test]
fn the_example_is_short_enough_to_copy() {
    let source = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/own_user.rs")).unwrap();
    assert!(source.lines().count() <= 60);
}
