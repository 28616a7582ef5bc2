//! Runs the checks of the fuzz targets on all inputs in `fuzz/corpus`.

#[path = "../fuzz/src/lib.rs"]
mod checks;

use std::{fs, path::Path};

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("the corpus").flatten() {
        let path = entry.path();
        // If the check fails, the output names the input.
        println!("{}", path.display());
        check(&fs::read(&path).expect("an input"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn authorization_corpus_passes_its_checks() {
    replay("authorization", checks::authorization::check);
}

#[test]
fn form_corpus_passes_its_checks() {
    replay("form", checks::form::check);
}

#[test]
fn scopes_corpus_passes_its_checks() {
    replay("scopes", checks::scopes::check);
}

#[test]
fn token_corpus_passes_its_checks() {
    replay("token", checks::token::check);
}

#[test]
fn stored_hash_corpus_passes_its_checks() {
    replay("stored_hash", checks::stored_hash::check);
}
