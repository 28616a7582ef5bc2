//! The errors, row by row as docs/PRODUCTION.md lists them.

use std::thread;

use serde_json::{Value, json};

use crate::support::{
    http::{Reply, get, post_form, request},
    program::Gatepass,
    secure_profile::{JOHNDOE, SECOND, add_johndoe, outcome, postgres_behind_proxy, serve, within},
};

/// Asserts an error of RFC 6749 section 5.2, beside FastAPI's `detail`.
#[track_caller]
fn expect_error(reply: &Reply, status: u16, error: &str, detail: Value, description: &str) {
    let body = json!({ "detail": detail, "error": error, "error_description": description });
    assert_eq!((reply.status, reply.json()), (status, body));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"), "{error}");
    let challenge = reply.header("www-authenticate");
    assert_eq!(challenge, None, "only who tried Basic is challenged for it");
}

#[test]
fn the_token_endpoint_answers_as_the_table_says() {
    Gatepass::on_both("the_token_endpoint_answers_as_the_table_says", |gatepass| {
        add_johndoe(gatepass);
        gatepass.add("alice", &["--scopes", "me", "--disabled"]).done();
        gatepass.done(&["clients", "add", "web"]);
        let service = serve(gatepass, &[]);
        let sentence = |form: &str, status, error, sentence: &str| {
            expect_error(&service.sign_in(form), status, error, sentence.into(), sentence);
        };

        let incorrect = "Incorrect username or password";
        sentence("username=nobody&password=johndoe's+own+passphrase", 400, "invalid_grant", incorrect);
        sentence("username=johndoe&password=wrong", 400, "invalid_grant", incorrect);
        sentence(&format!("username=johndoe&password={}", "x".repeat(1025)), 400, "invalid_grant", incorrect);
        let alice = "username=alice&password=alice's+own+passphrase";
        sentence(alice, 400, "invalid_grant", "Inactive user");
        sentence("username=alice&password=wrong", 400, "invalid_grant", incorrect);
        let none = "None of the requested scopes can be granted";
        sentence(&format!("{JOHNDOE}&scope=admin"), 400, "invalid_scope", none);

        let missing = |field| json!({ "type": "missing", "loc": ["body", field], "msg": "Field required", "input": null });
        for (form, detail, description) in [
            ("username=johndoe", json!([missing("password")]), "password: Field required"),
            ("password=x", json!([missing("username")]), "username: Field required"),
            (
                "username=&password=",
                json!([missing("username"), missing("password")]),
                "username: Field required; password: Field required",
            ),
        ] {
            expect_error(&service.sign_in(form), 400, "invalid_request", detail, description);
        }
        let broken = request("POST", "/token").header("Content-Type", "multipart/form-data").body("x");
        let boundary = "Missing boundary in multipart.";
        expect_error(&broken.send(service.address), 400, "invalid_request", boundary.into(), boundary);

        let other = service.sign_in(&format!("{JOHNDOE}&grant_type=client_credentials"));
        assert_eq!((other.status, &other.json()["error"]), (400, &"unsupported_grant_type".into()));
        assert_eq!(other.json()["detail"][0]["loc"], json!(["body", "grant_type"]));

        let client = "Incorrect client credentials";
        for fields in ["client_id=web", "client_id=web&client_secret=wrong", "client_id=x&client_secret=y"] {
            sentence(&format!("{JOHNDOE}&{fields}"), 401, "invalid_client", client);
        }
        // web:wrong
        let basic = post_form("/token", JOHNDOE).header("Authorization", "Basic d2ViOndyb25n");
        let basic = basic.send(service.address);
        assert_eq!(
            outcome(&basic),
            (401, client.into(), Some(r#"Basic realm="token", charset="UTF-8""#.to_owned()))
        );
        assert_eq!(basic.json()["error"], "invalid_client");
    });
}

#[test]
fn a_request_with_a_token_is_answered_as_the_table_says() {
    Gatepass::on_both("a_request_with_a_token_is_answered_as_the_table_says", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &[]);
        let token = service.token(JOHNDOE);
        let expect = |reply: Reply, status: u16, detail: &str, challenge: Option<&str>| {
            assert_eq!(outcome(&reply), (status, detail.into(), challenge.map(str::to_owned)));
            assert_eq!(reply.json().as_object().unwrap().len(), 1, "detail and nothing else");
        };

        let anonymous = get("/users/me").send(service.address);
        expect(anonymous, 401, "Not authenticated", Some("Bearer"));
        let basic = get("/users/me").header("Authorization", "Basic d2ViOndyb25n").send(service.address);
        expect(basic, 401, "Not authenticated", Some("Bearer"));

        let (head, signature) = token.rsplit_once('.').unwrap();
        let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
        for bad in ["nonsense", &forged, head] {
            let invalid = Some(r#"Bearer error="invalid_token""#);
            expect(service.users_me(bad), 401, "Could not validate credentials", invalid);
        }

        let narrow = service.token(&format!("{JOHNDOE}&scope=users:read"));
        let insufficient = Some(r#"Bearer error="insufficient_scope", scope="me""#);
        expect(service.users_me(&narrow), 403, "Not enough permissions", insufficient);

        gatepass.done(&["users", "disable", "johndoe"]);
        let inactive = || Some(service.users_me(&token)).filter(|reply| reply.status != 200);
        expect(within(SECOND, "johndoe is disabled", inactive), 400, "Inactive user", None);
    });
}

#[test]
fn a_sign_in_that_would_wait_too_long_is_told_so_at_once() {
    Gatepass::on_both("a_sign_in_that_would_wait_too_long_is_told_so_at_once", |gatepass| {
        let slow =
            ["--hash-threads=1", "--argon2-memory=65536", "--argon2-iterations=4", "--hash-max-wait=10"];
        let service = serve(gatepass, &slow);
        let sign_in = || service.sign_in("username=nobody&password=wrong");
        // By the first one it knows how long one takes.
        assert_eq!(sign_in().status, 400);
        let replies: Vec<_> = thread::scope(|scope| {
            let requests: Vec<_> = (0..8).map(|_| scope.spawn(sign_in)).collect();
            requests.into_iter().map(|request| request.join().unwrap()).collect()
        });
        let (late, done): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 503);
        assert!(!late.is_empty() && done.iter().all(|reply| reply.status == 400), "{replies:?}");
        for reply in late {
            let seconds: u64 = reply.header("retry-after").and_then(|value| value.parse().ok()).unwrap();
            assert!((1..=20).contains(&seconds), "{seconds}");
        }
        assert_eq!(sign_in().status, 400, "and it goes on");
    });
}

#[test]
fn more_sign_ins_than_may_wait_are_told_to_come_again() {
    Gatepass::on_both("more_sign_ins_than_may_wait_are_told_to_come_again", |gatepass| {
        // One at work and one that waits. For an unknown user the parameters of today count: these are slow.
        let slow = ["--hash-threads=1", "--hash-queue=1", "--argon2-memory=65536", "--argon2-iterations=4"];
        let service = serve(gatepass, &slow);
        let replies: Vec<_> = thread::scope(|scope| {
            let sign_in = || service.sign_in("username=nobody&password=wrong");
            let requests: Vec<_> = (0..8).map(|_| scope.spawn(sign_in)).collect();
            requests.into_iter().map(|request| request.join().unwrap()).collect()
        });
        let (late, done): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 503);
        assert!(!late.is_empty() && !done.is_empty(), "{replies:?}");
        assert!(done.iter().all(|reply| reply.status == 400), "{replies:?}");
        for reply in late {
            assert_eq!(outcome(reply), (503, "Service Unavailable".into(), None));
            assert_eq!(reply.header("retry-after").as_deref(), Some("1"));
        }
    });
}

#[test]
fn a_database_out_of_reach_is_503_until_it_is_back() {
    let test = "a_database_out_of_reach_is_503_until_it_is_back";
    let Some((gatepass, way, _database)) = postgres_behind_proxy(test) else { return };
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &[]);
    let token = service.token(JOHNDOE);

    way.close();
    thread::scope(|scope| {
        let asked = [scope.spawn(|| service.users_me(&token)), scope.spawn(|| service.sign_in(JOHNDOE))];
        for reply in asked.map(|request| request.join().unwrap()) {
            assert_eq!(outcome(&reply), (503, "Service Unavailable".into(), None));
            assert_eq!(reply.header("retry-after").as_deref(), Some("1"));
        }
    });
    way.open();
    within(SECOND, "the database is back", || (service.users_me(&token).status == 200).then_some(()));
    service.token(JOHNDOE);
    assert!(!service.program.end().contains("hush"), "a log without the password");
}
