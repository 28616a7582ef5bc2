//! Token revocation with `POST /revoke` (RFC 7009).

use crate::secure::{
    ISSUER, JOHNDOE, JOHNDOE_OFFLINE, Reply, SECOND, Service, Tokens, add_client, basic, client_fields,
    end_all_sessions, expect_missing, expect_oauth2_error, get, on_both, on_sqlite, outcome, post_form,
    replicas, revoke, rows, serve, wait_until, with_service, with_wrong_signature,
};

const INCORRECT: &str = "Incorrect client credentials";
const OTHER_CLIENT: &str = "The token was issued to another client";

#[track_caller]
fn expect_success(reply: &Reply) {
    assert_eq!((reply.status, reply.text().as_str()), (200, "{}"));
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
}

#[track_caller]
fn expect_active(service: &Service, access_tokens: &[&str]) {
    for token in access_tokens {
        assert_eq!(service.users_me(token).status, 200);
    }
}

/// Token type hints. They make no difference, even if they are wrong.
const HINTS: [&str; 4] = [
    "",
    "&token_type_hint=access_token",
    "&token_type_hint=refresh_token",
    "&token_type_hint=no+kind+of+token",
];

#[test]
fn revoked_access_token_is_refused_by_all_endpoints_and_replicas_and_its_session_stays_active() {
    on_both(|gatepass| {
        let [service, replica] = &replicas(gatepass, &[]);
        let mut tokens = service.sign_in_offline();
        let other = service.token(JOHNDOE);
        for hint in HINTS {
            let next = service.refreshed(&tokens.refresh);
            // Both replicas cache the token.
            expect_active(service, &[&tokens.access]);
            expect_active(replica, &[&tokens.access]);
            expect_success(&revoke(service, &tokens.access, hint));
            service.expect_invalid(&[&tokens.access]);
            wait_until(SECOND, "the replica refuses the token", || {
                replica.users_me(&tokens.access).status == 401
            });
            expect_active(service, &[&next.access, &other]);
            expect_active(replica, &[&next.access, &other]);
            expect_success(&revoke(replica, &tokens.access, hint));
            tokens = next;
        }
        service.refreshed(&tokens.refresh);
        expect_success(&revoke(service, &tokens.access, ""));
        let restarted = serve(gatepass, &ISSUER);
        restarted.expect_invalid(&[&tokens.access]);
        for service in [service, &restarted] {
            let sessions = get("/users/me/sessions").bearer(&tokens.access).send(service.address);
            assert_eq!((sessions.status, end_all_sessions(service, &tokens.access).status), (401, 401));
        }
        assert_eq!(rows(gatepass, "SELECT token_id FROM revoked_tokens").len(), HINTS.len() + 1);
    });
}

#[test]
fn revocation_of_a_refresh_token_ends_its_family_and_revokes_all_access_tokens_of_the_family() {
    with_service(&["--refresh-grace", "60"], |gatepass, service| {
        let other = service.sign_in_offline();
        // The revoked token is the current refresh token, the previous one or an older one.
        for (position, hint) in [(0, ""), (1, HINTS[1]), (2, HINTS[2]), (0, HINTS[3])] {
            let first = service.sign_in_offline();
            let second = service.refreshed(&first.refresh);
            let third = service.refreshed(&second.refresh);
            let family = [&third, &second, &first];
            expect_active(&service, &family.map(|tokens| tokens.access.as_str()));
            expect_success(&revoke(&service, &family[position].refresh, hint));
            service.expect_invalid(&family.map(|tokens| tokens.access.as_str()));
            for tokens in family {
                let reply = service.refresh(&tokens.refresh, "");
                expect_oauth2_error(&reply, 400, "invalid_grant", "Invalid refresh token");
                expect_success(&revoke(&service, &tokens.refresh, hint));
                expect_success(&revoke(&service, &tokens.access, hint));
            }
        }
        expect_active(&service, &[&other.access]);
        service.refreshed(&other.refresh);
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 1);
    });
}

#[test]
fn invalid_malformed_or_unauthenticated_revocation_has_no_effect() {
    let (gatepass, service) = on_sqlite(&[]);
    let tokens = service.sign_in_offline();
    let made_up = "x".repeat(43);
    let unknown_family = format!("{made_up}{}", &tokens.refresh[43..]);
    let wrong_signature = with_wrong_signature(&tokens.access);
    let long = "x".repeat(60_000);
    for token in ["x", "%00", &made_up.repeat(2), &unknown_family, &wrong_signature, &long] {
        for hint in HINTS {
            expect_success(&revoke(&service, token, hint));
        }
    }
    for form in ["", "token=", "token_type_hint=access_token"] {
        expect_missing(&post_form("/revoke", form).send(service.address), "token");
    }
    let wrong_method = get("/revoke").send(service.address);
    assert_eq!((wrong_method.status, wrong_method.header("allow").as_deref()), (405, Some("POST")));
    let strict = serve(&gatepass, &["--require-client"]);
    for (service, fields) in [(&service, "&client_id=x&client_secret=y"), (&strict, "")] {
        expect_oauth2_error(&revoke(service, &tokens.refresh, fields), 401, "invalid_client", INCORRECT);
    }
    expect_active(&service, &[&tokens.access]);
    service.refreshed(&tokens.refresh);
}

#[test]
fn revocation_works_while_refresh_tokens_are_turned_off() {
    let (gatepass, issuing) = on_sqlite(&[]);
    let tokens = issuing.sign_in_offline();
    let service = serve(&gatepass, &["--refresh-tokens", "never"]);
    expect_success(&revoke(&service, &tokens.refresh, ""));
    wait_until(SECOND, "the session ends", || issuing.users_me(&tokens.access).status == 401);
    let token = service.token(JOHNDOE);
    expect_success(&revoke(&service, &token, ""));
    service.expect_invalid(&[&token]);
}

#[test]
fn token_can_be_revoked_only_by_the_client_it_was_issued_to() {
    with_service(&[], |gatepass, service| {
        let [web, app] = ["web", "app"].map(|client| add_client(gatepass, client));
        let [as_web, as_app] = [client_fields("web", &web), client_fields("app", &app)];
        let by_basic = |token: &str, secret: &str| {
            let request = post_form("/revoke", format!("token={token}"));
            request.header("Authorization", basic("web", secret)).send(service.address)
        };
        let public = service.sign_in_offline();
        let [tokens, other] =
            [(); 2].map(|()| Tokens::of(&service.sign_in(&format!("{JOHNDOE_OFFLINE}{as_web}"))));

        for token in [&tokens.refresh, &tokens.access] {
            let wrong = [client_fields("web", "wrong"), client_fields("web", &app)];
            for fields in ["&client_id=web", &wrong[0], &wrong[1]] {
                expect_oauth2_error(&revoke(&service, token, fields), 401, "invalid_client", INCORRECT);
            }
            expect_oauth2_error(&revoke(&service, token, ""), 400, "invalid_grant", OTHER_CLIENT);
            let challenge = Some(r#"Basic realm="token", charset="UTF-8""#.to_owned());
            assert_eq!(outcome(&by_basic(token, "wrong")), (401, INCORRECT.into(), challenge));
        }
        for (token, fields) in [
            (&tokens.refresh, &as_app),
            (&tokens.access, &as_app),
            (&public.refresh, &as_web),
            (&public.access, &as_web),
        ] {
            expect_oauth2_error(&revoke(&service, token, fields), 400, "invalid_grant", OTHER_CLIENT);
        }
        expect_active(&service, &[&tokens.access, &public.access]);

        expect_success(&by_basic(&tokens.access, &web));
        service.expect_invalid(&[&tokens.access]);
        let next = service.refreshed_by(&tokens.refresh, &as_web);
        expect_success(&revoke(&service, &next.refresh, &as_web));
        service.expect_invalid(&[&next.access]);
        expect_success(&by_basic(&other.refresh, &web));
        service.expect_invalid(&[&other.access]);
        expect_success(&by_basic("x", &web));
        expect_success(&revoke(&service, &public.refresh, ""));
        assert!(rows(gatepass, "SELECT id FROM sessions").is_empty());
    });
}
