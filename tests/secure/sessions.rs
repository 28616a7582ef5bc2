//! The maximum number of sessions, and `gatepass sessions`.

use serde_json::Value;

use crate::secure::{
    Gatepass, JOHNDOE, SECOND, Service, Tokens, access_token, add_client, client_fields, concurrently,
    end_session, get, on_both, on_sqlite, read, replicas, rows, session_id, wait_until, within,
};

fn listed(service: &Service, token: &str) -> Vec<Value> {
    let reply = get("/users/me/sessions").bearer(token).send(service.address);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json().as_array().unwrap().clone()
}

fn is_valid(service: &Service, token: &str) -> bool {
    service.users_me(token).status == 200
}

#[test]
fn sign_in_that_exceeds_the_session_limit_ends_the_least_recently_used_session() {
    on_both(|gatepass| {
        let replicas = replicas(gatepass, &["--max-sessions", "3"]);
        let [first, second, third] = [(); 3].map(|()| {
            let tokens = replicas[0].sign_in_offline();
            rows(
                gatepass,
                "UPDATE sessions SET last_used = last_used - 10, created = created - 10 RETURNING id",
            );
            replicas.iter().for_each(|replica| assert!(is_valid(replica, &tokens.access)));
            tokens
        });
        let first = replicas[1].refreshed(&first.refresh);
        let fourth = replicas[0].sign_in_offline();
        for (replica, tokens) in [(0, &second), (1, &second)] {
            wait_until(SECOND, "the session ends", || !is_valid(&replicas[replica], &tokens.access));
        }
        assert_eq!(replicas[0].refresh(&second.refresh, "").status, 400);
        for tokens in [&first, &third, &fourth] {
            replicas.iter().for_each(|replica| assert!(is_valid(replica, &tokens.access)));
        }
        assert_eq!(listed(&replicas[1], &first.access).len(), 3);
        wait_until(SECOND, "the event is recorded", || {
            let evicted = gatepass.json_lines(&["audit", "list", "--event", "session_evicted", "--json"]);
            evicted.len() == 1
                && evicted[0]["session_id"] == session_id(&second.access)
                && evicted[0]["username"] == "johndoe"
        });
    });
}

#[test]
fn concurrent_sign_ins_do_not_exceed_the_maximum_number_of_sessions() {
    on_both(|gatepass| {
        let replicas = replicas(gatepass, &["--max-sessions", "5"]);
        gatepass.add("alice", &["--scopes", "me"]).done();
        let alice = replicas[0].token("username=alice&password=alice's+own+passphrase");
        let tokens = concurrently(24, |number| {
            // On a busy machine, the service may respond with 503.
            let sign_in = || Some(replicas[number % 2].sign_in(JOHNDOE)).filter(|reply| reply.status == 200);
            let token = access_token(&within(10 * SECOND, "a sign-in succeeds", sign_in));
            // Another sign-in may have ended this session, so any response is fine.
            get("/users/me/sessions").bearer(&token).send(replicas[0].address);
            token
        });
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 6);
        wait_until(SECOND, "five sessions are valid", || {
            replicas.iter().all(|replica| tokens.iter().filter(|token| is_valid(replica, token)).count() == 5)
        });
        assert!(is_valid(&replicas[1], &alice));
        let active = tokens.iter().find(|token| is_valid(&replicas[0], token)).unwrap();
        assert_eq!(listed(&replicas[0], active).len(), 5);
    });
}

#[test]
fn default_maximum_is_50_sessions_per_user() {
    let (gatepass, service) = on_sqlite(&[]);
    let first = service.token(JOHNDOE);
    rows(&gatepass, "UPDATE sessions SET last_used = last_used - 10 RETURNING id");
    for _ in 0..49 {
        service.token(JOHNDOE);
    }
    assert_eq!(listed(&service, &first).len(), 50);
    let last = service.token(JOHNDOE);
    assert!(!is_valid(&service, &first));
    assert_eq!(listed(&service, &last).len(), 50);
    for wrong in ["0", "1001", "many"] {
        gatepass.run(&["serve", "--max-sessions", wrong]).fails(2, &[wrong, "--max-sessions"]);
    }
}

/// Returns the sessions that `gatepass sessions list` prints.
fn by_command(gatepass: &Gatepass, arguments: &[&str]) -> Vec<Value> {
    gatepass.json_lines(&[&["sessions", "list", "--json"], arguments].concat())
}

#[test]
fn sessions_are_listed_and_ended_by_commands() {
    on_both(|gatepass| {
        gatepass.add("alice", &["--scopes", "me"]).done();
        let secret = add_client(gatepass, "web");
        let replicas = replicas(gatepass, &[]);
        let alice = replicas[0].token("username=alice&password=alice's+own+passphrase");
        let [one, two, three] = [(); 3].map(|()| {
            rows(gatepass, "UPDATE sessions SET last_used = last_used - 10 RETURNING id");
            let fields = client_fields("web", &secret);
            Tokens::of(&replicas[0].sign_in(&format!("{}{fields}", crate::secure::JOHNDOE_OFFLINE)))
        });
        let all = by_command(gatepass, &[]);
        let names: Vec<_> = all.iter().map(|session| session["username"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            ["johndoe", "johndoe", "johndoe", "alice"],
            "expected the most recently used session first"
        );
        let session = &by_command(gatepass, &["JOHNDOE"])[0];
        assert_eq!((&session["id"], session), (&session_id(&three.access).into(), &all[0]));
        assert_eq!((&session["address"], &session["client_id"]), (&"127.0.0.1".into(), &"web".into()));
        assert_eq!(
            (&session["user_id"], &session["user_kind"]),
            (&read(&three.access).1["sub"], &"User".into())
        );
        assert_eq!(session.as_object().unwrap().len(), 9);
        let table = gatepass.run(&["sessions", "list", "--limit", "3"]);
        assert_eq!((table.code, table.out.lines().count()), (Some(0), 4), "{table:?}");
        assert!(table.out.contains(&session_id(&three.access)) && table.err.contains("--limit"), "{table:?}");
        assert_eq!(gatepass.run(&["sessions", "list", "--limit", "4"]).err, "");

        for (token, command) in [
            (&two.access, vec!["johndoe", "--session", &*session_id(&two.access)]),
            (&one.access, vec!["JohnDoe"]),
            (&alice, vec!["--all", "--yes"]),
        ] {
            replicas.iter().for_each(|replica| assert!(is_valid(replica, token), "{command:?}"));
            gatepass.done(&[&["sessions", "end"], &command[..]].concat());
            wait_until(SECOND, "all replicas reject the token", || {
                replicas.iter().all(|replica| !is_valid(replica, token))
            });
        }
        for tokens in [&one, &two, &three] {
            let fields = client_fields("web", &secret);
            assert_eq!(replicas[0].refresh(&tokens.refresh, &fields).status, 400);
        }
        assert_eq!(by_command(gatepass, &[]), [Value::Null; 0]);
        assert!(is_valid(&replicas[0], &replicas[0].token(JOHNDOE)), "users cannot sign in again");

        let mut entries = gatepass.json_lines(&["audit", "list", "--json"]);
        entries.retain(|entry| entry["event"].as_str().unwrap().starts_with("session"));
        entries.reverse();
        let expected = [
            ("session_ended", "johndoe", ""),
            ("sessions_ended", "johndoe", ""),
            ("sessions_ended", "", "all users; sessions ended: 1"),
        ];
        assert_eq!(entries.len(), expected.len(), "{entries:?}");
        for (entry, (event, username, detail)) in entries.iter().zip(expected) {
            let text = |field: &str| entry[field].as_str().unwrap_or_default();
            assert_eq!((text("event"), text("username"), text("detail")), (event, username, detail));
            assert!(text("actor").starts_with("command "), "{entry}");
        }
        assert_eq!(entries[0]["session_id"], session_id(&two.access));
    });
}

#[test]
fn session_commands_with_a_wrong_argument_change_nothing_and_print_a_hint() {
    let (gatepass, service) = on_sqlite(&[]);
    gatepass.add("alice", &["--scopes", "me"]).done();
    let token = service.token(JOHNDOE);
    let id = session_id(&token);
    let end = |arguments: &[&str]| gatepass.run(&[&["sessions", "end"], arguments].concat());
    end(&["nobody"]).fails(1, &["nobody does not exist", "users list"]);
    end(&["johndoe", "--session", "-unknown"])
        .fails(1, &["johndoe has no session -unknown", "sessions list"]);
    end(&["alice", "--session", &id]).fails(1, &["alice has no session"]);
    end(&["--all"]).fails(2, &["all users", "--yes"]);
    end(&[]).fails(2, &["--all"]);
    end(&["--session", &id]).fails(2, &["--all"]);
    end(&["johndoe", "--all"]).fails(2, &["--all"]);
    end(&["--all", "--session", &id]).fails(2, &["--session"]);
    gatepass.run(&["sessions", "list", "nobody"]).fails(1, &["nobody does not exist", "users list"]);
    gatepass.run(&["sessions", "list", "--limit", "0"]).fails(2, &["--limit"]);
    assert!(is_valid(&service, &token));
    assert_eq!(end_session(&service, &token, &id).status, 204);
}
