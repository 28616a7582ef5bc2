//! What keeps the service from starting, each in one line; and `gatepass check`, which says so before.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};

use crate::support::{
    program::{Gatepass, Run},
    secure_profile::{add_johndoe, free_address, serve, serve_command},
    service::Program,
};

/// A password that no message may hold.
const HUSH: &str = "hush";

/// Serves in vain: one line that holds all of `words`, and this exit code.
#[track_caller]
fn expect_oauth2_error(gatepass: &Gatepass, arguments: &[&str], code: i32, words: &[&str]) {
    let mut program = Program::run(&mut serve_command(gatepass, arguments));
    let code_was = program.wait();
    let said = program.end();
    assert_eq!(code_was, Some(code), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("gatepass: "), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} in {said:?}");
    }
    assert!(!said.contains(HUSH), "{said}");
}

/// The program on a database at this URL.
fn on(url: &str) -> Gatepass {
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url = url.to_owned();
    gatepass
}

#[test]
fn a_database_that_does_not_answer_keeps_it_from_starting() {
    let url = format!("postgres://gatepass:{HUSH}@{}/gatepass", free_address());
    expect_oauth2_error(&on(&url), &[], 1, &["cannot open the database gatepass at 127.0.0.1:", "refused"]);
}

#[test]
fn a_url_of_another_kind_is_wrong_usage() {
    for url in [format!("mysql://root:{HUSH}@localhost/x"), format!("{HUSH}.db"), String::new()] {
        expect_oauth2_error(&on(&url), &[], 2, &["--database-url", "sqlite:FILE", "postgres://"]);
    }
    let port = format!("postgres://gatepass:{HUSH}@localhost:port/gatepass");
    expect_oauth2_error(&on(&port), &[], 1, &["invalid database URL", "port"]);
}

#[test]
fn what_is_no_database_is_not_used_as_one() {
    let gatepass = Gatepass::on_sqlite();
    fs::create_dir(gatepass.folder.path().join("gatepass.db")).unwrap();
    expect_oauth2_error(&gatepass, &[], 1, &["database"]);

    let gatepass = Gatepass::on_sqlite();
    gatepass.folder.write("gatepass.db", "Dear diary, ".repeat(100));
    expect_oauth2_error(&gatepass, &[], 1, &["not a database"]);

    let gatepass = on("sqlite:no/such/folder/gatepass.db");
    expect_oauth2_error(&gatepass, &[], 1, &["no/such/folder/gatepass.db", "No such file"]);
}

/// The JSON of a command that did what it was asked.
fn rotated(run: &Run) -> Value {
    assert_eq!(run.code, Some(0), "{run:?}");
    serde_json::from_str(&run.out).expect("one JSON value")
}

#[test]
fn a_damaged_key_keeps_it_from_starting() {
    Gatepass::on_both("a_damaged_key_keeps_it_from_starting", |gatepass| {
        // Without tables there is no audit trail yet, and the command says so.
        let made = rotated(&gatepass.run(&["keys", "rotate", "--json"]));
        let key = made["key"]["file"].as_str().unwrap();
        let file = gatepass.folder.path().join(key);
        let pem = fs::read_to_string(&file).unwrap();
        fs::write(&file, &pem[..pem.len() / 2]).unwrap();
        expect_oauth2_error(gatepass, &[], 1, &[key, "PKCS#8"]);

        fs::write(&file, &pem).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        expect_oauth2_error(gatepass, &[], 1, &[key, "644", "chmod 600"]);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        serve(gatepass, &[]);
    });
}

#[test]
fn settings_that_cannot_be_are_wrong_usage() {
    let gatepass = Gatepass::on_sqlite();
    for (setting, word) in [
        ("--argon2-memory=7", "8 KiB"),
        ("--argon2-memory=1000000000", "262144 KiB"),
        ("--argon2-iterations=0", "iteration"),
        ("--argon2-iterations=4000000000", "iterations"),
        ("--argon2-parallelism=0", "parallelism"),
        ("--hash-threads=0", "--hash-threads"),
        ("--database-connections=0", "--database-connections"),
        ("--database-connections=256", "1..=255"),
        ("--hash-queue=0", "--hash-queue"),
        ("--access-token-ttl=0", "--access-token-ttl"),
        ("--token-cache-max-staleness=0", "--token-cache-max-staleness"),
        ("--token-cache-size=0", "--token-cache-size"),
        ("--refresh-tokens=sometimes", "--refresh-tokens"),
        ("--refresh-grace=-1", "--refresh-grace"),
        ("--refresh-idle-ttl=0", "--refresh-idle-ttl"),
        ("--refresh-ttl=0", "--refresh-ttl"),
        ("--algorithm=none", "--algorithm"),
        ("--password-grant=maybe", "--password-grant"),
        ("--require-grant-type=perhaps", "--require-grant-type"),
    ] {
        expect_oauth2_error(&gatepass, &[setting], 2, &[word]);
    }
}

#[test]
fn an_address_that_is_taken_keeps_it_from_starting() {
    let gatepass = Gatepass::on_sqlite();
    let service = serve(&gatepass, &[]);
    let address = service.address.to_string();
    expect_oauth2_error(&gatepass, &["--bind", &address], 1, &[&address, "taken by another program"]);
}

/// `gatepass check`, with the settings of the service.
fn check(gatepass: &Gatepass, arguments: &[&str]) -> Run {
    let arguments = [&["check", "--profile", "secure", "--bind", "127.0.0.1:8000"], arguments].concat();
    Run::from(gatepass.command(&arguments).output().unwrap())
}

/// What `--json` says of settings, database and keys: whether each is in order.
fn findings(run: &Run) -> Vec<(String, bool)> {
    let finding = |line| {
        let finding: Value = serde_json::from_str(line).expect("JSON");
        assert!(finding["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{finding}");
        (finding["check"].as_str().unwrap().to_owned(), finding["ok"].as_bool().unwrap())
    };
    run.out.lines().map(finding).collect()
}

fn all(states: [bool; 3]) -> Vec<(String, bool)> {
    ["settings", "database", "keys"].map(str::to_owned).into_iter().zip(states).collect()
}

#[test]
fn check_says_that_all_is_in_order_before_and_after_the_first_start() {
    let test = "check_says_that_all_is_in_order_before_and_after_the_first_start";
    Gatepass::on_both(test, |gatepass| {
        let before = check(gatepass, &["--json"]);
        assert_eq!(findings(&before), all([true; 3]));
        assert!(!gatepass.folder.path().join("keys").exists(), "it makes no keys");
        assert!(!gatepass.folder.path().join("gatepass.db").exists(), "it makes no database");

        add_johndoe(gatepass);
        serve(gatepass, &[]);
        let human = check(gatepass, &[]).done();
        let lines: Vec<_> = human.lines().collect();
        assert_eq!(lines.len(), 3, "{human}");
        for (line, word) in lines.iter().zip(["http://127.0.0.1:8000", "up to date", "signs"]) {
            assert!(line.contains(" ok: ") && line.contains(word), "{line}");
        }
        assert_eq!(findings(&check(gatepass, &["--json"])), all([true; 3]));
    });
}

#[test]
fn check_names_all_that_is_not_in_order() {
    let gatepass = on(&format!("postgres://gatepass:{HUSH}@{}/gatepass", free_address()));
    fs::create_dir(gatepass.folder.path().join("keys")).unwrap();
    fs::set_permissions(gatepass.folder.path().join("keys"), fs::Permissions::from_mode(0o777)).unwrap();
    let human = check(&gatepass, &["--argon2-memory", "7"]);
    assert_eq!(human.code, Some(1), "{human:?}");
    assert_eq!(human.err, "gatepass: check failed: settings, database, keys\n");
    assert_eq!(human.out.matches(" FAILED: ").count(), 3, "{}", human.out);
    for word in ["8 KiB", "refused", "chmod 700"] {
        assert!(human.out.contains(word), "{word} in {}", human.out);
    }
    let json = check(&gatepass, &["--json"]);
    assert_eq!((json.code, findings(&json)), (Some(1), all([true, false, false])));
    assert_eq!(json.err, "gatepass: check failed: database, keys\n");
    for said in [human, json] {
        assert!(!format!("{said:?}").contains(HUSH), "{said:?}");
    }
}

#[test]
fn every_command_says_in_one_line_that_the_database_is_out_of_reach() {
    let gatepass = on(&format!("postgres://gatepass:{HUSH}@{}/gatepass", free_address()));
    for arguments in [
        &["users", "list"][..],
        &["users", "export"],
        &["users", "remove", "x", "--yes"],
        &["clients", "list"],
        &["clients", "add", "web"],
    ] {
        let run = gatepass.run(arguments);
        assert!(!run.err.contains(HUSH), "{run:?}");
        run.fails(1, &["cannot open the database", "refused"]);
    }
    let run = gatepass.run(&["keys", "rotate", "--json"]);
    assert!(run.err.contains("not in the audit trail") && !run.err.contains(HUSH), "{run:?}");
    assert_eq!(rotated(&run)["key"]["state"], json!("signing"), "keys need no database");
}
