//! Every input that fuzzing has on record, again: what `cargo fuzz` found stays found.

#[path = "../fuzz/src/lib.rs"]
mod checks;

use std::{fs, path::Path};

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus").flatten() {
        let path = entry.path();
        // Captured, and shown where the check fails.
        println!("{}", path.display());
        check(&fs::read(&path).expect("an input"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn the_authorization_header_is_read_as_fastapi_reads_it() {
    replay("authorization", checks::authorization::check);
}

#[test]
fn a_form_is_understood_the_same_when_it_is_said_again() {
    replay("form", checks::form::check);
}

#[test]
fn scopes_grant_what_is_in_both_and_no_more() {
    replay("scopes", checks::scopes::check);
}

#[test]
fn a_token_that_was_not_signed_is_not_taken() {
    replay("token", checks::token::check);
}

#[test]
fn a_stored_hash_is_within_its_limits_and_matches_one_password() {
    replay("stored_hash", checks::stored_hash::check);
}
