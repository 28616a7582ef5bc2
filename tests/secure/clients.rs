//! Public clients, confidential clients and the default client: their grants, scopes and secrets.

use crate::secure::{
    ISSUER, JOHNDOE, JOHNDOE_OFFLINE, Reply, SECOND, Service, Tokens, add_client, add_client_with, basic,
    client_fields, expect_oauth2_error, on_both, on_sqlite, post_form, read, revoke, rows, serve, wait_until,
};

const INCORRECT: &str = "Incorrect client credentials";
const NOT_ALLOWED: &str = "The client is not allowed to use this grant type";

#[track_caller]
fn expect_invalid_client(reply: &Reply) {
    expect_oauth2_error(reply, 401, "invalid_client", INCORRECT);
}

fn sign_in_as(service: &Service, fields: &str) -> Reply {
    service.sign_in(&format!("{JOHNDOE_OFFLINE}{fields}"))
}

/// Returns the `client_id` claim of an access token.
fn client_of(tokens: &Tokens) -> String {
    read(&tokens.access).1["client_id"].as_str().expect("a client").to_owned()
}

#[test]
fn public_client_needs_no_secret_but_confidential_client_must_send_its_own_secret() {
    on_both(|gatepass| {
        gatepass.done(&["clients", "add", "app", "--public"]);
        let secret = add_client(gatepass, "web");
        let service = serve(gatepass, &["--require-client"]);
        let web = client_fields("web", &secret);
        for (fields, client_id) in [("&client_id=app", "app"), (&web, "web")] {
            let tokens = Tokens::of(&sign_in_as(&service, fields));
            assert_eq!(client_of(&tokens), client_id);
            let next = service.refreshed_by(&tokens.refresh, fields);
            assert_eq!(client_of(&next), client_id);
            for other in ["&client_id=app", &web].into_iter().filter(|other| *other != fields) {
                let refused = service.refresh(&next.refresh, other);
                expect_oauth2_error(&refused, 400, "invalid_grant", "Invalid refresh token");
            }
            assert_eq!(revoke(&service, &next.refresh, fields).status, 200);
            service.expect_invalid(&[&tokens.access, &next.access]);
        }
        // An empty secret is treated as missing, in HTTP Basic too.
        let by_basic = post_form("/token", JOHNDOE).header("Authorization", basic("app", ""));
        assert_eq!(by_basic.send(service.address).status, 200);
        for fields in ["", "&client_id=web", &client_fields("app", &secret), "&client_id=nobody"] {
            expect_invalid_client(&sign_in_as(&service, fields));
        }
    });
}

#[test]
fn request_without_client_id_is_attributed_to_the_default_client() {
    let (gatepass, service) = on_sqlite(&ISSUER);
    let named = |id: &str| format!("&client_id={id}");
    for fields in ["", &named("gatepass")] {
        let tokens = Tokens::of(&sign_in_as(&service, fields));
        assert_eq!(client_of(&tokens), "gatepass");
        let next = service.refreshed_by(&tokens.refresh, &named("gatepass"));
        let last = service.refreshed(&next.refresh);
        assert_eq!(client_of(&last), "gatepass");
        assert_eq!(revoke(&service, &last.access, "").status, 200);
        service.expect_invalid(&[&last.access]);
    }
    expect_invalid_client(&sign_in_as(&service, &client_fields("gatepass", "secret")));

    let renamed = serve(&gatepass, &[&ISSUER[..], &["--default-client-id", "start-page"]].concat());
    assert_eq!(client_of(&renamed.sign_in_offline()), "start-page");
    expect_invalid_client(&sign_in_as(&renamed, &named("gatepass")));
    let strict = serve(&gatepass, &[&ISSUER[..], &["--require-client"]].concat());
    for fields in ["", &named("gatepass")] {
        expect_invalid_client(&sign_in_as(&strict, fields));
    }

    // `--require-client` removes the default client, so a registered client may use the ID of the default client.
    gatepass.done(&["clients", "add", "gatepass", "--public", "--scopes", "me"]);
    let tokens = Tokens::of(&sign_in_as(&strict, &named("gatepass")));
    assert_eq!(tokens.scope, "me offline_access");
    let tokens = strict.refreshed_by(&tokens.refresh, &named("gatepass"));
    assert_eq!(rows(&gatepass, "SELECT id FROM sessions WHERE client_id = 'gatepass'").len(), 1);
    gatepass.done(&["clients", "remove", "gatepass", "--yes"]);
    wait_until(SECOND, "the sessions of the removed client end", || {
        strict.users_me(&tokens.access).status == 401
    });
}

#[test]
fn client_can_use_only_its_allowed_grants() {
    let (gatepass, service) = on_sqlite(&[]);
    let password_only = client_fields("web", &add_client_with(&gatepass, "web", &["--grants", "password"]));
    let reply = sign_in_as(&service, &password_only);
    assert_eq!((&reply.json()["scope"], reply.json().get("refresh_token")), (&"me users:read".into(), None));

    let full = client_fields("app", &add_client(&gatepass, "app"));
    let tokens = Tokens::of(&sign_in_as(&service, &full));
    gatepass.done(&["clients", "update", "app", "--grants", "refresh_token"]);
    expect_oauth2_error(&sign_in_as(&service, &full), 400, "unauthorized_client", NOT_ALLOWED);
    let next = service.refreshed_by(&tokens.refresh, &full);
    gatepass.done(&["clients", "update", "app", "--grants", "password"]);
    let refused = service.refresh(&next.refresh, &full);
    expect_oauth2_error(&refused, 400, "unauthorized_client", NOT_ALLOWED);
    assert_eq!(service.users_me(&next.access).status, 200);
}

#[test]
fn granted_scopes_are_the_requested_scopes_allowed_for_both_user_and_client() {
    let (gatepass, service) = on_sqlite(&[]);
    let secret = add_client_with(&gatepass, "web", &["--scopes", "users:read admin"]);
    let client = client_fields("web", &secret);
    let scope =
        |requested: &str| service.sign_in(&format!("{JOHNDOE}{client}{requested}")).json()["scope"].clone();
    assert_eq!(scope(""), "users:read");
    assert_eq!(scope("&scope=me+users:read+admin"), "users:read");
    for refused in ["&scope=me", "&scope=admin"] {
        let reply = service.sign_in(&format!("{JOHNDOE}{client}{refused}"));
        expect_oauth2_error(&reply, 400, "invalid_scope", "None of the requested scopes can be granted");
    }
    let tokens = Tokens::of(&sign_in_as(&service, &client));
    assert_eq!(tokens.scope, "users:read offline_access");
    // A refresh applies the client's current scopes: scopes granted at sign-in can be lost and regained.
    gatepass.done(&["clients", "update", "web", "--scopes", "me"]);
    let next = service.refreshed_by(&tokens.refresh, &client);
    assert_eq!(next.scope, "offline_access");
    gatepass.done(&["clients", "update", "web", "--scopes", "all"]);
    assert_eq!(service.refreshed_by(&next.refresh, &client).scope, "users:read offline_access");
}

#[test]
fn client_secret_rotation_does_not_end_sessions() {
    on_both(|gatepass| {
        let service = serve(gatepass, &[]);
        let first = client_fields("web", &add_client(gatepass, "web"));
        let rotate = |options: &[&str]| {
            let client = gatepass.json(&[&["clients", "rotate-secret", "web"], options].concat());
            client_fields("web", client["client_secret"].as_str().expect("a secret"))
        };
        let tokens = Tokens::of(&sign_in_as(&service, &first));
        let second = rotate(&[]);
        let tokens = service.refreshed_by(&tokens.refresh, &second);
        let tokens = service.refreshed_by(&tokens.refresh, &first);
        let third = gatepass.run(&["clients", "rotate-secret", "web"]);
        third.fails(1, &["web already has two secrets", "--revoke-old"]);

        gatepass.done(&["clients", "rotate-secret", "web", "--revoke-old"]);
        expect_invalid_client(&service.refresh(&tokens.refresh, &first));
        let tokens = service.refreshed_by(&tokens.refresh, &second);
        gatepass.run(&["clients", "rotate-secret", "web", "--revoke-old"]).fails(1, &["has no old secret"]);

        let third = rotate(&["--grace", "2"]);
        let tokens = service.refreshed_by(&tokens.refresh, &second);
        wait_until(5 * SECOND, "the old secret expires", || revoke(&service, "x", &second).status == 401);
        // An expired secret is removed too: the clock of another replica may be behind.
        gatepass.done(&["clients", "rotate-secret", "web", "--revoke-old"]);
        let fourth = rotate(&["--grace", "0"]);
        let old = rows(gatepass, "SELECT client_id FROM clients WHERE old_secret_hash IS NOT NULL");
        assert!(
            old.is_empty(),
            "the old secret is still stored, so a replica whose clock is behind would accept it"
        );
        for revoked in [&second, &third] {
            expect_invalid_client(&service.refresh(&tokens.refresh, revoked));
        }
        service.refreshed_by(&tokens.refresh, &fourth);
        assert_eq!(service.users_me(&tokens.access).status, 200);
    });
}
