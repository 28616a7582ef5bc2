//! examples/resource_server.rs: another service, which only checks the tokens of this one.

use std::{fs, time::Duration};

use ed25519_dalek::SigningKey;
use serde_json::json;

use crate::support::{
    example::Example,
    forge::{Forge, kid, part, with},
    http::{Reply, get},
    program::Gatepass,
    secure_profile::{JOHNDOE, SECOND, Service, free_address, outcome, read, serve, within},
};

const AUDIENCE: &str = "https://items.example.com";

/// The example's PAUSE between two fetches, and time for the fetch.
const FETCHED: Duration = Duration::from_secs(5 + 10);

/// A service and the example that knows it as its issuer.
fn start(gatepass: &Gatepass) -> (Service, Example) {
    gatepass.add("johndoe", &["--scopes", "me items:read"]).done();
    let address = free_address().to_string();
    let service = serve(gatepass, &["--bind", &address, "--audience", AUDIENCE]);
    let issuer = format!("http://{address}");
    let variables = [("ISSUER", &*issuer), ("AUDIENCE", AUDIENCE)];
    let example = Example::start("resource_server", gatepass.folder.path(), &variables);
    let token = service.token(JOHNDOE);
    within(FETCHED, "the example has the keys", || (items(&example, &token).status != 503).then_some(()));
    (service, example)
}

fn items(example: &Example, token: &str) -> Reply {
    get("/items").bearer(token).send(example.address)
}

#[test]
fn the_example_takes_the_tokens_of_its_issuer_and_no_others() {
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

    let other = items(example, &service.token(&format!("{JOHNDOE}&scope=me")));
    let challenge = r#"Bearer error="insufficient_scope", scope="items:read""#;
    assert_eq!(outcome(&other), (403, json!("Not enough permissions"), Some(challenge.into())));

    let none = get("/items").send(example.address);
    assert_eq!(outcome(&none), (401, json!("Not authenticated"), Some("Bearer".into())));

    // Where there is nothing to sign in with there is no /token either.
    assert_eq!(get("/token").send(example.address).status, 404);
}

#[test]
fn the_example_is_short_enough_to_copy() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/resource_server.rs");
    assert!(fs::read_to_string(source).unwrap().lines().count() <= 130);
}

#[test]
fn a_forged_token_is_refused_by_the_example() {
    let gatepass = Gatepass::on_sqlite();
    let (service, example) = &start(&gatepass);
    let token = service.token(JOHNDOE);
    let [header, payload] = [0, 1].map(|index| part(&token, index));
    let issuer = Forge::with_key_of(&gatepass.folder.path().join("keys"));
    assert_eq!(items(example, &issuer.sign(&header, &payload)).status, 200, "the forge is a good one");

    let stranger = Forge { key: SigningKey::from_bytes(&[7; 32]), kid: kid(&token) };
    let (signed, _) = token.rsplit_once('.').unwrap();
    for (what, forged) in [
        ("another's signature", stranger.sign(&header, &payload)),
        ("another's key", stranger.sign(with(&header, "kid", json!("mine")), &payload)),
        ("no signature", format!("{signed}.")),
        ("another audience", issuer.sign(&header, with(&payload, "aud", payload["iss"].clone()))),
        ("another issuer", issuer.sign(&header, with(&payload, "iss", json!(AUDIENCE)))),
        (
            "it has ended",
            issuer.sign(&header, with(&payload, "exp", payload["iat"].as_u64().map(|iat| json!(iat - 60)))),
        ),
        ("no access token", issuer.sign(with(&header, "typ", json!("JWT")), &payload)),
        ("a username", "johndoe".into()),
    ] {
        let (status, _, challenge) = outcome(&items(example, &forged));
        assert_eq!((status, challenge.as_deref()), (401, Some(r#"Bearer error="invalid_token""#)), "{what}");
    }
}

#[test]
fn the_example_learns_of_a_new_key_by_the_first_token_and_forgets_the_compromised_one() {
    let gatepass = Gatepass::on_sqlite();
    let (service, example) = &start(&gatepass);
    let before = service.token(JOHNDOE);
    assert_eq!(items(example, &before).status, 200);
    // It may keep its keys for longer than this test takes: only the unknown kid makes it ask.
    let keys = get("/.well-known/jwks.json").send(service.address);
    assert_eq!(keys.header("cache-control").as_deref(), Some("public, max-age=150"));

    gatepass.done(&["keys", "rotate", "--key-activation-delay", "0"]);
    // Without the old key's file the new one signs at once.
    let old = kid(&before);
    let files = fs::read_dir(gatepass.folder.path().join("keys")).unwrap().map(|file| file.unwrap().path());
    let old = files.into_iter().find(|file| file.to_str().unwrap().ends_with(&format!("-{old}.pem")));
    fs::remove_file(old.expect("the file of the old key")).unwrap();
    let after = within(2 * SECOND, "the new key signs", || {
        Some(service.token(JOHNDOE)).filter(|token| kid(token) != kid(&before))
    });

    within(FETCHED, "the example takes the new key", || (items(example, &after).status == 200).then_some(()));
    assert_eq!(items(example, &before).status, 401);
}

#[test]
fn the_example_goes_on_with_the_keys_it_has_while_its_issuer_is_away() {
    let gatepass = Gatepass::on_sqlite();
    let (service, example) = start(&gatepass);
    let token = service.token(JOHNDOE);
    service.program.end();
    assert_eq!(items(&example, &token).status, 200);
    // An unknown key makes it ask, in vain: it says so and goes on.
    let unknown = Forge { key: SigningKey::from_bytes(&[7; 32]), kid: "unknown".into() };
    assert_eq!(items(&example, &unknown.sign(unknown.header(), part(&token, 1))).status, 401);
    example.program.wait_for("/.well-known/jwks.json: ");
    assert_eq!(items(&example, &token).status, 200);
}
