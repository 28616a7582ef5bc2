//! Tests for the example `examples/minimal`.

use std::fs;

use tempfile::TempDir;

use crate::support::{
    example::Example,
    http::{Reply, get, post_form},
};

const ALICE: &str = "username=alice@example.com&password=correct horse battery staple";

fn register(example: &Example, form: &str) -> Reply {
    post_form("/register", form).send(example.address)
}

fn sign_in(example: &Example, form: &str) -> Reply {
    post_form("/token", form).send(example.address)
}

fn greeting(example: &Example, token: &str) -> Reply {
    get("/greeting").bearer(token).send(example.address)
}

#[test]
fn accounts_and_tokens_of_the_minimal_example_survive_a_restart() {
    let folder = TempDir::new().unwrap();
    let example = Example::start("minimal", folder.path(), &[]);
    assert_eq!(sign_in(&example, ALICE).status, 400);
    let registered = register(&example, ALICE);
    assert_eq!(registered.status, 200);

    let token = sign_in(&example, ALICE).json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(greeting(&example, &token).text(), "Hello, alice@example.com");
    assert_eq!(greeting(&example, "another").status, 401);

    // A second registration of the address gets the same response and does not change the account.
    let again = register(&example, "username=alice@example.com&password=another horse battery staple");
    assert_eq!((again.status, again.text()), (200, registered.text()));
    assert_eq!(
        sign_in(&example, "username=alice@example.com&password=another horse battery staple").status,
        400
    );

    // Members, keys and tokens survive a restart.
    drop(example);
    let example = Example::start("minimal", folder.path(), &[]);
    assert_eq!(greeting(&example, &token).text(), "Hello, alice@example.com");
    assert_eq!(sign_in(&example, ALICE).status, 200);
}

#[test]
fn example_has_at_most_80_lines_and_main_at_most_15() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/minimal/src/main.rs");
    let source = fs::read_to_string(source).unwrap();
    assert!(source.lines().count() <= 80);
    let main = source.lines().skip_while(|line| !line.starts_with("async fn main")).skip(1);
    assert!(main.take_while(|line| *line != "}").count() <= 15);
}
