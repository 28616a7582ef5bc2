//! Token introspection with `POST /introspect` (RFC 7662).

use serde_json::{Value, json};

use crate::secure::{
    Gatepass, ISSUER, JOHNDOE, JOHNDOE_OFFLINE, Reply, SECOND, Service, Tokens, add_client, add_client_with,
    add_johndoe, basic, client_fields, expect_missing, expect_oauth2_error, get, on_sqlite, outcome,
    post_form, read, revoke, serve, wait_until, with_service, with_wrong_signature,
};

/// A user with the scope that introspection requires.
struct Auditor<'a> {
    service: &'a Service,
    token: String,
}

impl<'a> Auditor<'a> {
    fn add(gatepass: &Gatepass, service: &'a Service) -> Self {
        gatepass.add("auditor", &["--scopes", "me tokens:introspect"]).done();
        Self { service, token: service.token("username=auditor&password=auditor's+own+passphrase") }
    }

    fn introspect(&self, form: &str) -> Reply {
        post_form("/introspect", form).bearer(&self.token).send(self.service.address)
    }

    #[track_caller]
    fn state(&self, token: &str) -> Value {
        let reply = self.introspect(&format!("token={token}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
        reply.json()
    }

    fn is_active(&self, token: &str) -> bool {
        self.state(token)["active"] == true
    }

    /// Asserts that the token is reported as inactive, and that neither a reason nor the owner is revealed.
    #[track_caller]
    fn expect_inactive(&self, token: &str) {
        assert_eq!(self.state(token), json!({ "active": false }), "{token}");
    }
}

#[test]
fn introspection_of_an_active_token_returns_its_claims_to_users_with_the_scope_and_to_clients() {
    let (gatepass, service) =
        on_sqlite(&[&ISSUER[..], &["--audience", "https://auth.example.com,https://api"]].concat());
    let auditor = Auditor::add(&gatepass, &service);
    let secret = add_client_with(&gatepass, "web", &["--introspect-all"]);
    let client = client_fields("web", &secret);
    let tokens = Tokens::of(&service.sign_in(&format!("{JOHNDOE_OFFLINE}{client}&resource=https://api")));
    let (_, claims) = read(&tokens.access);
    assert_eq!(
        (tokens.scope.as_str(), &claims["scope"]),
        ("me users:read offline_access", &tokens.scope.as_str().into())
    );
    let (iat, sid, sub) = (claims["iat"].as_u64().unwrap(), &claims["sid"], &claims["sub"]);
    let access = json!({
        "active": true, "scope": "me users:read offline_access", "client_id": "web", "token_type": "bearer",
        "exp": iat + 900, "iat": iat, "sub": sub, "user_kind": "User", "preferred_username": "johndoe",
        "email": "johndoe@example.com", "name": "John Doe", "aud": "https://api", "iss": "https://auth.example.com",
        "jti": claims["jti"], "sid": sid,
    });
    let refresh = json!({
        "active": true, "scope": "me users:read offline_access", "client_id": "web",
        "exp": iat + 1_209_600, "iat": iat, "sub": sub, "user_kind": "User", "sid": sid,
    });
    for (token, expected) in [(&tokens.access, access), (&tokens.refresh, refresh)] {
        assert_eq!(auditor.state(token), expected);
        for hint in ["access_token", "refresh_token", "nonsense"] {
            assert_eq!(auditor.introspect(&format!("token={token}&token_type_hint={hint}")).json(), expected);
        }
        let form = format!("token={token}");
        let by_form = post_form("/introspect", format!("{form}{client}")).send(service.address);
        let by_basic = post_form("/introspect", &form).header("Authorization", basic("web", &secret));
        for reply in [by_form, by_basic.send(service.address)] {
            assert_eq!((reply.status, reply.json()), (200, expected.clone()));
        }
    }
    // Introspection does not use up the refresh token.
    service.refreshed_by(&tokens.refresh, &client);

    let without_client = service.sign_in_offline();
    for token in [&without_client.access, &without_client.refresh] {
        let state = auditor.state(token);
        assert_eq!((&state["active"], &state["client_id"]), (&true.into(), &"gatepass".into()), "{state}");
    }
    assert_eq!(auditor.state(&service.token(&format!("{JOHNDOE}&scope=me")))["scope"], "me");

    gatepass.done(&["users", "set", "johndoe", "--scopes", "me admin"]);
    wait_until(SECOND, "the access token has fewer scopes", || {
        auditor.state(&without_client.access)["scope"] == "me offline_access"
    });
    assert_eq!(auditor.state(&without_client.refresh)["scope"], "me offline_access");
}

#[test]
fn introspection_of_an_invalid_revoked_or_expired_token_returns_only_active_false() {
    with_service(&[&ISSUER[..], &["--refresh-grace", "60"]].concat(), |gatepass, service| {
        let auditor = Auditor::add(gatepass, &service);
        let tokens = service.sign_in_offline();
        let (family, made_up) = (&tokens.refresh[..43], "x".repeat(43));
        let other_issuer = serve(gatepass, &["--issuer", "https://other.example.com"]).token(JOHNDOE);
        let forged = [format!("{family}{made_up}"), made_up.repeat(2), with_wrong_signature(&tokens.access)];
        for invalid in ["x", "%00", family, &other_issuer].into_iter().chain(forged.iter().map(|s| &**s)) {
            auditor.expect_inactive(invalid);
        }
        // Introspection of a forged or used refresh token does not end its family.
        let next = service.refreshed(&tokens.refresh);
        auditor.expect_inactive(&tokens.refresh);
        assert!(auditor.is_active(&next.refresh));

        revoke(&service, &next.access, "");
        auditor.expect_inactive(&next.access);
        assert!(auditor.is_active(&tokens.access));
        revoke(&service, &next.refresh, "");
        auditor.expect_inactive(&next.refresh);
        auditor.expect_inactive(&tokens.access);

        for command in [&["users", "disable", "johndoe"][..], &["users", "remove", "johndoe", "--yes"]] {
            gatepass.done(&["users", "enable", "johndoe"]);
            let tokens = service.sign_in_offline();
            assert!(auditor.is_active(&tokens.access));
            gatepass.done(command);
            wait_until(SECOND, command[1], || !auditor.is_active(&tokens.access));
            auditor.expect_inactive(&tokens.access);
            auditor.expect_inactive(&tokens.refresh);
        }

        add_johndoe(gatepass);
        let short = [&ISSUER[..], &["--access-token-ttl", "1", "--refresh-idle-ttl", "1"]].concat();
        let short = serve(gatepass, &short);
        let tokens = short.sign_in_offline();
        wait_until(3 * SECOND, "the access token expires", || !auditor.is_active(&tokens.access));
        // The lifetime of a refresh token depends on the settings of the service that introspects it.
        let request = post_form("/introspect", format!("token={}", tokens.refresh)).bearer(&auditor.token);
        wait_until(3 * SECOND, "the refresh token expires", || {
            request.send(short.address).json() == json!({ "active": false })
        });
    });
}

#[test]
fn introspection_without_authorization_is_refused() {
    let (gatepass, service) = on_sqlite(&[]);
    let auditor = Auditor::add(&gatepass, &service);
    let secret = add_client(&gatepass, "web");
    // A public client cannot introspect any tokens, not even its own.
    gatepass.done(&["clients", "add", "app", "--public"]);
    let token = service.token(&format!("{JOHNDOE}&client_id=app"));
    let form = format!("token={token}");
    let introspect = |more: &str| post_form("/introspect", format!("{form}{more}"));
    let expect = |reply: Reply, status: u16, detail: &str, challenge: &str| {
        assert_eq!(outcome(&reply), (status, detail.into(), Some(challenge.to_owned())));
        assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(reply.json().get("active"), None);
    };

    let (incorrect, challenge) = ("Incorrect client credentials", r#"Basic realm="token", charset="UTF-8""#);
    for fields in [
        "",
        "&client_id=app",
        "&client_id=gatepass",
        "&client_id=web",
        "&client_id=web&client_secret=wrong",
        "&client_id=x&client_secret=y",
    ] {
        expect_oauth2_error(&introspect(fields).send(service.address), 401, "invalid_client", incorrect);
    }
    for request in [introspect(""), introspect("").header("Authorization", basic("web", "wrong"))] {
        expect(request.send(service.address), 401, incorrect, challenge);
    }

    let invalid = introspect("").bearer("nonsense").send(service.address);
    expect(invalid, 401, "Could not validate credentials", r#"Bearer realm="api", error="invalid_token""#);
    // The scope is required even for the user's own token, and client credentials do not replace the scope.
    let insufficient = r#"Bearer realm="api", error="insufficient_scope", scope="tokens:introspect""#;
    for fields in [String::new(), client_fields("web", &secret)] {
        let reply = introspect(&fields).bearer(&token).send(service.address);
        expect(reply, 403, "Not enough permissions", insufficient);
    }

    for form in ["", "token=", "token_type_hint=access_token"] {
        expect_missing(&auditor.introspect(form), "token");
        let by_client = post_form("/introspect", form).header("Authorization", basic("web", &secret));
        expect_missing(&by_client.send(service.address), "token");
        let anonymous = post_form("/introspect", form).send(service.address);
        expect_oauth2_error(&anonymous, 401, "invalid_client", incorrect);
    }
    let wrong_method = get("/introspect").send(service.address);
    assert_eq!((wrong_method.status, wrong_method.header("allow").as_deref()), (405, Some("POST")));
}
