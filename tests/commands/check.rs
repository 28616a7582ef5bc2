//! `gatepass check` on a database.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::program::Gatepass;

/// Runs `gatepass check` and returns `ok` and `detail` of its database check.
fn database(gatepass: &Gatepass) -> (bool, String) {
    let run = gatepass.run(&["check", "--json"]);
    let found = run.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = found.into_iter().find(|finding| finding["check"] == "database").expect("a database check");
    (found["ok"].as_bool().unwrap(), found["detail"].as_str().unwrap().to_owned())
}

#[test]
fn check_does_not_change_the_database() {
    let gatepass = Gatepass::on_sqlite();
    let file = gatepass.folder.file("gatepass.db");
    let (ok, detail) = database(&gatepass);
    assert!(ok && detail.contains("does not exist yet"), "{detail}");
    assert!(!Path::new(&file).exists());

    fs::write(&file, "").unwrap();
    let (ok, detail) = database(&gatepass);
    assert!(ok && detail.contains("the next start updates them"), "{detail}");
    assert_eq!(fs::metadata(&file).unwrap().len(), 0);

    gatepass.add("johndoe", &[]).done();
    let before = fs::read(&file).unwrap();
    let (ok, detail) = database(&gatepass);
    assert!(ok && detail.contains("up to date"), "{detail}");
    assert_eq!(fs::read(&file).unwrap(), before);
}
