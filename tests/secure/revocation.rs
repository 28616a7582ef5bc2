//! POST /revoke (RFC 7009): what it ends, for whom, and what it refuses.

use crate::support::{
    http::{Reply, get, post_form},
    program::Gatepass,
    secure_profile::{
        JOHNDOE, JOHNDOE_OFFLINE, SECOND, Service, Tokens, add_client, add_johndoe, basic, expect_missing,
        expect_oauth2_error, outcome, rows, serve, within,
    },
};

const INCORRECT: &str = "Incorrect client credentials";
const ANOTHERS: &str = "The token was issued to another client";

fn revoke(service: &Service, token: &str, more: &str) -> Reply {
    post_form("/revoke", format!("token={token}{more}")).send(service.address)
}

#[track_caller]
fn expect_done(reply: &Reply) {
    assert_eq!((reply.status, reply.text().as_str()), (200, ""));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
}

#[track_caller]
fn expect_alive(service: &Service, access_tokens: &[&str]) {
    for token in access_tokens {
        assert_eq!(service.users_me(token).status, 200);
    }
}

/// Right, wrong, unknown or none: the hint is no matter.
const HINTS: [&str; 4] = [
    "",
    "&token_type_hint=access_token",
    "&token_type_hint=refresh_token",
    "&token_type_hint=no+kind+of+token",
];

#[test]
fn a_revoked_access_token_is_dead_and_its_session_lives() {
    Gatepass::on_both("a_revoked_access_token_is_dead_and_its_session_lives", |gatepass| {
        add_johndoe(gatepass);
        let services = [0, 1].map(|_| serve(gatepass, &["--issuer", "https://auth.example.com"]));
        let [service, replica] = &services;
        let mut tokens = service.sign_in_offline();
        let bystander = service.token(JOHNDOE);
        for hint in HINTS {
            let next = service.refreshed(&tokens.refresh);
            // Both have it in memory.
            expect_alive(service, &[&tokens.access]);
            expect_alive(replica, &[&tokens.access]);
            expect_done(&revoke(service, &tokens.access, hint));
            service.expect_invalid(&[&tokens.access]);
            within(SECOND, "the replica hears of it", || {
                (replica.users_me(&tokens.access).status == 401).then_some(())
            });
            expect_alive(service, &[&next.access, &bystander]);
            expect_alive(replica, &[&next.access, &bystander]);
            // Once more is nothing new.
            expect_done(&revoke(service, &tokens.access, hint));
            tokens = next;
        }
        service.refreshed(&tokens.refresh);
        let restarted = serve(gatepass, &["--issuer", "https://auth.example.com"]);
        expect_done(&revoke(service, &tokens.access, ""));
        restarted.expect_invalid(&[&tokens.access]);
        assert_eq!(rows(gatepass, "SELECT token_id FROM revoked_tokens").len(), HINTS.len() + 1);
    });
}

#[test]
fn a_revoked_refresh_token_ends_its_family_and_its_access_tokens() {
    Gatepass::on_both("a_revoked_refresh_token_ends_its_family_and_its_access_tokens", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--refresh-grace", "60"]);
        let bystander = service.sign_in_offline();
        // The newest, the one before, and an older one.
        for position in 0..3 {
            for hint in HINTS {
                let first = service.sign_in_offline();
                let second = service.refreshed(&first.refresh);
                let third = service.refreshed(&second.refresh);
                let family = [&third, &second, &first];
                expect_alive(&service, &family.map(|tokens| tokens.access.as_str()));
                expect_done(&revoke(&service, &family[position].refresh, hint));
                service.expect_invalid(&family.map(|tokens| tokens.access.as_str()));
                for tokens in family {
                    let reply = service.refresh(&tokens.refresh, "");
                    expect_oauth2_error(&reply, 400, "invalid_grant", "Invalid refresh token");
                    expect_done(&revoke(&service, &tokens.refresh, hint));
                    expect_done(&revoke(&service, &tokens.access, hint));
                }
            }
        }
        expect_alive(&service, &[&bystander.access]);
        service.refreshed(&bystander.refresh);
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 1);
    });
}

#[test]
fn a_token_that_is_none_is_revoked_already() {
    Gatepass::on_both("a_token_that_is_none_is_revoked_already", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &[]);
        let tokens = service.sign_in_offline();
        let made_up = "x".repeat(43);
        let (head, signature) = tokens.access.rsplit_once('.').unwrap();
        let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
        let foreign = format!("{made_up}{}", &tokens.refresh[43..]);
        for token in ["x", "%00", "%FF", &made_up.repeat(2), &foreign, &forged, &"x".repeat(100_000)] {
            for hint in HINTS {
                expect_done(&revoke(&service, token, hint));
            }
        }
        expect_alive(&service, &[&tokens.access]);
        service.refreshed(&tokens.refresh);

        // Where no refresh tokens are given, those that are out end their sessions, and access tokens die all the same.
        let others = service.sign_in_offline();
        let first = service;
        let service = serve(gatepass, &["--refresh-tokens", "never"]);
        expect_done(&revoke(&service, &others.refresh, ""));
        within(SECOND, "the session has ended", || {
            (first.users_me(&others.access).status == 401).then_some(())
        });
        let token = service.token(JOHNDOE);
        expect_done(&revoke(&service, &token, ""));
        service.expect_invalid(&[&token]);
    });
}

#[test]
fn what_is_no_request_to_revoke_is_refused() {
    Gatepass::on_both("what_is_no_request_to_revoke_is_refused", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &[]);
        for form in ["", "token=", "token_type_hint=access_token"] {
            expect_missing(&post_form("/revoke", form).send(service.address), "token");
        }
        let wrong = get("/revoke").send(service.address);
        assert_eq!((wrong.status, wrong.header("allow").as_deref()), (405, Some("POST")));
        let tokens = service.sign_in_offline();
        let unknown = "&client_id=x&client_secret=y";
        expect_oauth2_error(&revoke(&service, &tokens.refresh, unknown), 401, "invalid_client", INCORRECT);
        expect_alive(&service, &[&tokens.access]);

        let service = serve(gatepass, &["--require-client"]);
        expect_oauth2_error(&revoke(&service, &tokens.refresh, ""), 401, "invalid_client", INCORRECT);
        service.refresh(&tokens.refresh, "");
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 1);
    });
}

#[test]
fn a_clients_token_is_taken_from_that_client_alone() {
    Gatepass::on_both("a_clients_token_is_taken_from_that_client_alone", |gatepass| {
        add_johndoe(gatepass);
        let [web, app] = ["web", "app"].map(|client| add_client(gatepass, client));
        let service = serve(gatepass, &[]);
        let fields = |client: &str, secret: &str| format!("&client_id={client}&client_secret={secret}");
        let by_basic = |token: &str, secret: &str| {
            let request = post_form("/revoke", format!("token={token}"));
            request.header("Authorization", basic("web", secret)).send(service.address)
        };
        let nobodys = service.sign_in_offline();
        let sign_in = || Tokens::of(&service.sign_in(&format!("{JOHNDOE_OFFLINE}{}", fields("web", &web))));
        let (tokens, other) = (sign_in(), sign_in());

        for token in [&tokens.refresh, &tokens.access] {
            for fields in ["", "&client_id=web", &fields("web", "wrong"), &fields("web", &app)] {
                expect_oauth2_error(&revoke(&service, token, fields), 401, "invalid_client", INCORRECT);
            }
            let challenge = Some(r#"Basic realm="token", charset="UTF-8""#.to_owned());
            assert_eq!(outcome(&by_basic(token, "wrong")), (401, INCORRECT.into(), challenge));
            let anothers = revoke(&service, token, &fields("app", &app));
            expect_oauth2_error(&anothers, 400, "invalid_grant", ANOTHERS);
        }
        for token in [&nobodys.refresh, &nobodys.access] {
            let anothers = revoke(&service, token, &fields("web", &web));
            expect_oauth2_error(&anothers, 400, "invalid_grant", ANOTHERS);
        }
        expect_alive(&service, &[&tokens.access, &nobodys.access]);

        expect_done(&by_basic(&tokens.access, &web));
        service.expect_invalid(&[&tokens.access]);
        let next = Tokens::of(&service.refresh(&tokens.refresh, &fields("web", &web)));
        expect_done(&revoke(&service, &next.refresh, &fields("web", &web)));
        service.expect_invalid(&[&next.access]);
        expect_done(&by_basic(&other.refresh, &web));
        service.expect_invalid(&[&other.access]);
        // For who proves to be a client, what is no token is revoked already.
        expect_done(&by_basic("x", &web));
        expect_done(&revoke(&service, &nobodys.refresh, ""));
        assert!(rows(gatepass, "SELECT id FROM sessions").is_empty());
    });
}
