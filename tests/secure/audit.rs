//! The audit trail: who did what, when, from where, and never a secret.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use gatepass::{events::EventKind, sql::Database};
use serde_json::{Value, json};

use crate::{
    secure::ops::{OPS, figures, ops_address},
    support::{
        http::{connect, get, post_form, read_reply, request},
        left_out, postgres,
        program::{Gatepass, HASH},
        secure_profile::{
            JOHNDOE, JOHNDOE_OFFLINE, SECOND, Service, add_client, add_johndoe, basic, postgres_behind_proxy,
            read, serve, serve_command, within,
        },
        service::Program,
    },
};

fn listed(gatepass: &Gatepass, arguments: &[&str]) -> Vec<Value> {
    let lines = gatepass.done(&[&["audit", "list", "--json", "--limit", "10000"], arguments].concat());
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn lines(gatepass: &Gatepass) -> Vec<Value> {
    let text = fs::read_to_string(gatepass.folder.file("audit.jsonl")).expect("the file");
    assert!(text.ends_with('\n') || text.is_empty());
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn events(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["event"].as_str().unwrap()).collect()
}

/// With the file audit.jsonl.
fn audited(gatepass: &Gatepass, arguments: &[&str]) -> Service {
    let file = gatepass.folder.file("audit.jsonl");
    serve(gatepass, &[&["--audit-log", &file], arguments].concat())
}

fn stop(mut service: Service) -> String {
    service.program.signal("TERM");
    assert_eq!(service.program.wait(), Some(0));
    service.program.log()
}

/// The names of all that there is, by operators or by requests.
fn kinds(by_operators: bool) -> BTreeSet<&'static str> {
    let is_operators =
        |name: &&str| ["user_", "users_", "client_", "key_", "keys_"].iter().any(|of| name.starts_with(of));
    let names = EventKind::ALL.iter().map(|kind| kind.as_str());
    names.filter(|name| is_operators(name) == by_operators).collect()
}

#[test]
fn every_kind_of_event_is_an_entry_and_no_secret_is_in_any() {
    Gatepass::on_both("every_kind_of_event_is_an_entry_and_no_secret_is_in_any", |gatepass| {
        add_johndoe(gatepass);
        gatepass.add("alice", &["--scopes", "me", "--disabled"]).done();
        let secret = add_client(gatepass, "web");
        let file = gatepass.folder.file("audit.jsonl");
        let mut command = serve_command(gatepass, &["--audit-log", &file, "--refresh-grace", "0"]);
        command.env("GATEPASS_LOGIN_THROTTLE", "on").env("GATEPASS_LOGIN_THROTTLE_ACCOUNT_FAILURES", "1");
        let service = Service::run(&mut command);
        let mut secrets = vec![secret.clone(), "own passphrase".to_owned(), "own+passphrase".to_owned()];

        let signed_in = post_form("/token", JOHNDOE_OFFLINE)
            .header("User-Agent", "a \"browser\"")
            .header("Authorization", basic("web", &secret))
            .send(service.address);
        let by_client = crate::support::secure_profile::Tokens::of(&signed_in);
        let first = service.sign_in_offline();
        let second = service.refreshed(&first.refresh);
        assert_eq!(service.refresh("guessed-refresh-token", "").status, 400);
        thread::sleep(SECOND);
        assert_eq!(service.refresh(&first.refresh, "").status, 400, "used again");
        let [third, fourth] = [service.sign_in_offline(), service.sign_in_offline()];
        let delete =
            |path: &str, token: &str| request("DELETE", path).bearer(token).send(service.address).status;
        let sid = read(&third.access).1["sid"].as_str().unwrap().to_owned();
        assert_eq!(delete(&format!("/users/me/sessions/{sid}"), &fourth.access), 204);
        assert_eq!(delete("/users/me/sessions", &fourth.access), 204);
        let fifth = service.sign_in_offline();
        assert_eq!(post_form("/revoke", format!("token={}", fifth.access)).send(service.address).status, 200);
        let sixth = service.sign_in_offline();
        let change = |token: &str, current: &str| {
            request("PUT", "/users/me/password")
                .bearer(token)
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(format!("current_password={current}&new_password=entirely+another+one"))
                .send(service.address)
                .status
        };
        assert_eq!(change(&sixth.access, "a-wrong-current-one"), 400);
        thread::sleep(2 * SECOND);
        let done = change(&sixth.access, "johndoe's+own+passphrase");
        assert!(matches!(done, 200 | 204), "{done}");
        assert_eq!(service.sign_in("username=alice&password=alice's+own+passphrase").status, 400);
        assert_eq!(service.sign_in("username=mallory&password=wrong-guess").status, 400);
        assert_eq!(service.sign_in("username=mallory&password=wrong-guess").status, 429);
        for tokens in [by_client, first, second, third, fourth, fifth, sixth] {
            secrets.extend([tokens.access, tokens.refresh]);
        }
        let more = ["guessed-refresh-token", "a-wrong-current-one", "entirely", "wrong-guess", "argon2"];
        secrets.extend(more.map(str::to_owned));

        // What was there when the signal came is written.
        let log = stop(service);
        let (rows, lines) = (listed(gatepass, &[]), lines(gatepass));
        let requests: Vec<_> = rows.iter().rev().filter(|row| row["actor"].is_null()).collect();
        for (row, line) in requests.iter().zip(&lines) {
            // The table's list knows the name behind an id as well.
            for field in line.as_object().unwrap().keys().filter(|field| *field != "username") {
                assert_eq!(row[field], line[field]);
            }
            assert!(line["username"].is_null() || row["username"] == line["username"], "{row} {line}");
        }
        assert_eq!(requests.len(), lines.len());
        assert_eq!(events(&lines).into_iter().collect::<BTreeSet<_>>(), kinds(false));

        let first = &lines[0];
        assert_eq!((&first["event"], &first["username"]), (&json!("sign_in"), &json!("johndoe")));
        assert_eq!((&first["client_id"], &first["address"]), (&json!("web"), &json!("127.0.0.1")));
        assert_eq!(first["user_agent"], "a \"browser\"");
        assert_eq!(first["user_id"], read(&secrets[3]).1["sub"]);
        assert_eq!(first["session_id"], read(&secrets[3]).1["sid"]);
        assert!(first["time"].as_str().is_some_and(|time| time.len() == 20 && time.ends_with('Z')));
        assert_eq!(first.as_object().unwrap().len(), 10);

        let texts = [json!(rows).to_string(), json!(lines).to_string(), gatepass.done(&["audit", "list"])];
        for text in &texts {
            for secret in &secrets {
                assert!(!text.contains(secret.as_str()), "{secret} in {text}");
            }
        }
        assert!(!log.contains("lost"), "{log}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    });
}

#[test]
fn what_commands_change_is_an_entry_and_what_they_do_not_is_none() {
    Gatepass::on_both("what_commands_change_is_an_entry", |gatepass| {
        add_johndoe(gatepass);
        gatepass.add("johndoe", &[]).fails(1, &["taken"]);
        gatepass.done(&["users", "set", "JOHNDOE", "--email", "private@example.com", "--scopes", "me"]);
        gatepass.run_with(&["users", "passwd", "johndoe", "--password-stdin"], "quite another one\n").done();
        gatepass.done(&["users", "disable", "johndoe"]);
        gatepass.done(&["users", "enable", "johndoe"]);
        let users =
            ["a", "b", "c"].map(|name| json!({ "username": name, "hashed_password": HASH }).to_string());
        gatepass.run_with(&["users", "import", "-", "--format", "jsonl"], &users.join("\n")).done();
        let secret = add_client(gatepass, "web");
        gatepass.done(&["clients", "remove", "web", "--yes"]);
        gatepass.done(&["users", "remove", "johndoe", "--yes"]);
        gatepass.run(&["users", "remove", "nobody", "--yes"]).fails(1, &["nobody"]);
        let key = gatepass.json(&["keys", "rotate"])["key"].clone();
        let file = std::path::Path::new(key["file"].as_str().unwrap());
        let file = gatepass.folder.path().join(file);
        let kid = key["kid"].as_str().unwrap();
        fs::rename(&file, file.with_file_name(format!("1000-{kid}.pem"))).unwrap();
        gatepass.done(&["keys", "rotate"]);
        // The second one was made long ago as well: the first one is retired by it.
        for entry in fs::read_dir(file.parent().unwrap()).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".pem") && !name.contains(kid) {
                let rest = name.split_once('-').unwrap().1;
                fs::rename(entry.path(), entry.path().with_file_name(format!("2000-{rest}"))).unwrap();
            }
        }
        gatepass.done(&["keys", "prune", "--yes"]);
        gatepass.done(&["users", "list"]);

        let mut entries = listed(gatepass, &[]);
        entries.reverse();
        let expected = [
            ("user_added", "johndoe", json!(null)),
            ("user_changed", "johndoe", json!("email, scopes")),
            ("user_changed", "johndoe", json!("password")),
            ("user_disabled", "johndoe", json!(null)),
            ("user_enabled", "johndoe", json!(null)),
            ("users_imported", "", json!("3 users")),
            ("client_added", "", json!(null)),
            ("client_removed", "", json!(null)),
            ("user_removed", "johndoe", json!(null)),
            ("key_rotated", "", json!(kid)),
        ];
        for (entry, (event, name, detail)) in entries.iter().zip(expected) {
            assert_eq!((&entry["event"], &entry["detail"]), (&json!(event), &detail), "{entries:#?}");
            assert_eq!(entry["username"].as_str().unwrap_or_default(), name, "{entry}");
            let actor = entry["actor"].as_str().unwrap();
            assert!(actor.starts_with("command ") && actor.contains("uid="), "{actor}");
        }
        assert_eq!(events(&entries)[10..], ["key_rotated", "keys_pruned"]);
        assert_eq!(entries[11]["detail"], json!(kid));
        assert_eq!(events(&entries).into_iter().collect::<BTreeSet<_>>(), kinds(true));
        assert_eq!(entries[6]["client_id"], "web");
        let text = json!(entries).to_string();
        for secret in [&*secret, "private@", "quite another", "own passphrase", "pbkdf2"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    });
}

#[test]
fn keys_are_changed_without_a_database_too_and_what_is_not_on_record_is_said() {
    let mut gatepass = Gatepass::on_sqlite();
    // There is none yet, so there is no trail.
    gatepass.done(&["keys", "rotate"]);
    assert!(!std::path::Path::new(&gatepass.folder.file("gatepass.db")).exists());
    gatepass.url = "postgres://nobody:hush@127.0.0.1:1/none".to_owned();
    let run = gatepass.run(&["keys", "rotate"]);
    assert_eq!(run.code, Some(0), "the key is made");
    assert!(run.out.starts_with("created "), "{}", run.out);
    assert!(run.err.contains("not in the audit trail") && !run.err.contains("hush"), "{}", run.err);
    assert_eq!(run.err.trim_end().lines().count(), 1, "{}", run.err);
}

#[test]
fn names_that_somebody_makes_up_are_escaped_and_cut() {
    Gatepass::on_both("names_that_somebody_makes_up_are_escaped_and_cut", |gatepass| {
        let service = audited(gatepass, &[]);
        let long = "ä".repeat(5000);
        for name in ["a%00b", "%1b%5b31m%0d%0a%22%5c", "%e2%80%aeevil", &long] {
            assert_eq!(service.sign_in(&format!("username={name}&password=x")).status, 400);
        }
        stop(service);
        let expected = ["a\u{fffd}b", "\u{1b}[31m\r\n\"\\", "\u{202e}evil", &"ä".repeat(256)];
        let mut rows = listed(gatepass, &["--event", "sign_in_failed"]);
        rows.reverse();
        for entries in [&rows, &lines(gatepass)] {
            let names: Vec<_> = entries.iter().map(|entry| entry["username"].as_str().unwrap()).collect();
            assert_eq!(names, expected);
        }
        let table = gatepass.done(&["audit", "list"]);
        assert_eq!(table.lines().count(), 5);
        assert!(!table.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{table:?}");
        for name in expected {
            if !name.contains('\u{fffd}') {
                assert_eq!(listed(gatepass, &["--user", name]).len(), 1, "{name:?}");
            }
        }
    });
}

#[test]
fn the_list_is_filtered_and_the_newest_comes_first() {
    Gatepass::on_both("the_list_is_filtered_and_the_newest_comes_first", |gatepass| {
        add_johndoe(gatepass);
        gatepass.add("alice", &["--scopes", "me"]).done();
        let service = serve(gatepass, &[]);
        let token = service.token(JOHNDOE);
        service.token("username=alice&password=alice's+own+passphrase");
        service.sign_in("username=JohnDoe&password=x");
        thread::sleep(2 * SECOND);
        let middle = jiff::Timestamp::now().to_string();
        assert_eq!(request("DELETE", "/users/me/sessions").bearer(&token).send(service.address).status, 204);
        service.sign_in("username=nobody&password=x");
        stop(service);

        let all = listed(gatepass, &[]);
        let newest = ["sign_in_failed", "sessions_ended", "sign_in_failed", "sign_in", "sign_in"];
        assert_eq!(events(&all)[..5], newest);
        assert_eq!(events(&all)[5..], ["user_added", "user_added"]);
        // What has an id alone is found by the name too.
        let johndoe = listed(gatepass, &["--user", "JOHNDOE"]);
        assert_eq!(events(&johndoe), ["sessions_ended", "sign_in_failed", "sign_in", "user_added"]);
        assert_eq!(johndoe[0]["username"], "johndoe");
        assert_eq!(events(&listed(gatepass, &["--since", &middle])), newest[..2]);
        assert_eq!(listed(gatepass, &["--since", "1h"]).len(), 7);
        assert_eq!(listed(gatepass, &["--since", "2999-01-01"]).len(), 0);
        let failed = ["--user", "johndoe", "--event", "sign_in_failed"];
        assert_eq!(listed(gatepass, &failed).len(), 1);
        let two = gatepass.done(&["audit", "list", "--json", "--limit", "2"]);
        assert_eq!(two.lines().count(), 2);
        assert_eq!(gatepass.done(&["audit", "list", "--limit", "3"]).lines().count(), 4, "and a header");
        assert_eq!(gatepass.done(&["audit", "list", "--user", "whoever"]).lines().count(), 1);

        // Who is gone is still found.
        gatepass.done(&["users", "remove", "johndoe", "--yes"]);
        let gone = listed(gatepass, &["--user", "johndoe"]);
        assert_eq!(events(&gone)[..2], ["user_removed", "sessions_ended"]);
        gatepass.run(&["audit", "list", "--event", "nonsense"]).fails(2, &["nonsense", "--event"]);
        gatepass.run(&["audit", "list", "--since", "yesterday"]).fails(2, &["yesterday", "--since"]);
        let help = gatepass.done(&["audit", "list", "--help"]);
        for word in ["--since", "--user", "--event", "--limit", "--json"] {
            assert!(help.contains(word), "{help}");
        }
    });
}

#[test]
fn more_entries_than_are_read_at_once_are_listed_each_once() {
    Gatepass::on_both("more_entries_than_are_read_at_once_are_listed_each_once", |gatepass| {
        let tables = async { Database::open(&gatepass.url).await.unwrap().close().await };
        actix_web::rt::System::new().block_on(tables);
        let insert = "INSERT INTO audit (time, event, detail) WITH RECURSIVE n(i) AS \
                      (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
                      SELECT 1700000000 + i / 400, 'sign_in', CAST(i AS TEXT) FROM n RETURNING detail";
        assert_eq!(crate::support::secure_profile::rows(gatepass, insert).len(), 2500);
        let numbers: Vec<_> =
            listed(gatepass, &[]).iter().map(|entry| entry["detail"].as_str().unwrap().to_owned()).collect();
        let expected: Vec<_> = (1..=2500).rev().map(|number: u32| number.to_string()).collect();
        assert_eq!(numbers, expected);
    });
}

#[test]
fn lines_go_to_standard_output_and_to_a_file_that_was_renamed_meanwhile() {
    let gatepass = Gatepass::on_sqlite();
    let output = gatepass.folder.file("output");
    let mut command = serve_command(&gatepass, &["--audit-log", "-"]);
    let program = Program::run_to(&mut command, Stdio::from(fs::File::create(&output).unwrap()));
    let service = Service { address: program.address(), program };
    service.sign_in("username=x&password=y");
    let one = || (fs::read_to_string(&output).unwrap().lines().count() == 1).then_some(());
    within(SECOND, "the line is written without a stop", one);
    drop(service);

    let service = audited(&gatepass, &[]);
    let file = gatepass.folder.file("audit.jsonl");
    service.sign_in("username=before&password=y");
    within(SECOND, "the first line", || (lines(&gatepass).len() == 1).then_some(()));
    fs::rename(&file, format!("{file}.1")).unwrap();
    service.sign_in("username=after&password=y");
    within(SECOND, "the second line", || {
        fs::read_to_string(&file).ok().filter(|text| text.contains("after"))
    });
    assert_eq!(lines(&gatepass).len(), 1);

    let nowhere = ["serve", "--profile", "secure", "--bind", "127.0.0.1:0", "--audit-log", "/nowhere/at/all"];
    let run = gatepass.run(&nowhere);
    assert_eq!((run.code, run.err.contains("/nowhere/at/all")), (Some(1), true), "{}", run.err);
}

#[test]
fn a_table_that_cannot_be_written_makes_no_sign_in_wait_and_what_does_not_fit_is_counted() {
    let test = "a_table_that_cannot_be_written_makes_no_sign_in_wait";
    let database = match postgres::Database::create() {
        Ok(database) => database,
        Err(why) => return left_out(test, &why),
    };
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url.clone_from(&database.url);
    add_johndoe(&gatepass);
    let service = audited(&gatepass, &OPS);
    let ops = ops_address(&service);
    let quick = || {
        let start = Instant::now();
        service.token(JOHNDOE);
        start.elapsed()
    };
    let usual = quick();
    within(SECOND, "it is written", || {
        (figures(ops)["gatepass_audit_entries_total{sink=\"database\"}"] == 1.0).then_some(())
    });
    thread::scope(|scope| {
        let lock = scope.spawn(|| database.execute("BEGIN; LOCK TABLE audit; SELECT pg_sleep(12); COMMIT"));
        thread::sleep(SECOND / 2);
        for _ in 0..10 {
            let took = quick();
            assert!(took < usual + SECOND, "{took:?} where {usual:?} is usual");
        }
        // A storm of sign-ins that are refused at once, since no password is so long.
        let (storm, password) = (10_000_u32, "x".repeat(1025));
        let body = format!("username=storm&password={password}");
        let head = format!(
            "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = connect(service.address);
        for _ in 0..storm {
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            assert_eq!(read_reply(&mut stream).expect("an answer").status, 400);
        }
        let all = f64::from(storm) + 11.0;
        let lost = figures(ops)["gatepass_audit_entries_dropped_total{sink=\"database\"}"];
        assert!(lost > 0.0 && lost < 2000.0 + f64::from(storm) / 2.0, "{lost} were lost");
        lock.join().unwrap();
        within(30 * SECOND, "the rest is written", || {
            let figures = figures(ops);
            let figure =
                |name: &str| figures[&format!("gatepass_audit_entries{name}_total{{sink=\"database\"}}")];
            (figure("") + figure("_dropped") == all).then_some(())
        });
    });
    // The file did not wait for the table.
    assert_eq!(figures(ops)["gatepass_audit_entries_dropped_total{sink=\"lines\"}"], 0.0);
    let log = stop(service);
    assert!(log.contains("more came than could be written"), "{log}");
    assert!(log.contains("cannot be written and waits"), "{log}");
}

#[test]
fn a_database_that_is_gone_does_not_hold_up_the_stop_for_long() {
    let test = "a_database_that_is_gone_does_not_hold_up_the_stop_for_long";
    let Some((gatepass, way, _database)) = postgres_behind_proxy(test) else { return };
    add_johndoe(&gatepass);
    let service = audited(&gatepass, &[]);
    service.token(JOHNDOE);
    way.block();
    service.sign_in(&format!("username=x&password={}", "x".repeat(1025)));
    let start = Instant::now();
    let log = stop(service);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(log.contains("audit trail (database) lost "), "{log}");
    assert_eq!(lines(&gatepass).len(), 2);
}

#[test]
fn the_tutorial_writes_lines_and_no_table() {
    let gatepass = Gatepass::on_sqlite();
    let file = gatepass.folder.file("audit.jsonl");
    let mut command =
        gatepass.command(&["--bind", "127.0.0.1:0", "--audit-log", &file, "--ops-bind", "127.0.0.1:0"]);
    let service = Service::run(&mut command);
    let ops = ops_address(&service);
    service.token("username=johndoe&password=secret");
    let ready = get("/health/ready").send(ops);
    assert_eq!((ready.status, ready.json()), (200, json!({ "status": "ready", "checks": {} })));
    assert_eq!(figures(ops)["gatepass_sign_ins_total{outcome=\"success\"}"], 1.0);
    stop(service);
    assert_eq!(events(&lines(&gatepass)), ["sign_in"]);
    assert!(!std::path::Path::new(&gatepass.folder.file("gatepass.db")).exists());
}
