//! The fuzz targets with the recorded inputs of `cargo fuzz`.

#[path = "../fuzz/src/lib.rs"]
mod checks;

use std::{fs, path::Path};

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus").flatten() {
        let path = entry.path();
        // The output is displayed if the check fails.
        println!("{}", path.display());
        check(&fs::read(&path).expect("an input"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn inputs_of_authorization_pass() {
    replay("authorization", checks::authorization::check);
}

#[test]
fn inputs_of_form_pass() {
    replay("form", checks::form::check);
}

#[test]
fn inputs_of_scopes_pass() {
    replay("scopes", checks::scopes::check);
}

#[test]
fn inputs_of_token_pass() {
    replay("token", checks::token::check);
}

#[test]
fn inputs_of_stored_hash_pass() {
    replay("stored_hash", checks::stored_hash::check);
}
