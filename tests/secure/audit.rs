//! The audit trail: who did what, when and from where, without secrets.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Write,
    os::unix::fs::PermissionsExt,
    process::Stdio,
    time::{Duration, Instant},
};

use gatepass::{events::EventKind, sql::Database};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    secure::{
        Gatepass, JOHNDOE, JOHNDOE_OFFLINE, Program, SECOND, Service, Tokens, add_client, add_client_with,
        add_johndoe, basic, change_password, client_fields, connect, end_all_sessions, end_session, get,
        on_both, on_postgres, ops::OPS, ops::metrics, ops::ops_address, post_form, proxied_postgres, read,
        read_reply, revoke, rows, send_from, serve, serve_command, session_id, stop, wait_until,
        with_locked_tables, within,
    },
    support::program::HASH,
};

/// Returns the entries in the database, newest first.
fn listed(gatepass: &Gatepass, arguments: &[&str]) -> Vec<Value> {
    gatepass.json_lines(&[&["audit", "list", "--json", "--limit", "10000"], arguments].concat())
}

/// Returns the entries in the log file that [`serve_with_file`] configures.
fn lines(gatepass: &Gatepass) -> Vec<Value> {
    let text = fs::read_to_string(gatepass.folder.file("audit.jsonl")).expect("the file");
    assert!(text.ends_with('\n') || text.is_empty());
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn events(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["event"].as_str().unwrap()).collect()
}

fn serve_with_file(gatepass: &Gatepass, arguments: &[&str]) -> Service {
    let file = gatepass.folder.file("audit.jsonl");
    serve(gatepass, &[&["--audit-log", &file], arguments].concat())
}

/// Returns the names of the events that commands cause or, if `by_commands` is false, that requests cause.
fn event_names(by_commands: bool) -> BTreeSet<&'static str> {
    let is_by_command = |name: &&str| {
        ["user_", "users_", "throttle_", "client_added", "client_changed", "client_removed", "key_", "keys_"]
            .iter()
            .any(|of| name.starts_with(of))
    };
    let names = EventKind::ALL.iter().map(|kind| kind.as_str());
    names.filter(|name| is_by_command(name) == by_commands).collect()
}

#[track_caller]
fn expect_no_secrets(text: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!text.contains(secret), "found the secret {secret} in {text}");
    }
}

#[test]
fn every_event_caused_by_requests_is_recorded_without_secrets() {
    on_both(|gatepass| {
        gatepass.add("alice", &["--scopes", "me", "--disabled"]).done();
        let secret = add_client(gatepass, "web");
        let file = gatepass.folder.file("audit.jsonl");
        let arguments = ["--audit-log", &file, "--max-sessions=3", "--login-throttle-rate=10"];
        let mut command = serve_command(gatepass, &arguments);
        command.env("GATEPASS_LOGIN_THROTTLE", "on").env("GATEPASS_LOGIN_THROTTLE_ACCOUNT_FAILURES", "1");
        let service = Service::run(&mut command);

        let signed_in = post_form("/token", JOHNDOE_OFFLINE)
            .header("User-Agent", "a \"browser\"")
            .header("Authorization", basic("web", &secret));
        let by_client = Tokens::of(&signed_in.send(service.address));
        let first = service.sign_in_offline();
        let second = service.refreshed(&first.refresh);
        assert_eq!(service.refreshed(&first.refresh).refresh, second.refresh);
        service.refreshed(&second.refresh);
        // Refreshes with a token that is refused, and then deletes the failed attempt so that the next attempt is not
        // throttled.
        let refused = |token: &str| {
            assert_eq!(service.refresh(token, "").status, 400);
            rows(gatepass, "DELETE FROM failures RETURNING name");
        };
        refused("guessed-refresh-token");
        refused(&first.refresh);
        let [third, fourth] = [service.sign_in_offline(), service.sign_in_offline()];
        assert_eq!(end_session(&service, &fourth.access, &session_id(&third.access)).status, 204);
        assert_eq!(end_all_sessions(&service, &fourth.access).status, 204);
        (0..4).for_each(|_| drop(service.sign_in_offline()));
        let fifth = service.sign_in_offline();
        assert_eq!(revoke(&service, &fifth.access, "").status, 200);
        let sixth = service.sign_in_offline();
        let introspect = post_form("/introspect", "token=x").bearer(&sixth.access);
        assert_eq!(introspect.send(service.address).status, 403);
        let change = |current: &str| {
            change_password(&service, &sixth.access, current, "purple+teapots+swim+south").status
        };
        assert_eq!(change("a-wrong-current-one"), 400);
        rows(gatepass, "DELETE FROM failures RETURNING name");
        assert_eq!(change("johndoe's+own+passphrase"), 204);
        assert_eq!(service.sign_in("username=alice&password=alice's+own+passphrase").status, 400);
        let attempt = || service.sign_in("username=mallory&password=wrong-guess").status;
        assert_eq!(attempt(), 400);
        rows(gatepass, "UPDATE failures SET count = count + 10 RETURNING name");
        assert_eq!(attempt(), 429);
        let by_web = client_fields("web", "a-wrong-client-secret");
        assert_eq!(revoke(&service, "x", &by_web).status, 401);
        rows(gatepass, "UPDATE failures SET count = count + 10 RETURNING name");
        assert_eq!(revoke(&service, "x", &by_web).status, 429);
        assert_eq!(service.users_me("a-forged-access-token").status, 401);
        // Requests from an address that no client has authenticated from are rate-limited.
        let revocation = post_form("/revoke", "token=x");
        wait_until(20 * SECOND, "the burst is used up", || {
            send_from("127.0.0.9", &revocation, &service).status == 429
        });

        let options = ["--grants", "client_credentials", "--scopes", "reports:read"];
        let reports = client_fields("reports", &add_client_with(gatepass, "reports", &options));
        service.token(&format!("grant_type=client_credentials{reports}"));

        let log = stop(service);
        assert!(!log.contains("lost"), "{log}");
        let (entries, lines) = (listed(gatepass, &[]), lines(gatepass));
        // Repeated failures share one row in the database, but may take several lines in the file.
        let counts = |entries: &[Value]| {
            let mut counts = BTreeMap::new();
            for entry in entries.iter().filter(|entry| entry["actor"].is_null()) {
                // The username is not compared: `audit list` adds it to entries that contain only the user's ID.
                let fields = ["time", "event", "user_id", "client_id", "session_id", "address", "user_agent"];
                let key = fields.map(|field| entry[field].to_string());
                *counts.entry(key).or_insert(0) += entry["count"].as_u64().expect("a count");
            }
            counts
        };
        assert_eq!(counts(&entries), counts(&lines));
        assert_eq!(events(&lines).into_iter().collect::<BTreeSet<_>>(), event_names(false));

        let entry = lines.iter().find(|line| line["event"] == "sign_in").unwrap();
        let claims = read(&by_client.access).1;
        for (field, value) in [
            ("event", json!("sign_in")),
            ("username", json!("johndoe")),
            ("client_id", json!("web")),
            ("address", json!("127.0.0.1")),
            ("user_agent", json!("a \"browser\"")),
            ("user_id", claims["sub"].clone()),
            ("session_id", claims["sid"].clone()),
        ] {
            assert_eq!(entry[field], value, "{field}");
        }
        assert!(entry["time"].as_str().is_some_and(|time| time.len() == 20 && time.ends_with('Z')));
        assert_eq!(entry.as_object().unwrap().len(), 11);

        let tokens = [by_client, first, second, third, fourth, fifth, sixth];
        let passwords = [
            "own passphrase",
            "own+passphrase",
            "a-wrong-current-one",
            "teapots",
            "wrong-guess",
            "a-wrong-client",
        ];
        for text in [json!(entries).to_string(), json!(lines).to_string(), gatepass.done(&["audit", "list"])]
        {
            expect_no_secrets(&text, &[&secret, "guessed-refresh-token", "a-forged-access-token", "argon2"]);
            expect_no_secrets(&text, &passwords);
            tokens.iter().for_each(|tokens| expect_no_secrets(&text, &[&tokens.access, &tokens.refresh]));
        }
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    });
}

#[test]
fn changes_by_commands_are_recorded_but_failed_commands_are_not() {
    on_both(|gatepass| {
        gatepass.add("johndoe", &[]).fails(1, &["taken"]);
        gatepass.done(&["users", "set", "JOHNDOE", "--email", "private@example.com", "--scopes", "me"]);
        gatepass
            .run_with(&["users", "passwd", "johndoe", "--password-stdin"], "purple teapots swim north\n")
            .done();
        gatepass.done(&["users", "disable", "johndoe"]);
        gatepass.done(&["users", "enable", "johndoe"]);
        let users =
            ["a", "b", "c"].map(|name| json!({ "username": name, "hashed_password": HASH }).to_string());
        gatepass.run_with(&["users", "import", "-", "--format", "jsonl"], &users.join("\n")).done();
        let secret = add_client(gatepass, "web");
        gatepass.done(&["clients", "update", "web", "--scopes", "me"]);
        gatepass.done(&["clients", "remove", "web", "--yes"]);
        rows(gatepass, "INSERT INTO failures (name, count, last) VALUES ('192.0.2.1', 1, 1) RETURNING name");
        gatepass.done(&["throttle", "clear", "192.0.2.1"]);
        gatepass.done(&["throttle", "clear", "192.0.2.2"]);
        gatepass.done(&["users", "remove", "johndoe", "--yes"]);
        gatepass.run(&["users", "remove", "nobody", "--yes"]).fails(1, &["nobody"]);
        // A key is pruned if it and its successor are old.
        let mut kids = Vec::new();
        for created in [1000, 2000] {
            let key = gatepass.json(&["keys", "rotate"])["key"].clone();
            let kid = key["kid"].as_str().unwrap().to_owned();
            let file = gatepass.folder.path().join(key["file"].as_str().unwrap());
            fs::rename(&file, file.with_file_name(format!("{created}-{kid}.pem"))).unwrap();
            kids.push(kid);
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
            ("users_imported", "", json!("3 added, 0 updated")),
            ("client_added", "", json!(null)),
            ("client_changed", "", json!("scopes")),
            ("client_removed", "", json!(null)),
            ("throttle_cleared", "", json!("192.0.2.1")),
            ("user_removed", "johndoe", json!(null)),
            ("key_rotated", "", json!(kids[0])),
            ("key_rotated", "", json!(kids[1])),
            ("keys_pruned", "", json!(kids[0])),
        ];
        assert_eq!(entries.len(), expected.len(), "{entries:#?}");
        for (entry, (event, name, detail)) in entries.iter().zip(expected) {
            assert_eq!((&entry["event"], &entry["detail"]), (&json!(event), &detail), "{entries:#?}");
            assert_eq!(entry["username"].as_str().unwrap_or_default(), name, "{entry}");
            let actor = entry["actor"].as_str().unwrap();
            assert!(actor.starts_with("command ") && actor.contains("uid="), "{actor}");
        }
        assert_eq!(events(&entries).into_iter().collect::<BTreeSet<_>>(), event_names(true));
        assert_eq!(entries[6]["client_id"], "web");
        let secrets = [&*secret, "private@", "teapots", "own passphrase", "pbkdf2"];
        expect_no_secrets(&json!(entries).to_string(), &secrets);
    });
}

#[test]
fn usernames_in_failed_sign_ins_are_truncated_and_escaped() {
    on_both(|gatepass| {
        let service = serve_with_file(gatepass, &[]);
        let long = "ä".repeat(5000);
        for name in ["a%00b", "%1b%5b31m%0d%0a%22%5c", "%e2%80%aeevil", &long] {
            assert_eq!(service.sign_in(&format!("username={name}&password=x")).status, 400);
        }
        stop(service);
        let expected = ["a\u{fffd}b", "\u{1b}[31m\r\n\"\\", "\u{202e}evil", &"ä".repeat(256)];
        let failed = ["--event", "sign_in_failed"];
        let mut stored = listed(gatepass, &failed);
        stored.reverse();
        for entries in [&stored, &lines(gatepass)] {
            let names: Vec<_> = entries.iter().map(|entry| entry["username"].as_str().unwrap()).collect();
            assert_eq!(names, expected);
        }
        let table = gatepass.done(&[&["audit", "list"], &failed[..]].concat());
        assert_eq!(table.lines().count(), 5);
        assert!(!table.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{table:?}");
        for name in &expected[1..] {
            assert_eq!(listed(gatepass, &["--user", name]).len(), 1, "{name:?}");
        }
    });
}

#[test]
fn audit_list_returns_matching_entries_newest_first() {
    on_both(|gatepass| {
        gatepass.add("alice", &["--scopes", "me"]).done();
        let service = serve(gatepass, &[]);
        let token = service.token(JOHNDOE);
        service.token("username=alice&password=alice's+own+passphrase");
        // Failures are written by another queue, so entries of the same second are only in order if they do not overlap.
        let wait_for =
            |count| wait_until(SECOND, "the entries are stored", || listed(gatepass, &[]).len() == count);
        wait_for(4);
        service.sign_in("username=JohnDoe&password=x");
        wait_for(5);
        rows(gatepass, "UPDATE audit SET time = time - 1000 RETURNING event");
        let middle = Timestamp::from_second(Timestamp::now().as_second() - 500).unwrap().to_string();
        assert_eq!(end_all_sessions(&service, &token).status, 204);
        wait_for(6);
        service.sign_in("username=nobody&password=x");
        stop(service);

        let all = listed(gatepass, &[]);
        let newest = ["sign_in_failed", "sessions_ended", "sign_in_failed", "sign_in", "sign_in"];
        assert_eq!(events(&all)[..5], newest);
        assert_eq!(events(&all)[5..], ["user_added", "user_added"]);
        // Entries that contain only the user's ID are also found by username.
        let johndoe = listed(gatepass, &["--user", "JOHNDOE"]);
        assert_eq!(events(&johndoe), ["sessions_ended", "sign_in_failed", "sign_in", "user_added"]);
        assert_eq!(johndoe[0]["username"], "johndoe");
        assert_eq!(events(&listed(gatepass, &["--since", &middle])), newest[..2]);
        for (filter, count) in [
            (&["--since", "1h"][..], 7),
            (&["--since", "2999-01-01"], 0),
            (&["--user", "johndoe", "--event", "sign_in_failed"], 1),
            (&["--user", "whoever"], 0),
        ] {
            assert_eq!(listed(gatepass, filter).len(), count, "{filter:?}");
        }
        assert_eq!(gatepass.done(&["audit", "list", "--json", "--limit", "2"]).lines().count(), 2);
        assert_eq!(gatepass.done(&["audit", "list", "--limit", "3"]).lines().count(), 4, "with a header");

        // Entries for a removed user can still be found by username.
        gatepass.done(&["users", "remove", "johndoe", "--yes"]);
        let removed = listed(gatepass, &["--user", "johndoe"]);
        assert_eq!(events(&removed)[..2], ["user_removed", "sessions_ended"]);
    });
    let gatepass = Gatepass::on_sqlite();
    gatepass.run(&["audit", "list", "--event", "nonsense"]).fails(2, &["nonsense", "--event"]);
    gatepass.run(&["audit", "list", "--since", "yesterday"]).fails(2, &["yesterday", "--since"]);
}

#[test]
fn audit_list_that_needs_several_queries_returns_each_entry_once() {
    Gatepass::on_both(|gatepass| {
        let create_tables = async { Database::open(&gatepass.url).await.unwrap().close().await };
        actix_web::rt::System::new().block_on(create_tables);
        let insert = "INSERT INTO audit (time, event, detail) WITH RECURSIVE n(i) AS \
                      (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
                      SELECT 1700000000 + i / 400, 'sign_in', CAST(i AS TEXT) FROM n RETURNING detail";
        assert_eq!(rows(gatepass, insert).len(), 2500);
        let entries = listed(gatepass, &[]);
        let numbers: Vec<_> = entries.iter().map(|entry| entry["detail"].as_str().unwrap()).collect();
        let expected: Vec<_> = (1..=2500).rev().map(|number: u32| number.to_string()).collect();
        assert_eq!(numbers, expected);
    });
}

#[test]
fn entries_are_written_to_standard_output_or_to_a_file_that_is_reopened_after_a_rename() {
    let gatepass = Gatepass::on_sqlite();
    let output = gatepass.folder.file("output");
    let mut command = serve_command(&gatepass, &["--audit-log", "-"]);
    let program = Program::run_to(&mut command, Stdio::from(File::create(&output).unwrap()));
    let service = Service { address: program.address(), program };
    service.sign_in("username=x&password=y");
    wait_until(SECOND, "the entry is written", || fs::read_to_string(&output).unwrap().lines().count() == 1);
    drop(service);

    let service = serve_with_file(&gatepass, &[]);
    let file = gatepass.folder.file("audit.jsonl");
    service.sign_in("username=before&password=y");
    wait_until(SECOND, "the first entry is written", || lines(&gatepass).len() == 1);
    fs::rename(&file, format!("{file}.1")).unwrap();
    service.sign_in("username=after&password=y");
    within(SECOND, "the second entry is written", || {
        fs::read_to_string(&file).ok().filter(|text| text.contains("after"))
    });
    assert_eq!(lines(&gatepass).len(), 1);

    let missing = ["serve", "--profile", "secure", "--bind", "127.0.0.1:0", "--audit-log", "/nowhere/at/all"];
    let run = gatepass.run(&missing);
    assert_eq!((run.code, run.err.contains("/nowhere/at/all")), (Some(1), true), "{}", run.err);
}

#[test]
fn locked_audit_table_does_not_delay_sign_ins_and_all_entries_are_written_later() {
    let Some(gatepass) = on_postgres() else { return };
    let service = serve_with_file(&gatepass, &OPS);
    let ops = ops_address(&service);
    let entries = |name: &str, sink: &str| {
        metrics(ops)[&format!("gatepass_audit_entries{name}_total{{sink=\"{sink}\"}}")]
    };
    let sign_in = || {
        let start = Instant::now();
        service.token(JOHNDOE);
        start.elapsed()
    };
    let usual = sign_in();
    wait_until(SECOND, "the entry is written", || entries("", "database") == 1.0);

    let refused = 10_000_u32;
    with_locked_tables(&gatepass, "LOCK TABLE audit", || {
        for _ in 0..10 {
            let duration = sign_in();
            assert!(duration < usual + SECOND, "a sign-in took {duration:?} instead of {usual:?}");
        }
        // These are more failures than the queues can hold. Overlong passwords are refused without hashing.
        let body = format!("username=johndoe&password={}", "x".repeat(1025));
        let head = format!(
            "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = connect(service.address);
        for _ in 0..refused {
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            assert_eq!(read_reply(&mut stream).expect("a response").status, 400);
        }
        service.program.wait_for("cannot write the audit trail (database), retrying");
    });
    wait_until(30 * SECOND, "the entries are written", || {
        entries("", "database") == f64::from(refused) + 11.0
    });
    assert_eq!(entries("_dropped", "database") + entries("_dropped", "lines"), 0.0);
    let log = stop(service);
    assert!(!log.contains("lost"), "{log}");
    let failures = listed(&gatepass, &["--event", "sign_in_failed"]);
    let counts = failures.iter().map(|entry| entry["count"].as_u64().unwrap());
    assert_eq!((counts.sum::<u64>(), listed(&gatepass, &["--event", "sign_in"]).len()), (refused.into(), 11));
    // Failures within the same minute share an entry.
    assert!(failures.len() <= 5, "{} entries", failures.len());
}

#[test]
fn shutdown_with_an_unreachable_database_takes_less_than_15_seconds() {
    let Some((gatepass, proxy, _database)) = proxied_postgres() else { return };
    add_johndoe(&gatepass);
    let service = serve_with_file(&gatepass, &[]);
    service.token(JOHNDOE);
    proxy.block();
    service.sign_in(&format!("username=x&password={}", "x".repeat(1025)));
    let start = Instant::now();
    let log = stop(service);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(log.contains("audit trail (database) lost "), "{log}");
    assert_eq!(lines(&gatepass).len(), 2);
}

#[test]
fn tutorial_profile_writes_the_audit_log_and_creates_no_database() {
    let gatepass = Gatepass::on_sqlite();
    let service = serve_with_file(&gatepass, &[&["--profile", "tutorial"], &OPS[..]].concat());
    let ops = ops_address(&service);
    service.token("username=johndoe&password=secret");
    let ready = get("/health/ready").send(ops);
    assert_eq!((ready.status, ready.json()), (200, json!({ "status": "ready", "checks": {} })));
    assert_eq!(metrics(ops)["gatepass_sign_ins_total{outcome=\"success\"}"], 1.0);
    stop(service);
    assert_eq!(events(&lines(&gatepass)), ["sign_in"]);
    assert!(!gatepass.folder.path().join("gatepass.db").exists());
}

#[test]
fn repeated_failures_are_listed_as_one_entry_with_a_count() {
    on_both(|gatepass| {
        let service = serve_with_file(gatepass, &[]);
        let attempts = ["%3Dcmd()", "%3DCMD()", "%3Dcmd()", "alice"];
        // All attempts must fall within the same minute.
        within(120 * SECOND, "enough time is left in the current minute", || {
            (Timestamp::now().as_second() % 60 < 50).then_some(())
        });
        for name in attempts {
            assert_eq!(service.sign_in(&format!("username={name}&password=x")).status, 400);
        }
        stop(service);
        let failed = ["--event", "sign_in_failed"];
        let mut entries: Vec<_> = listed(gatepass, &failed)
            .iter()
            .map(|entry| (entry["username"].as_str().unwrap().to_owned(), entry["count"].as_u64().unwrap()))
            .collect();
        entries.sort();
        assert_eq!(entries, [("=cmd()".to_owned(), 3), ("alice".to_owned(), 1)]);
        let lines = lines(gatepass);
        let of = |name: &str| lines.iter().filter(|line| line["username"] == name).collect::<Vec<_>>();
        let counted: u64 = of("=cmd()").iter().map(|line| line["count"].as_u64().unwrap()).sum();
        assert_eq!((counted, of("alice").len()), (3, 1));
        let table = gatepass.done(&[&["audit", "list"], &failed[..]].concat());
        assert!(table.contains("3 times") && !table.contains("1 times"), "{table}");

        // A spreadsheet must not interpret a username as a formula.
        let csv = gatepass.done(&[&["audit", "list", "--csv"], &failed[..]].concat());
        let (header, rows) = csv.split_once('\n').unwrap();
        assert!(header.starts_with("time,event,username,") && header.ends_with(",detail,count"), "{header}");
        assert_eq!(rows.lines().count(), 2);
        assert!(rows.contains(",sign_in_failed,'=cmd(),,,,127.0.0.1,") && rows.contains(",3\n"), "{rows}");
    });
}
