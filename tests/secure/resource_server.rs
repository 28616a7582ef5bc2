//! The example in examples/resource-server, a separate service that verifies the tokens that Gatepass issues.

use std::{fs, process::Command, time::Duration};

use gatepass::jwt::SigningAlgorithm;
use rcgen::generate_simple_self_signed;
use serde_json::{Value, json};

use crate::{
    secure::{
        Gatepass, JOHNDOE, Program, Reply, SECOND, Service, free_address, get, outcome, read, serve,
        serve_command, throughout, wait_until, within,
    },
    support::{example::Example, forge::Forge, forge::kid, forge::part, forge::with},
};

const AUDIENCE: &str = "https://items.example.com";

/// The minimum time between two key fetches, plus time for the fetch itself.
const FETCH: Duration = Duration::from_secs(5 + 10);

/// Starts a service, and the example with that service as its issuer.
fn start(gatepass: &Gatepass) -> (Service, Example) {
    gatepass.add("johndoe", &["--scopes", "me items:read"]).done();
    let address = free_address().to_string();
    let service = serve(gatepass, &["--bind", &address, "--audience", AUDIENCE]);
    let issuer = format!("http://{address}");
    let variables = [("ISSUER", &*issuer), ("AUDIENCE", AUDIENCE)];
    let example = Example::start("resource_server", gatepass.folder.path(), &variables);
    let token = service.token(JOHNDOE);
    wait_until(FETCH, "the example has the keys", || items(&example, &token).status != 503);
    (service, example)
}

fn items(example: &Example, token: &str) -> Reply {
    get("/items").bearer(token).send(example.address)
}

#[test]
fn example_accepts_tokens_from_its_issuer_and_refuses_forged_tokens() {
    let gatepass = Gatepass::on_sqlite();
    let (service, example) = &start(&gatepass);
    let token = service.token(JOHNDOE);
    let sub = &read(&token).1["sub"];
    let reply = items(example, &token);
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({ "subject": sub, "scopes": ["me", "items:read"] }))
    );
    let narrow = service.token(&format!("{JOHNDOE}&scope=items:read"));
    assert_eq!(items(example, &narrow).json()["scopes"], json!(["items:read"]));

    let other_scope = items(example, &service.token(&format!("{JOHNDOE}&scope=me")));
    let challenge = r#"Bearer realm="api", error="insufficient_scope", scope="items:read""#;
    assert_eq!(outcome(&other_scope), (403, json!("Not enough permissions"), Some(challenge.into())));
    let anonymous = get("/items").send(example.address);
    assert_eq!(outcome(&anonymous), (401, json!("Not authenticated"), Some(r#"Bearer realm="api""#.into())));
    assert_eq!(get("/token").send(example.address).status, 404, "the example should not issue tokens");

    let [header, payload] = [0, 1].map(|index| part(&token, index));
    let issuer = Forge::with_key_of(&gatepass.folder.path().join("keys"));
    assert_eq!(
        items(example, &issuer.sign(&header, &payload)).status,
        200,
        "a token with valid claims should be accepted"
    );
    let stranger = Forge::stranger(SigningAlgorithm::Es256, &kid(&token));
    let expired = payload["iat"].as_u64().map(|iat| json!(iat - 60));
    for (what, forged) in [
        ("signature of another key", stranger.sign(&header, &payload)),
        ("another key", stranger.sign(with(&header, "kid", json!("mine")), &payload)),
        ("another audience", issuer.sign(&header, with(&payload, "aud", payload["iss"].clone()))),
        ("another issuer", issuer.sign(&header, with(&payload, "iss", json!(AUDIENCE)))),
        ("expired", issuer.sign(&header, with(&payload, "exp", expired))),
        ("not an access token", issuer.sign(with(&header, "typ", json!("JWT")), &payload)),
        ("a username", "johndoe".into()),
    ] {
        let (status, _, challenge) = outcome(&items(example, &forged));
        assert_eq!(
            (status, challenge.as_deref()),
            (401, Some(r#"Bearer realm="api", error="invalid_token""#)),
            "{what}"
        );
    }
}

#[test]
fn example_has_at_most_40_lines() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/resource-server/src/main.rs");
    assert!(fs::read_to_string(source).unwrap().lines().count() <= 40);
}

#[test]
fn example_fetches_a_new_key_on_first_use_and_drops_a_removed_key() {
    let gatepass = Gatepass::on_sqlite();
    let (service, example) = &start(&gatepass);
    let before = service.token(JOHNDOE);
    assert_eq!(items(example, &before).status, 200);
    // The key set may be cached for longer than this test lasts, so only the unknown `kid` causes a fetch.
    let keys = get("/.well-known/jwks.json").send(service.address);
    assert_eq!(keys.header("cache-control").as_deref(), Some("public, max-age=150"));

    gatepass.done(&["keys", "rotate", "--key-activation-delay", "0"]);
    // Once the file of the old key is removed, the new key is used.
    let old = kid(&before);
    let mut files =
        fs::read_dir(gatepass.folder.path().join("keys")).unwrap().map(|file| file.unwrap().path());
    let old = files.find(|file| file.to_str().unwrap().ends_with(&format!("-{old}.pem")));
    fs::remove_file(old.expect("the file of the old key")).unwrap();
    let after = within(2 * SECOND, "the new key is used", || {
        Some(service.token(JOHNDOE)).filter(|token| kid(token) != kid(&before))
    });
    wait_until(FETCH, "the example accepts the new key", || items(example, &after).status == 200);
    assert_eq!(items(example, &before).status, 401);
}

#[test]
fn example_keeps_its_keys_while_the_issuer_is_unreachable() {
    let gatepass = Gatepass::on_sqlite();
    let (service, example) = start(&gatepass);
    let token = service.token(JOHNDOE);
    service.program.end();
    assert_eq!(items(&example, &token).status, 200);
    // An unknown key causes a fetch, which fails.
    let unknown = Forge::stranger(SigningAlgorithm::Es256, "unknown");
    assert_eq!(items(&example, &unknown.sign(unknown.header(), part(&token, 1))).status, 401);
    assert_eq!(items(&example, &token).status, 200);
}

#[test]
fn example_does_not_fetch_keys_from_an_issuer_with_an_untrusted_certificate() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("johndoe", &["--scopes", "items:read"]).done();
    let [trusted, other] = [(); 2].map(|()| generate_simple_self_signed(["localhost".to_owned()]).unwrap());
    let folder = &gatepass.folder;
    let cert = folder.write("cert.pem", trusted.cert.pem());
    let key = folder.write("key.pem", trusted.signing_key.serialize_pem());
    let address = free_address();
    let issuer = format!("https://localhost:{}", address.port());
    let bind = address.to_string();
    let tls = ["--bind", &bind, "--issuer", &issuer, "--tls-cert", &cert, "--tls-key", &key];
    let program = Program::run(&mut serve_command(&gatepass, &tls));
    program.address_after("listening on https://");
    let form = JOHNDOE.replace('+', "%20");
    let output = Command::new("curl")
        .args(["--silent", "--cacert", &cert, "-d", &form, &format!("{issuer}/token")])
        .output()
        .expect("curl");
    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
    let token = reply["access_token"].as_str().expect("a token");
    let start = |roots: &str| {
        let variables = [("ISSUER", &*issuer), ("AUDIENCE", &issuer), ("SSL_CERT_FILE", roots)];
        Example::start("resource_server", folder.path(), &variables)
    };
    let example = start(&cert);
    wait_until(FETCH, "the keys are fetched", || items(&example, token).status == 200);
    let other = start(&folder.write("other.pem", other.cert.pem()));
    throughout(2 * SECOND, || assert_eq!(items(&other, token).status, 503));
}
