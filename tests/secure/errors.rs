//! The error responses that docs/errors.md lists.

use serde_json::{Value, json};

use crate::secure::{
    JOHNDOE, Reply, basic, concurrently, get, on_sqlite, outcome, post_form, request, with_wrong_signature,
};

/// Asserts that the response is an error as defined in RFC 6749 section 5.2, with FastAPI's `detail`.
#[track_caller]
fn expect_error(reply: &Reply, status: u16, error: &str, detail: Value, description: &str) {
    let body = json!({ "detail": detail, "error": error, "error_description": description });
    assert_eq!((reply.status, reply.json()), (status, body));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"), "{error}");
    assert_eq!(
        reply.header("www-authenticate"),
        None,
        "only clients that use Basic should get a Basic challenge"
    );
}

#[test]
fn refused_token_request_returns_the_documented_error() {
    let (gatepass, service) = on_sqlite(&[]);
    gatepass.add("alice", &["--scopes", "me", "--disabled"]).done();
    gatepass.done(&["clients", "add", "web"]);

    let incorrect = "Incorrect username or password";
    let overlong = format!("username=johndoe&password={}", "x".repeat(1025));
    let (client, other_scope) = ("Incorrect client credentials", format!("{JOHNDOE}&scope=admin"));
    let [no_secret, wrong_secret, unknown] =
        ["client_id=web", "client_id=web&client_secret=wrong", "client_id=x&client_secret=y"]
            .map(|fields| format!("{JOHNDOE}&{fields}"));
    for (form, status, error, sentence) in [
        ("username=nobody&password=johndoe's+own+passphrase", 400, "invalid_grant", incorrect),
        ("username=johndoe&password=wrong", 400, "invalid_grant", incorrect),
        (&overlong, 400, "invalid_grant", incorrect),
        ("username=alice&password=alice's+own+passphrase", 400, "invalid_grant", "Inactive user"),
        ("username=alice&password=wrong", 400, "invalid_grant", incorrect),
        (&other_scope, 400, "invalid_scope", "None of the requested scopes can be granted"),
        (&no_secret, 401, "invalid_client", client),
        (&wrong_secret, 401, "invalid_client", client),
        (&unknown, 401, "invalid_client", client),
    ] {
        expect_error(&service.sign_in(form), status, error, sentence.into(), sentence);
    }

    let missing =
        |field| json!({ "type": "missing", "loc": ["body", field], "msg": "Field required", "input": null });
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
    let malformed = request("POST", "/token").header("Content-Type", "multipart/form-data").body("x");
    let boundary = "Missing boundary in multipart.";
    expect_error(&malformed.send(service.address), 400, "invalid_request", boundary.into(), boundary);

    let json = request("POST", "/token").header("Content-Type", "application/json").body("{}");
    let form = "The body must be a form: send it as application/x-www-form-urlencoded";
    expect_error(&json.send(service.address), 400, "invalid_request", form.into(), form);
    for path in ["/token", "/revoke", "/introspect"] {
        let client = || post_form(path, JOHNDOE).header("Authorization", basic("web", "x"));
        let several = "The request has more than one Authorization header";
        let twice = client().header("Authorization", basic("web", "x"));
        expect_error(&twice.send(service.address), 400, "invalid_request", several.into(), several);
        let both = "The client must send its credentials with HTTP Basic or in the form, not both";
        let both_form = post_form(path, format!("{JOHNDOE}&token=x&client_id=web&client_secret=x"));
        let both_form = both_form.header("Authorization", basic("web", "x"));
        expect_error(&both_form.send(service.address), 400, "invalid_request", both.into(), both);
    }

    let other = service.sign_in(&format!("{JOHNDOE}&grant_type=implicit"));
    assert_eq!((other.status, &other.json()["error"]), (400, &"unsupported_grant_type".into()));
    assert_eq!(other.json()["detail"][0]["loc"], json!(["body", "grant_type"]));

    let by_basic = post_form("/token", JOHNDOE).header("Authorization", basic("web", "wrong"));
    let reply = by_basic.send(service.address);
    let challenge = r#"Basic realm="token", charset="UTF-8""#.to_owned();
    assert_eq!(outcome(&reply), (401, client.into(), Some(challenge)));
    assert_eq!(reply.json()["error"], "invalid_client");
}

/// The challenge in the response to a request without a token.
const NO_TOKEN: &str = r#"Bearer realm="api""#;

#[test]
fn request_with_an_unusable_token_returns_the_documented_error() {
    let (_gatepass, service) = on_sqlite(&[]);
    let token = service.token(JOHNDOE);
    let narrow = service.token(&format!("{JOHNDOE}&scope=users:read"));
    let (me, invalid) = (get("/users/me"), r#"Bearer realm="api", error="invalid_token""#);
    for (request, status, detail, challenge) in [
        (me.clone(), 401, "Not authenticated", NO_TOKEN),
        (me.clone().header("Authorization", basic("web", "wrong")), 401, "Not authenticated", NO_TOKEN),
        (me.clone().bearer("nonsense"), 401, "Could not validate credentials", invalid),
        (me.clone().bearer(&with_wrong_signature(&token)), 401, "Could not validate credentials", invalid),
        (
            me.bearer(&narrow),
            403,
            "Not enough permissions",
            r#"Bearer realm="api", error="insufficient_scope", scope="me""#,
        ),
    ] {
        let reply = request.send(service.address);
        assert_eq!((reply.status, reply.json()), (status, json!({ "detail": detail })));
        assert_eq!(reply.header("www-authenticate").as_deref(), Some(challenge));
    }
}

#[test]
fn sign_in_that_would_wait_too_long_for_hashing_returns_503_with_retry_after() {
    let slow = ["--hash-threads=1", "--argon2-memory=32768", "--argon2-iterations=4", "--hash-max-wait=10"];
    let (_gatepass, service) = on_sqlite(&slow);
    let sign_in = || service.sign_in("username=nobody&password=wrong");
    // During the first sign-in, the service measures how long a hash takes.
    assert_eq!(sign_in().status, 400);
    let replies = concurrently(8, |_| sign_in());
    let (refused, done): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 503);
    assert!(!refused.is_empty() && done.iter().all(|reply| reply.status == 400), "{replies:?}");
    for reply in refused {
        assert_eq!(outcome(reply), (503, "Service Unavailable".into(), None));
        let seconds: u64 = reply.header("retry-after").and_then(|value| value.parse().ok()).unwrap();
        assert!((1..=20).contains(&seconds), "{seconds}");
    }
    assert_eq!(sign_in().status, 400, "later sign-ins should not get 503");
}
