//! POST /introspect (RFC 7662): who may ask, and what is said of a token.

use serde_json::{Value, json};

use crate::support::{
    http::{Reply, get, post_form},
    program::Gatepass,
    secure_profile::{
        JOHNDOE, JOHNDOE_OFFLINE, SECOND, Service, Tokens, add_client, add_johndoe, basic, expect_missing,
        expect_oauth2_error, outcome, read, serve, within,
    },
};

/// Somebody who may ask.
const AUDITOR: &str = "username=auditor&password=auditor's+own+passphrase";

fn add_auditor(gatepass: &Gatepass) {
    gatepass.add("auditor", &["--scopes", "me tokens:introspect"]).done();
}

/// What the auditor is told.
struct Auditor<'a> {
    service: &'a Service,
    token: String,
}

impl<'a> Auditor<'a> {
    fn at(service: &'a Service) -> Self {
        Self { service, token: service.token(AUDITOR) }
    }

    fn ask(&self, form: &str) -> Reply {
        post_form("/introspect", form).bearer(&self.token).send(self.service.address)
    }

    #[track_caller]
    fn state(&self, token: &str) -> Value {
        let reply = self.ask(&format!("token={token}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
        reply.json()
    }

    /// Asserts that it is not told why, nor whose it was.
    #[track_caller]
    fn expect_inactive(&self, token: &str) {
        assert_eq!(self.state(token), json!({ "active": false }), "{token}");
    }
}

#[test]
fn of_a_good_token_its_claims_are_told() {
    Gatepass::on_both("of_a_good_token_its_claims_are_told", |gatepass| {
        add_johndoe(gatepass);
        add_auditor(gatepass);
        let secret = add_client(gatepass, "web");
        let service = serve(gatepass, &["--issuer", "https://auth.example.com", "--audience", "https://api"]);
        let auditor = Auditor::at(&service);
        let client = format!("&client_id=web&client_secret={secret}");
        let tokens = Tokens::of(&service.sign_in(&format!("{JOHNDOE_OFFLINE}{client}")));
        let (_, claims) = read(&tokens.access);
        let (iat, sid, sub) = (claims["iat"].as_u64().unwrap(), &claims["sid"], &claims["sub"]);
        let access = json!({
            "active": true, "scope": "me users:read", "client_id": "web", "token_type": "bearer",
            "exp": iat + 900, "iat": iat, "sub": sub, "aud": "https://api", "iss": "https://auth.example.com",
            "jti": claims["jti"], "sid": sid,
        });
        let refresh = json!({
            "active": true, "scope": "me users:read offline_access", "client_id": "web",
            "exp": iat + 1_209_600, "iat": iat, "sub": sub, "sid": sid,
        });
        for (token, expected) in [(&tokens.access, access), (&tokens.refresh, refresh)] {
            assert_eq!(auditor.state(token), expected);
            for hint in ["access_token", "refresh_token", "nonsense"] {
                assert_eq!(auditor.ask(&format!("token={token}&token_type_hint={hint}")).json(), expected);
            }
            // A registered client asks, by the form or by HTTP Basic, whoever the token's is.
            let form = format!("token={token}");
            let by_form = post_form("/introspect", format!("{form}{client}")).send(service.address);
            let by_basic = post_form("/introspect", &form).header("Authorization", basic("web", &secret));
            for reply in [by_form, by_basic.send(service.address)] {
                assert_eq!((reply.status, reply.json()), (200, expected.clone()));
            }
        }
        // To be asked about is not to be used.
        service.refreshed_by(&tokens.refresh, &client);

        let nobodys = service.sign_in_offline();
        for token in [&nobodys.access, &nobodys.refresh] {
            let state = auditor.state(token);
            assert_eq!((&state["active"], state.get("client_id")), (&true.into(), None), "{state}");
        }
        let narrow = auditor.state(&service.token(&format!("{JOHNDOE}&scope=me")));
        assert_eq!(narrow["scope"], "me");
    });
}

#[test]
fn the_scopes_that_are_told_are_those_that_the_user_has_now() {
    Gatepass::on_both("the_scopes_that_are_told_are_those_that_the_user_has_now", |gatepass| {
        add_johndoe(gatepass);
        add_auditor(gatepass);
        let service = serve(gatepass, &[]);
        let auditor = Auditor::at(&service);
        let tokens = service.sign_in_offline();
        assert_eq!(auditor.state(&tokens.access)["scope"], "me users:read");
        gatepass.done(&["users", "set", "johndoe", "--scopes", "me admin"]);
        within(SECOND, "the access token is narrower", || {
            (auditor.state(&tokens.access)["scope"] == "me").then_some(())
        });
        assert_eq!(auditor.state(&tokens.refresh)["scope"], "me offline_access");
    });
}

#[test]
fn of_every_other_token_nothing_is_told() {
    Gatepass::on_both("of_every_other_token_nothing_is_told", |gatepass| {
        add_johndoe(gatepass);
        add_auditor(gatepass);
        let own = ["--issuer", "https://auth.example.com", "--refresh-grace", "60"];
        let service = serve(gatepass, &own);
        let auditor = Auditor::at(&service);
        let tokens = service.sign_in_offline();
        let (head, signature) = tokens.access.rsplit_once('.').unwrap();
        let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
        let (family, made_up) = (&tokens.refresh[..43], "x".repeat(43));
        let foreign = serve(gatepass, &["--issuer", "https://other.example.com"]).token(JOHNDOE);
        for bad in
            ["x", "%00", "%FF", family, &forged, &foreign, &format!("{family}{made_up}"), &made_up.repeat(2)]
        {
            auditor.expect_inactive(bad);
        }
        // To ask about a token that was never given ends no family.
        let next = service.refreshed(&tokens.refresh);
        auditor.expect_inactive(&tokens.refresh);
        assert_eq!(auditor.state(&next.refresh)["active"], true);

        post_form("/revoke", format!("token={}", next.access)).send(service.address);
        auditor.expect_inactive(&next.access);
        assert_eq!(auditor.state(&tokens.access)["active"], true);
        post_form("/revoke", format!("token={}", next.refresh)).send(service.address);
        auditor.expect_inactive(&next.refresh);
        auditor.expect_inactive(&tokens.access);

        let disabled = service.sign_in_offline();
        assert_eq!(auditor.state(&disabled.access)["active"], true);
        gatepass.done(&["users", "disable", "johndoe"]);
        let is_inactive = |token: &str| (auditor.state(token) == json!({ "active": false })).then_some(());
        within(SECOND, "johndoe is disabled", || is_inactive(&disabled.access));
        auditor.expect_inactive(&disabled.refresh);
        gatepass.done(&["users", "enable", "johndoe"]);
        let removed = service.sign_in_offline();
        assert_eq!(auditor.state(&removed.access)["active"], true);
        gatepass.done(&["users", "remove", "johndoe", "--yes"]);
        within(SECOND, "johndoe is removed", || is_inactive(&removed.access));
        auditor.expect_inactive(&removed.refresh);

        add_johndoe(gatepass);
        let short = [&own[..2], &["--access-token-ttl", "1", "--refresh-idle-ttl", "1"]].concat();
        let ending = serve(gatepass, &short).sign_in_offline();
        within(3 * SECOND, "the access token has ended", || is_inactive(&ending.access));
        // The lifetime of a refresh token is that of the service which is asked.
        let short = serve(gatepass, &short);
        let reply = post_form("/introspect", format!("token={}", ending.refresh)).bearer(&auditor.token);
        within(3 * SECOND, "the refresh token has ended", || {
            (reply.send(short.address).json() == json!({ "active": false })).then_some(())
        });
    });
}

#[test]
fn who_may_not_ask_is_refused() {
    Gatepass::on_both("who_may_not_ask_is_refused", |gatepass| {
        add_johndoe(gatepass);
        add_auditor(gatepass);
        let secret = add_client(gatepass, "web");
        let service = serve(gatepass, &[]);
        let auditor = Auditor::at(&service);
        let token = service.token(JOHNDOE);
        let form = format!("token={token}");
        let ask = |more: &str| post_form("/introspect", format!("{form}{more}"));
        let expect = |reply: Reply, status: u16, detail: &str, challenge: Option<&str>| {
            assert_eq!(outcome(&reply), (status, detail.into(), challenge.map(str::to_owned)));
            assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
            assert_eq!(reply.json().get("active"), None);
        };

        let (incorrect, challenge) =
            ("Incorrect client credentials", r#"Basic realm="token", charset="UTF-8""#);
        let anonymous = ask("").send(service.address);
        expect_oauth2_error(&anonymous, 401, "invalid_client", incorrect);
        expect(anonymous, 401, incorrect, Some(challenge));
        for more in ["&client_id=web", "&client_id=web&client_secret=wrong", "&client_id=x&client_secret=y"] {
            expect_oauth2_error(&ask(more).send(service.address), 401, "invalid_client", incorrect);
        }
        let wrong = ask("").header("Authorization", basic("web", "wrong")).send(service.address);
        expect(wrong, 401, incorrect, Some(challenge));

        let invalid = ask("").bearer("nonsense").send(service.address);
        expect(invalid, 401, "Could not validate credentials", Some(r#"Bearer error="invalid_token""#));
        // Not even about their own token; and a client's secret beside it makes no difference.
        let insufficient = r#"Bearer error="insufficient_scope", scope="tokens:introspect""#;
        for more in [String::new(), format!("&client_id=web&client_secret={secret}")] {
            let johndoe = ask(&more).bearer(&token).send(service.address);
            expect(johndoe, 403, "Not enough permissions", Some(insufficient));
        }

        for form in ["", "token=", "token_type_hint=access_token"] {
            expect_missing(&auditor.ask(form), "token");
            let by_client = post_form("/introspect", form).header("Authorization", basic("web", &secret));
            expect_missing(&by_client.send(service.address), "token");
            let anonymous = post_form("/introspect", form).send(service.address);
            expect_oauth2_error(&anonymous, 401, "invalid_client", incorrect);
        }
        let wrong = get("/introspect").send(service.address);
        assert_eq!((wrong.status, wrong.header("allow").as_deref()), (405, Some("POST")));

        gatepass.done(&["users", "disable", "auditor"]);
        let disabled = within(SECOND, "the auditor is disabled", || {
            Some(auditor.ask(&form)).filter(|reply| reply.status != 200)
        });
        expect(disabled, 400, "Inactive user", None);
    });
}
