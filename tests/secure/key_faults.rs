//! A folder of keys that breaks while the service runs: a line in the log, and the old keys stay.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use crate::support::{
    program::Gatepass,
    secure_profile::{JOHNDOE, SECOND, add_johndoe, read, serve, within},
};

#[test]
fn a_folder_of_keys_that_breaks_while_it_runs_is_a_line_in_the_log() {
    let gatepass = Gatepass::on_sqlite();
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &["--key-activation-delay", "0"]);
    let token = service.token(JOHNDOE);
    let (keys, away) = (gatepass.folder.path().join("keys"), gatepass.folder.path().join("away"));
    let goes_on = || {
        assert_eq!(service.users_me(&token).status, 200);
        let fresh = service.token(JOHNDOE);
        assert_eq!(read(&fresh).0["kid"], read(&token).0["kid"]);
        assert_eq!(service.users_me(&fresh).status, 200);
    };

    // One that says nothing, one that anybody may read, one that cannot be read at all.
    let damaged = keys.join("1500-damaged.pem");
    fs::write(&damaged, "garbage").unwrap();
    fs::set_permissions(&damaged, Permissions::from_mode(0o600)).unwrap();
    service.program.wait_for("1500-damaged.pem: ");
    let open = keys.join("1501-open.pem");
    fs::write(&open, "garbage").unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o644)).unwrap();
    service.program.wait_for("1501-open.pem: ");
    let unreadable = keys.join("1502-unreadable.pem");
    fs::create_dir(&unreadable).unwrap();
    fs::set_permissions(&unreadable, Permissions::from_mode(0o600)).unwrap();
    service.program.wait_for("1502-unreadable.pem: ");
    goes_on();
    fs::remove_file(&damaged).unwrap();
    fs::remove_file(&open).unwrap();
    fs::remove_dir(&unreadable).unwrap();

    // The folder vanishes, and comes back.
    fs::rename(&keys, &away).unwrap();
    service.program.wait_for("No such file");
    std::thread::sleep(2 * SECOND);
    goes_on();
    fs::rename(&away, &keys).unwrap();
    let made = gatepass.json(&["keys", "rotate", "--key-activation-delay", "0"]);
    within(3 * SECOND, "the next key signs", || {
        (read(&service.token(JOHNDOE)).0["kid"] == made["key"]["kid"]).then_some(())
    });
    assert_eq!(service.users_me(&token).status, 200, "the old one verifies");

    let log = service.program.end();
    for word in ["1500-damaged.pem", "1501-open.pem", "1502-unreadable.pem", "No such file"] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(word)).collect();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains("ERROR") && lines[0].contains("stay in use"), "{lines:#?}");
    }
    assert!(!log.contains("garbage"), "what stands in a key's file is in no log");
}
