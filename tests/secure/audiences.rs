//! The audiences of tokens (RFC 8707), and which tokens clients may introspect.

use serde_json::{Value, json};

use crate::secure::{
    ISSUER, JOHNDOE, JOHNDOE_OFFLINE, Reply, Tokens, add_client, add_client_with, client_fields,
    end_all_sessions, expect_oauth2_error, get, on_both, on_sqlite, post_form, read, revoke, serve,
};

const API: &str = "https://api.example.com";
const FILES: &str = "https://files.example.com";
/// The arguments for a service whose clients may request tokens for two APIs and for the service itself.
const WITH_APIS: [&str; 4] =
    [ISSUER[0], ISSUER[1], "--audience", "https://api.example.com,https://files.example.com"];
const INVALID_TARGET: &str = "A requested audience is unknown or not allowed";

#[track_caller]
fn expect_invalid_target(reply: &Reply) {
    expect_oauth2_error(reply, 400, "invalid_target", INVALID_TARGET);
}

/// Asserts that a refresh is refused, as expected when no audience that was granted at sign-in is allowed anymore.
#[track_caller]
fn expect_lost(reply: &Reply) {
    expect_oauth2_error(reply, 400, "invalid_grant", "Invalid refresh token");
}

/// Returns the audience of an access token.
fn aud(token: &str) -> Value {
    read(token).1["aud"].clone()
}

#[test]
fn token_for_an_api_is_refused_by_the_service_itself() {
    on_both(|gatepass| {
        let service = serve(gatepass, &WITH_APIS);
        let (default, for_issuer) =
            (service.token(JOHNDOE), service.token(&format!("{JOHNDOE}&resource={}", ISSUER[1])));
        assert_eq!((aud(&default), aud(&for_issuer)), (json!(API), json!(ISSUER[1])));
        // Endpoints of the service accept only tokens for the service itself.
        let sessions = |token: &str| get("/users/me/sessions").bearer(token).send(service.address);
        assert_eq!(sessions(&for_issuer).json().as_array().map(Vec::len), Some(2));
        service.expect_invalid(&[&default]);
        assert_eq!((sessions(&default).status, end_all_sessions(&service, &default).status), (401, 401));
        let introspect = post_form("/introspect", format!("token={for_issuer}")).bearer(&default);
        assert_eq!(introspect.send(service.address).status, 401);
        // A proxy in front of the API specifies the audience.
        let forward_auth = |token: &str, query: &str| {
            get(&format!("/forward-auth{query}")).bearer(token).send(service.address).status
        };
        let for_api = format!("?scope=me&audience={API}");
        assert_eq!([&default, &for_issuer].map(|token| forward_auth(token, &for_api)), [200, 401]);
        assert_eq!([&default, &for_issuer].map(|token| forward_auth(token, "")), [401, 200]);
        // The service has cached the token for the API. A prefix in front of the token must not select that cache
        // entry.
        service.expect_invalid(&[&default, &format!("any audience {default}"), &format!("1{default}")]);
        assert_eq!(end_all_sessions(&service, &for_issuer).status, 204);
        assert_eq!(forward_auth(&default, &for_api), 401, "the token of an ended session should be refused");
    });
}

#[test]
fn issuer_is_the_audience_if_no_audiences_are_configured() {
    let (_gatepass, service) = on_sqlite(&ISSUER);
    for fields in
        ["", "&resource=https://auth.example.com", "&audience=https://auth.example.com", "&resource="]
    {
        let token = service.token(&format!("{JOHNDOE}{fields}"));
        assert_eq!((aud(&token), service.users_me(&token).status), (json!(ISSUER[1]), 200));
    }
    for unknown in [API, "https://auth.example.com/", "x"] {
        expect_invalid_target(&service.sign_in(&format!("{JOHNDOE}&resource={unknown}")));
    }
    // If the password is wrong, the response does not reveal whether an audience exists.
    let wrong = service.sign_in("username=johndoe&password=wrong&resource=x");
    assert_eq!(wrong.json()["error"], "invalid_grant");
}

#[test]
fn client_can_choose_among_its_audiences_but_a_refresh_cannot_add_audiences() {
    on_both(|gatepass| {
        let service = serve(gatepass, &WITH_APIS);
        let secret =
            add_client_with(gatepass, "web", &["--audiences", &format!("{FILES} {API} https://other")]);
        let web = client_fields("web", &secret);
        let sign_in = |fields: &str| service.sign_in(&format!("{JOHNDOE_OFFLINE}{web}{fields}"));
        let both = format!("&resource={API}&audience={FILES}");
        for (fields, audience) in
            [("", json!(FILES)), (&format!("&resource={API}"), json!(API)), (&both, json!([FILES, API]))]
        {
            assert_eq!(aud(&Tokens::of(&sign_in(fields)).access), audience, "{fields}");
        }
        for refused in [ISSUER[1], "https://other", "nonsense"] {
            expect_invalid_target(&sign_in(&format!("&resource={API}&resource={refused}")));
        }

        let tokens = Tokens::of(&sign_in(&both));
        let next = service.refreshed_by(&tokens.refresh, &format!("{web}&resource={API}"));
        assert_eq!(aud(&next.access), API);
        let next = service.refreshed_by(&next.refresh, &web);
        assert_eq!(aud(&next.access), json!([FILES, API]));
        let narrow = Tokens::of(&sign_in(&format!("&resource={API}")));
        expect_invalid_target(&service.refresh(&narrow.refresh, &format!("{web}&resource={FILES}")));

        // An audience can later be removed from the client or from the service.
        gatepass.done(&["clients", "update", "web", "--audiences", FILES]);
        expect_lost(&service.refresh(&narrow.refresh, &web));
        expect_invalid_target(&service.refresh(&narrow.refresh, &format!("{web}&resource={API}")));
        let next = service.refreshed_by(&next.refresh, &web);
        assert_eq!(aud(&next.access), FILES);
        let without_files = serve(gatepass, &ISSUER);
        expect_lost(&without_files.refresh(&next.refresh, &web));
        service.refreshed_by(&next.refresh, &web);
    });
}

#[test]
fn client_can_introspect_only_tokens_issued_to_it_or_for_its_audiences_unless_introspect_all_is_set() {
    let (gatepass, service) = on_sqlite(&WITH_APIS);
    let add = |id: &str, options: &[&str]| client_fields(id, &add_client_with(&gatepass, id, options));
    let [web, other] = ["web", "other"].map(|id| client_fields(id, &add_client(&gatepass, id)));
    let api = add("api", &["--audiences", API]);
    let all = add("gateway", &["--introspect-all"]);
    let sign_in = |fields: &str| Tokens::of(&service.sign_in(&format!("{JOHNDOE_OFFLINE}{web}{fields}")));
    let (for_api, for_files) = (sign_in(""), sign_in(&format!("&resource={FILES}")));
    let state = |client: &str, token: &str| {
        let reply = post_form("/introspect", format!("token={token}{client}")).send(service.address);
        assert_eq!(reply.status, 200);
        reply.json()
    };
    let inactive = json!({ "active": false });
    for (token, viewers) in [
        (&for_api.access, [true, false, true, true]),
        (&for_api.refresh, [true, false, false, true]),
        (&for_files.access, [true, false, false, true]),
        (&for_files.refresh, [true, false, false, true]),
    ] {
        for (client, is_visible) in [&web, &other, &api, &all].into_iter().zip(viewers) {
            let state = state(client, token);
            assert_eq!(state["active"], is_visible, "{client}");
            assert!(is_visible || state == inactive, "{state}");
        }
    }
    let both = sign_in(&format!("&resource={FILES}&resource={API}"));
    assert_eq!(state(&api, &both.access)["aud"], json!([API, FILES]));
    assert_eq!(state(&api, &service.token(JOHNDOE))["client_id"], "gatepass");

    gatepass.done(&["clients", "update", "gateway", "--introspect-all=off"]);
    assert_eq!(state(&all, &for_api.access), inactive);
    // A token can be revoked only by the client that it was issued to, whatever its audience is.
    assert_eq!(revoke(&service, &for_files.access, &all).json()["error"], "invalid_grant");
    assert_eq!(revoke(&service, &for_files.access, &web).status, 200);
    assert_eq!(state(&web, &for_files.access), inactive);
}
