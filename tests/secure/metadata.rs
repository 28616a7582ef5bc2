//! GET /.well-known/oauth-authorization-server (RFC 8414): true to the service that answers it.

use serde_json::{Value, json};

use crate::support::{
    http::{get, post_form},
    program::Gatepass,
    secure_profile::{JOHNDOE, JOHNDOE_OFFLINE, Service, Tokens, add_client, add_johndoe, basic, serve},
};

const ISSUER: &str = "https://auth.example.com";

fn metadata(service: &Service) -> Value {
    let reply = get("/.well-known/oauth-authorization-server").send(service.address);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(reply.header("cache-control").as_deref(), Some("public, max-age=3600"));
    reply.json()
}

/// Asserts that every URL in it is below the issuer, and that something is there.
#[track_caller]
fn expect_endpoints(service: &Service, metadata: &Value) {
    let issuer = metadata["issuer"].as_str().unwrap().trim_end_matches('/');
    for (name, value) in metadata.as_object().unwrap() {
        let Some(url) = value.as_str().filter(|_| name != "issuer") else { continue };
        let path = url.strip_prefix(issuer).unwrap_or_else(|| panic!("{name}: {url}"));
        assert!(path.starts_with('/') && !path.starts_with("//"), "{name}: {url}");
        let reply = if name.ends_with("_endpoint") { post_form(path, "") } else { get(path) };
        let status = reply.send(service.address).status;
        let is_there = if name.ends_with("_endpoint") { [400, 401].contains(&status) } else { status == 200 };
        assert!(is_there, "{name}: {status}");
    }
}

/// `json` with these members set, or taken away where they are null.
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
fn the_metadata_is_true_to_the_settings() {
    Gatepass::on_both("the_metadata_is_true_to_the_settings", |gatepass| {
        add_johndoe(gatepass);
        let secret = add_client(gatepass, "web");
        let client = format!("&client_id=web&client_secret={secret}");
        let start = |arguments: &[&str]| {
            let service = serve(gatepass, &[&["--issuer", ISSUER][..], arguments].concat());
            let metadata = metadata(&service);
            expect_endpoints(&service, &metadata);
            (service, metadata)
        };
        let below = |path: &str| format!("{ISSUER}{path}");
        let secrets = json!(["client_secret_basic", "client_secret_post"]);

        let (service, usual) = start(&[]);
        let expected = json!({
            "issuer": ISSUER,
            "token_endpoint": below("/token"),
            "token_endpoint_auth_methods_supported": secrets,
            "jwks_uri": below("/.well-known/jwks.json"),
            "scopes_supported": ["me", "tokens:introspect", "offline_access"],
            "response_types_supported": [],
            "grant_types_supported": ["password", "refresh_token"],
            "revocation_endpoint": below("/revoke"),
            "revocation_endpoint_auth_methods_supported": secrets,
            "introspection_endpoint": below("/introspect"),
            "introspection_endpoint_auth_methods_supported": secrets,
            "service_documentation": below("/docs"),
        });
        assert_eq!(usual, expected);
        // Each of these ways is one.
        for fields in ["", &client] {
            let tokens = Tokens::of(&service.sign_in(&format!("{JOHNDOE_OFFLINE}{fields}")));
            service.refreshed_by(&tokens.refresh, fields);
            let revoked = post_form("/revoke", format!("token={}{fields}", tokens.access));
            assert_eq!(revoked.send(service.address).status, 200);
        }
        let by_basic = |path: &str, form: &str, service: &Service| {
            let request = post_form(path, form).header("Authorization", basic("web", &secret));
            request.send(service.address).status
        };
        for (path, form) in [("/token", JOHNDOE), ("/revoke", "token=x"), ("/introspect", "token=x")] {
            assert_eq!(by_basic(path, form, &service), 200, "{path}");
            assert_eq!(
                post_form(path, format!("{form}{client}")).send(service.address).status,
                200,
                "{path}"
            );
        }
        assert_eq!(post_form("/introspect", "token=x").send(service.address).status, 401);

        let (service, hs256) = start(&["--algorithm", "HS256"]);
        assert_eq!(hs256, with(&usual, json!({ "jwks_uri": null })));
        assert_eq!(get("/.well-known/jwks.json").send(service.address).status, 404);

        let (service, never) = start(&["--refresh-tokens", "never"]);
        let changes = json!({
            "grant_types_supported": ["password"], "scopes_supported": ["me", "tokens:introspect"],
        });
        assert_eq!(never, with(&usual, changes));
        assert_eq!(service.refresh("x", "").json()["error"], "unsupported_grant_type");
        assert_eq!(start(&["--refresh-tokens", "always"]).1, usual);

        let (service, required) = start(&["--require-client"]);
        let changes = json!({
            "token_endpoint_auth_methods_supported": secrets,
            "revocation_endpoint_auth_methods_supported": secrets,
        });
        assert_eq!(required, with(&usual, changes));
        for (path, form) in [("/token", JOHNDOE), ("/revoke", "token=x"), ("/introspect", "token=x")] {
            assert_eq!(post_form(path, form).send(service.address).status, 401, "{path}");
            assert_eq!(by_basic(path, form, &service), 200, "{path}");
        }
        let refused = service.refresh("x", "");
        assert_eq!((refused.status, &refused.json()["error"]), (401, &"invalid_client".into()));

        let (service, off) = start(&["--password-grant", "off"]);
        assert_eq!(off, with(&usual, json!({ "grant_types_supported": ["refresh_token"] })));
        assert_eq!(service.sign_in(JOHNDOE).json()["error"], "unsupported_grant_type");
        assert_eq!(service.refresh("x", "").json()["error"], "invalid_grant");
    });
}

#[test]
fn the_endpoints_are_below_the_issuer_however_it_is_written() {
    let gatepass = Gatepass::on_sqlite();
    for (issuer, token_endpoint) in [
        ("https://auth.example.com/", "https://auth.example.com/token"),
        ("https://example.com/auth", "https://example.com/auth/token"),
        ("https://example.com/auth/", "https://example.com/auth/token"),
    ] {
        let service = serve(&gatepass, &["--issuer", issuer]);
        let metadata = metadata(&service);
        assert_eq!(
            (&metadata["issuer"], &metadata["token_endpoint"]),
            (&issuer.into(), &token_endpoint.into())
        );
        expect_endpoints(&service, &metadata);
    }
    let address = crate::support::secure_profile::free_address();
    let service = serve(&gatepass, &["--bind", &address.to_string()]);
    let metadata = metadata(&service);
    assert_eq!(metadata["issuer"], format!("http://{address}"));
    expect_endpoints(&service, &metadata);
}

#[test]
fn the_tutorial_profile_has_none() {
    let gatepass = Gatepass::on_sqlite();
    let service = serve(&gatepass, &["--profile", "tutorial"]);
    let paths = ["/.well-known/oauth-authorization-server", "/revoke", "/introspect", "/users/me/sessions"];
    for path in paths {
        assert_eq!(post_form(path, "token=johndoe").send(service.address).status, 404, "{path}");
    }
    let tokens = service.sign_in("username=johndoe&password=secret&scope=offline_access").json();
    assert_eq!(tokens, json!({ "access_token": "johndoe", "token_type": "bearer" }));
    let refresh = service.refresh("x", "");
    assert_eq!(refresh.status, 422, "{}", refresh.text());
}
