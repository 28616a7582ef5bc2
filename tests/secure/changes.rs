//! A running service sees within a second what a command changed.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::support::{
    http::{Reply, get, post_form},
    program::Gatepass,
    secure_profile::{JOHNDOE, SECOND, Service, access_token, add_johndoe, outcome, read, serve, within},
};

fn expect_soon(what: &str, expected: (u16, Value, Option<&str>), ask: impl Fn() -> Reply) {
    let expected = (expected.0, expected.1, expected.2.map(str::to_owned));
    within(SECOND, what, || (outcome(&ask()) == expected).then_some(()));
}

#[test]
fn a_user_is_disabled_enabled_narrowed_and_removed_under_a_running_service() {
    let test = "a_user_is_disabled_enabled_narrowed_and_removed_under_a_running_service";
    Gatepass::on_both(test, |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &[]);
        let token = service.token(JOHNDOE);
        let me = || service.users_me(&token);
        assert_eq!(me().status, 200);

        gatepass.done(&["users", "disable", "johndoe"]);
        expect_soon("disabled", (400, "Inactive user".into(), None), me);
        expect_soon("disabled", (400, "Inactive user".into(), None), || service.sign_in(JOHNDOE));
        // Who was disabled signs in again: the sessions are ended.
        gatepass.done(&["users", "enable", "johndoe"]);
        let invalid = (401, "Could not validate credentials".into(), Some(r#"Bearer error="invalid_token""#));
        expect_soon("the token of before", invalid.clone(), me);
        let token = service.token(JOHNDOE);
        let me = || service.users_me(&token);
        let is_taken = || within(SECOND, "the token is taken", || (me().status == 200).then_some(()));
        is_taken();

        gatepass.done(&["users", "set", "johndoe", "--scopes", ""]);
        let challenge = r#"Bearer error="insufficient_scope", scope="me""#;
        expect_soon("narrowed", (403, "Not enough permissions".into(), Some(challenge)), me);
        gatepass.done(&[
            "users",
            "set",
            "johndoe",
            "--scopes",
            "me",
            "--full-name",
            "",
            "--email",
            "j@d.org",
        ]);
        is_taken();
        let changed = json!({
            "username": "johndoe", "email": "j@d.org", "full_name": null, "disabled": false, "scopes": ["me"],
        });
        assert_eq!(me().json(), changed);

        gatepass.done(&["users", "remove", "johndoe", "--yes"]);
        expect_soon("removed", invalid.clone(), me);
        expect_soon("removed", (400, "Incorrect username or password".into(), None), || {
            service.sign_in(JOHNDOE)
        });

        // Another user of that name is another user.
        add_johndoe(gatepass);
        assert_eq!(service.users_me(&service.token(JOHNDOE)).status, 200);
        expect_soon("another johndoe", invalid, me);
    });
}

#[test]
fn a_new_password_takes_the_place_of_the_old_one() {
    Gatepass::on_both("a_new_password_takes_the_place_of_the_old_one", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &[]);
        service.token(JOHNDOE);
        gatepass.run_with(&["users", "passwd", "johndoe", "--password-stdin"], "quite another one\n").done();
        let refused = (400, "Incorrect username or password".into(), None);
        expect_soon("the old password", refused, || service.sign_in(JOHNDOE));
        let token = service.token("username=johndoe&password=quite+another+one");
        assert_eq!(service.users_me(&token).status, 200);
    });
}

#[test]
fn a_client_is_registered_and_removed_under_a_running_service() {
    Gatepass::on_both("a_client_is_registered_and_removed_under_a_running_service", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &[]);
        let client = gatepass.json(&["clients", "add", "web"]);
        let secret = client["client_secret"].as_str().unwrap();
        let by_form = || service.sign_in(&format!("{JOHNDOE}&client_id=web&client_secret={secret}"));
        let by_basic = || {
            let credentials = BASE64_STANDARD.encode(format!("web:{secret}"));
            let request =
                post_form("/token", JOHNDOE).header("Authorization", format!("Basic {credentials}"));
            request.send(service.address)
        };
        within(SECOND, "the client is known", || (by_form().status == 200).then_some(()));
        for reply in [by_form(), by_basic()] {
            let token = access_token(&reply);
            assert_eq!(read(&token).1["client_id"], "web");
            assert_eq!(service.users_me(&token).status, 200);
        }

        gatepass.done(&["clients", "remove", "web", "--yes"]);
        let detail = Value::from("Incorrect client credentials");
        expect_soon("the client is gone", (401, detail.clone(), None), by_form);
        let challenge = r#"Basic realm="token", charset="UTF-8""#;
        expect_soon("the client is gone", (401, detail, Some(challenge)), by_basic);
    });
}

fn published(service: &Service) -> Vec<String> {
    let keys = get("/.well-known/jwks.json").send(service.address).json();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_new_key_is_published_then_signs_while_the_old_one_still_verifies() {
    Gatepass::on_both("a_new_key_is_published_then_signs_while_the_old_one_still_verifies", |gatepass| {
        add_johndoe(gatepass);
        let delay = ["--key-activation-delay", "1"];
        let service = serve(gatepass, &delay);
        let old = service.token(JOHNDOE);
        let kid = |token: &str| read(token).0["kid"].as_str().unwrap().to_owned();
        assert_eq!(published(&service), [kid(&old)]);

        let made = gatepass.json(&[&["keys", "rotate"], &delay[..]].concat())["key"]["kid"].clone();
        let both = [kid(&old), made.as_str().unwrap().to_owned()];
        within(SECOND, "both keys are published", || (published(&service) == both).then_some(()));
        // A second until it signs, by a clock of seconds.
        let new = within(2 * SECOND, "the new key signs", || {
            Some(service.token(JOHNDOE)).filter(|token| kid(token) == both[1])
        });
        for token in [&old, &new] {
            assert_eq!(service.users_me(token).status, 200, "{}", kid(token));
        }
        assert_eq!(published(&service), both);
    });
}
