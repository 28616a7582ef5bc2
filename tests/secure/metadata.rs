//! GET /.well-known/oauth-authorization-server (RFC 8414) and /.well-known/openid-configuration.

use serde_json::{Value, json};

use crate::secure::{
    Gatepass, ISSUER, JOHNDOE, JOHNDOE_OFFLINE, Service, Tokens, add_client, basic, client_fields,
    free_address, get, post_form, read, serve, sqlite_with_johndoe,
};

/// Returns the metadata, after checking that each URL in it works.
#[track_caller]
fn metadata(service: &Service) -> Value {
    let reply = get("/.well-known/oauth-authorization-server").send(service.address);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(reply.header("cache-control").as_deref(), Some("public, max-age=3600"));
    let metadata = reply.json();
    assert_eq!(get("/.well-known/openid-configuration").send(service.address).json(), metadata);
    let issuer = metadata["issuer"].as_str().unwrap().trim_end_matches('/');
    for (name, value) in metadata.as_object().unwrap() {
        let Some(url) = value.as_str().filter(|_| name != "issuer") else { continue };
        let path = url.strip_prefix(issuer).unwrap_or_else(|| panic!("{name}: {url}"));
        assert!(path.starts_with('/') && !path.starts_with("//"), "{name}: {url}");
        let is_endpoint = name.ends_with("_endpoint");
        let request = if is_endpoint { post_form(path, "") } else { get(path) };
        let status = request.send(service.address).status;
        assert!(if is_endpoint { [400, 401].contains(&status) } else { status == 200 }, "{name}: {status}");
    }
    metadata
}

/// Returns `json` with these members replaced, or removed if the new value is null.
fn with(json: &Value, changes: Value) -> Value {
    let mut changed = json.clone();
    for (name, value) in changes.as_object().unwrap() {
        assert!(changed.get(name).is_some(), "{name}");
        if value.is_null() {
            changed.as_object_mut().unwrap().shift_remove(name);
        } else {
            changed[name] = value.clone();
        }
    }
    changed
}

#[test]
fn metadata_matches_the_settings_and_the_behavior() {
    let gatepass = sqlite_with_johndoe();
    let secret = add_client(&gatepass, "web");
    let client = client_fields("web", &secret);
    let start = |arguments: &[&str]| {
        let service = serve(&gatepass, &[&ISSUER[..], arguments].concat());
        let metadata = metadata(&service);
        (service, metadata)
    };
    let url = |path: &str| format!("{}{path}", ISSUER[1]);
    let methods = json!(["none", "client_secret_basic", "client_secret_post"]);
    let with_secret = json!(["client_secret_basic", "client_secret_post"]);

    let (service, default) = start(&[]);
    let expected = json!({
        "issuer": ISSUER[1],
        "token_endpoint": url("/token"),
        "token_endpoint_auth_methods_supported": methods,
        "jwks_uri": url("/.well-known/jwks.json"),
        "access_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["me", "tokens:introspect", "openid", "offline_access"],
        "response_types_supported": [],
        "grant_types_supported": ["password", "refresh_token", "client_credentials"],
        "revocation_endpoint": url("/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": url("/introspect"),
        "introspection_endpoint_auth_methods_supported": with_secret,
        "userinfo_endpoint": url("/userinfo"),
        "claims_supported": ["sub", "preferred_username", "email", "name"],
        "subject_types_supported": ["public"],
        "service_documentation": url("/docs"),
    });
    assert_eq!(default, expected);
    // Clients can authenticate with either method, but only introspection requires authentication.
    for fields in ["", &client] {
        let tokens = Tokens::of(&service.sign_in(&format!("{JOHNDOE_OFFLINE}{fields}")));
        service.refreshed_by(&tokens.refresh, fields);
        let revoked = post_form("/revoke", format!("token={}{fields}", tokens.access));
        assert_eq!(revoked.send(service.address).status, 200);
    }
    const FORMS: [(&str, &str); 3] =
        [("/token", JOHNDOE), ("/revoke", "token=x"), ("/introspect", "token=x")];
    let expect_methods = |service: &Service| {
        for (path, form) in FORMS {
            let by_basic = post_form(path, form).header("Authorization", basic("web", &secret));
            assert_eq!(by_basic.send(service.address).status, 200, "{path}");
            let by_form = post_form(path, format!("{form}{client}"));
            assert_eq!(by_form.send(service.address).status, 200, "{path}");
        }
    };
    expect_methods(&service);
    assert_eq!(post_form("/introspect", "token=x").send(service.address).status, 401);

    let (service, hs256) = start(&["--algorithm", "HS256", "--keys-dir", "secrets"]);
    // The HS256 secret is not published.
    assert_eq!(hs256, with(&default, json!({ "access_token_signing_alg_values_supported": ["HS256"] })));
    assert_eq!(get("/.well-known/jwks.json").send(service.address).json(), json!({ "keys": [] }));
    let token = service.token(JOHNDOE);
    assert_eq!((&read(&token).0["alg"], service.users_me(&token).status), (&json!("HS256"), 200));

    let (service, never) = start(&["--refresh-tokens", "never"]);
    let changes = json!({
        "grant_types_supported": ["password", "client_credentials"],
        "scopes_supported": ["me", "tokens:introspect", "openid"],
    });
    assert_eq!(never, with(&default, changes));
    assert_eq!(service.refresh("x", "").json()["error"], "unsupported_grant_type");
    assert_eq!(start(&["--refresh-tokens", "always"]).1, default);

    let (service, required) = start(&["--require-client"]);
    assert_eq!(required, default);
    for (path, form) in FORMS {
        assert_eq!(post_form(path, form).send(service.address).status, 401, "{path}");
    }
    expect_methods(&service);
    let refused = service.refresh("x", "");
    assert_eq!((refused.status, &refused.json()["error"]), (401, &"invalid_client".into()));

    let (service, off) = start(&["--password-grant", "off"]);
    assert_eq!(
        off,
        with(&default, json!({ "grant_types_supported": ["refresh_token", "client_credentials"] }))
    );
    assert_eq!(service.sign_in(JOHNDOE).json()["error"], "unsupported_grant_type");
    assert_eq!(service.refresh("x", "").json()["error"], "invalid_grant");
}

#[test]
fn endpoint_urls_start_with_the_issuer_whether_or_not_it_has_a_trailing_slash() {
    let gatepass = Gatepass::on_sqlite();
    for issuer in ["https://example.com/", "https://example.com/auth", "https://example.com/auth/"] {
        let metadata = metadata(&serve(&gatepass, &["--issuer", issuer]));
        assert_eq!(metadata["issuer"], issuer);
        assert_eq!(metadata["token_endpoint"], format!("{}/token", issuer.trim_end_matches('/')));
    }
    let address = free_address();
    let metadata = metadata(&serve(&gatepass, &["--bind", &address.to_string()]));
    assert_eq!(metadata["issuer"], format!("http://{address}"));
}

#[test]
fn tutorial_profile_has_no_secure_profile_endpoints_and_no_refresh_tokens() {
    let service = serve(&Gatepass::on_sqlite(), &["--profile", "tutorial"]);
    for path in [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/revoke",
        "/introspect",
        "/users/me/sessions",
    ] {
        for request in [get(path), post_form(path, "token=johndoe")] {
            assert_eq!(request.send(service.address).status, 404, "{path}");
        }
    }
    let tokens = service.sign_in("username=johndoe&password=secret&scope=offline_access").json();
    assert_eq!(tokens, json!({ "access_token": "johndoe", "token_type": "bearer" }));
    let refresh = service.refresh("x", "");
    assert_eq!(refresh.status, 422, "{}", refresh.text());
}
