//! Runs the checks of the fuzz targets on all inputs in `fuzz/corpus`.

#[path = "../fuzz/src/lib.rs"]
mod checks;

use std::{fs, path::Path};

/// The function that checks an input for a fuzz target.
type Check = fn(&[u8]);

/// The fuzz targets and their checks.
const TARGETS: [(&str, Check); 5] = [
    ("authorization", checks::authorization::check),
    ("form", checks::form::check),
    ("scopes", checks::scopes::check),
    ("token", checks::token::check),
    ("stored_hash", checks::stored_hash::check),
];

#[test]
fn corpus_of_each_fuzz_target_passes_its_checks() {
    for (target, check) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut count = 0;
        for entry in fs::read_dir(&folder).expect("the corpus").flatten() {
            let path = entry.path();
            // If a check fails, the path shows the input.
            println!("{}", path.display());
            check(&fs::read(&path).expect("an input"));
            count += 1;
        }
        assert!(count > 0, "no inputs in {}", folder.display());
    }
}
