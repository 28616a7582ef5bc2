//! Scopes, clients and errors in `ErrorFormat::OAuth2`.

use std::net::SocketAddr;

use gatepass::{
    Auth, AuthError, ClientInfo, GrantedScopes,
    auth::{AuthBuilder, SignIn},
    error::BuildError,
};
use serde_json::{Value, json};

use crate::support::{
    doubles::{AgingHasher, Members, OneClient, ReadableTokens, UNAVAILABLE},
    http::{Reply, Request, get, post_form, request},
    service::spawn,
};

fn scopes(text: &str) -> GrantedScopes {
    GrantedScopes::Only(text.parse().unwrap())
}

fn builder(members: &Members) -> AuthBuilder<Members> {
    Auth::builder(members.clone())
        .passwords(AgingHasher::default())
        .tokens(ReadableTokens)
        .clients(OneClient)
        .without_login_throttle()
}

fn service(builder: AuthBuilder<Members>) -> SocketAddr {
    let auth = builder.build().expect("compatible options");
    let document = auth.openapi();
    spawn(auth, document)
}

fn default_service() -> SocketAddr {
    service(builder(&Members::with(scopes("me items:read"))))
}

fn sign_in(fields: &str) -> Request {
    post_form("/token", format!("username=johndoe@example.com&password=secret{fields}"))
}

#[track_caller]
fn assert_oauth2_error(reply: &Reply, status: u16, error: &str, detail: impl Into<Value>) {
    assert_eq!(reply.status, status, "{reply:?}");
    let body = reply.json();
    assert_eq!((&body["error"], &body["detail"]), (&json!(error), &detail.into()), "{reply:?}");
    assert!(!body["error_description"].as_str().unwrap().is_empty(), "{reply:?}");
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
}

fn missing(field: &str) -> Value {
    json!([{ "type": "missing", "loc": ["body", field], "msg": "Field required", "input": null }])
}

fn token(fields: &str, address: SocketAddr) -> String {
    sign_in(fields).send(address).json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn token_response_has_lifetime_and_scope() {
    let address = default_service();
    let reply = sign_in("").send(address);
    let body = reply.json();
    assert_eq!(reply.status, 200);
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("bearer"), &json!(60), &json!("me items:read"))
    );
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
}

#[test]
fn granted_scope_is_the_intersection_of_requested_and_allowed_scopes() {
    let address = default_service();
    for (requested, granted) in
        [("", "me items:read"), ("items:read", "items:read"), ("items:read+admin+%22", "items:read")]
    {
        let reply = sign_in(&format!("&scope={requested}")).send(address);
        assert_eq!(reply.json()["scope"], json!(granted), "{requested}");
    }
    for requested in ["admin", "%22", "me%00"] {
        let reply = sign_in(&format!("&scope={requested}")).send(address);
        assert_oauth2_error(&reply, 400, "invalid_scope", "None of the requested scopes can be granted");
    }
}

#[test]
fn user_without_scopes_gets_an_empty_scope() {
    let address = service(builder(&Members::with(scopes(""))));
    assert_eq!(sign_in("").send(address).json()["scope"], json!(""));
}

#[test]
fn token_endpoint_errors_have_the_codes_of_rfc_6749() {
    let address = default_service();
    for form in [
        "username=nobody&password=secret",
        "username=johndoe@example.com&password=wrong",
        "username=alice@example.com&password=wrong",
    ] {
        let reply = post_form("/token", form).send(address);
        assert_oauth2_error(&reply, 400, "invalid_grant", "Incorrect username or password");
    }
    let inactive = post_form("/token", "username=alice@example.com&password=secret2").send(address);
    assert_oauth2_error(&inactive, 400, "invalid_grant", "Inactive user");

    let reply = post_form("/token", "username=johndoe").send(address);
    assert_oauth2_error(&reply, 400, "invalid_request", missing("password"));
    assert_eq!(reply.json()["error_description"], json!("password: Field required"));

    let reply = sign_in("&grant_type=implicit").send(address);
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("unsupported_grant_type")));

    let broken =
        request("POST", "/token").header("Content-Type", "multipart/form-data").body("x").send(address);
    assert_oauth2_error(&broken, 400, "invalid_request", "Missing boundary in multipart.");
    let large = post_form("/token", "x".repeat(2 << 20)).send(address);
    assert_oauth2_error(&large, 413, "invalid_request", "The request body is larger than 65536 bytes");
}

#[test]
fn bearer_challenge_contains_the_error_code_of_rfc_6750() {
    let members = Members::with(scopes("me items:read"));
    let address = service(builder(&members));
    let challenge = |request: Request| {
        let reply = request.send(address);
        (
            reply.status,
            reply.json()["detail"].as_str().unwrap().to_owned(),
            reply.header("www-authenticate").unwrap_or_default(),
        )
    };
    let me = || get("/users/me");
    let none = r#"Bearer realm="api""#;
    assert_eq!(challenge(me()), (401, "Not authenticated".into(), none.into()));
    assert_eq!(
        challenge(me().header("Authorization", "Basic x")),
        (401, "Not authenticated".into(), none.into())
    );
    let invalid = (
        401,
        "Could not validate credentials".to_owned(),
        r#"Bearer realm="api", error="invalid_token""#.to_owned(),
    );
    assert_eq!(challenge(me().bearer("nonsense")), invalid);
    assert_eq!(challenge(me().bearer("1|me||1")), invalid, "expired in 1970");
    assert_eq!(challenge(me().bearer("99|me||9999999999")), invalid, "an unknown user");

    let insufficient = (
        403,
        "Not enough permissions".to_owned(),
        r#"Bearer realm="api", error="insufficient_scope", scope="me""#.to_owned(),
    );
    assert_eq!(challenge(me().bearer(&token("&scope=items:read", address))), insufficient);
    assert_eq!(
        challenge(me().bearer("2|me||9999999999")),
        (401, "Inactive user".into(), r#"Bearer realm="api", error="invalid_token""#.into())
    );

    let good = token("&scope=me", address);
    assert_eq!(me().bearer(&good).send(address).status, 200);
    members.change(1, |account| account.user.granted_scopes = scopes("items:read"));
    assert_eq!(challenge(me().bearer(&good)), insufficient, "after the user lost the scope");
}

#[test]
fn client_named_in_a_request_must_authenticate() {
    let address = default_service();
    // In Base64: web:web-secret, web:wrong, other:web-secret, and an empty name with an empty secret.
    let [right, wrong, other, empty] =
        ["d2ViOndlYi1zZWNyZXQ=", "d2ViOndyb25n", "b3RoZXI6d2ViLXNlY3JldA==", "Og=="]
            .map(|credentials| sign_in("").header("Authorization", format!("Basic {credentials}")));
    for request in [&right, &sign_in("&client_id=web&client_secret=web-secret")] {
        let token = request.send(address).json()["access_token"].as_str().unwrap().to_owned();
        assert!(token.contains("|web|"), "{token}");
    }
    for request in [&empty, &sign_in(""), &sign_in("&client_id=&client_secret=")] {
        assert_eq!(request.send(address).status, 200, "without client credentials: {request:?}");
    }
    let detail = "Incorrect client credentials";
    for request in [&wrong, &other] {
        let reply = request.send(address);
        assert_oauth2_error(&reply, 401, "invalid_client", detail);
        assert_eq!(
            reply.header("www-authenticate").as_deref(),
            Some(r#"Basic realm="token", charset="UTF-8""#)
        );
    }
    for fields in [
        "&client_id=web",
        "&client_secret=web-secret",
        "&client_id=web&client_secret=wrong",
        "&client_id=x&client_secret=web-secret",
    ] {
        let reply = sign_in(fields).send(address);
        assert_oauth2_error(&reply, 401, "invalid_client", detail);
        assert_eq!(
            reply.header("www-authenticate"),
            None,
            "only a request with Basic credentials should be challenged"
        );
    }
}

#[test]
fn sign_in_without_the_required_client_returns_invalid_client() {
    let address = service(builder(&Members::with(scopes("me"))).require_client(true));
    let reply = sign_in("").send(address);
    assert_oauth2_error(&reply, 401, "invalid_client", "Incorrect client credentials");
    assert_eq!(sign_in("&client_id=web&client_secret=web-secret").send(address).status, 200);
}

#[test]
fn builder_with_incompatible_options_fails_to_build() {
    let members = || Auth::builder(Members::with(scopes("me")));
    let with_tokens = || members().tokens(ReadableTokens);
    for (builder, expected) in [
        (members(), BuildError::NoTokens),
        (members().passwords(AgingHasher::default()), BuildError::NoTokens),
        (
            members().passwords(AgingHasher::default()).token_verifier(ReadableTokens),
            BuildError::PasswordsWithoutTokens,
        ),
        (with_tokens().refresh_tokens(Default::default()), BuildError::RefreshTokensWithoutSessions),
        (with_tokens().max_sessions(std::num::NonZeroU32::MIN), BuildError::MaxSessionsWithoutSessions),
        (with_tokens().require_client(true), BuildError::ClientRequiredWithoutRegistry),
    ] {
        assert_eq!(builder.build().err(), Some(expected), "{expected}");
    }
}

#[test]
fn malformed_or_contradictory_client_credentials_are_refused() {
    let address = default_service();
    // web:web-secret in Base64.
    let basic = "Basic d2ViOndlYi1zZWNyZXQ=";
    for (fields, credentials, status) in [
        ("&client_id=web", basic, 200),
        ("&client_id=other", basic, 400),
        ("&client_id=web&client_secret=wrong", basic, 400),
        ("&client_secret=web-secret", basic, 400),
        ("&client_id=web&client_secret=web-secret", "Basic Og==", 200),
        ("", "Basic !!!!", 401),
        ("", "Basic d2Vi", 401),
        ("", "Basic /w==", 401),
    ] {
        let reply = sign_in(fields).header("Authorization", credentials).send(address);
        let error = match status {
            200 => None,
            400 => Some("invalid_request"),
            _ => Some("invalid_client"),
        };
        assert_eq!((reply.status, reply.json()["error"].as_str()), (status, error), "{fields} {credentials}");
    }
}

#[test]
fn missing_required_grant_type_returns_invalid_request() {
    let address = service(builder(&Members::with(scopes("me"))).require_grant_type(true));
    let reply = sign_in("").send(address);
    assert_oauth2_error(&reply, 400, "invalid_request", missing("grant_type"));
    assert_eq!(sign_in("&grant_type=password").send(address).status, 200);
}

#[actix_web::test]
async fn sign_in_without_the_required_client_or_without_a_hasher_is_refused() {
    let members = Members::with(scopes("me"));
    let client_info = ClientInfo::default();
    let (username, password) = ("johndoe@example.com", &"secret".into());
    let sign_in = || SignIn {
        username,
        password,
        scopes: &[],
        audiences: &[],
        client: None,
        client_info: &client_info,
    };
    let with_client = builder(&members).require_client(true).build().unwrap();
    assert!(matches!(with_client.sign_in(sign_in()).await, Err(AuthError::InvalidClient)));
    let without_hasher = Auth::builder(members).tokens(ReadableTokens).build().unwrap();
    assert!(matches!(without_hasher.sign_in(sign_in()).await, Err(AuthError::UnsupportedGrant)));
}

#[test]
fn auth_without_grants_has_no_token_endpoint() {
    let builder = Auth::builder(Members::with(scopes("me"))).tokens(ReadableTokens);
    let auth = builder.password_grant(false).build().unwrap();
    let document = auth.openapi();
    assert!(!document.paths.paths.contains_key("/token"));
    let address = spawn(auth, document);
    assert_eq!(sign_in("").send(address).status, 404);
    assert_eq!(get("/users/me").bearer("1|me||9999999999").send(address).status, 200);
}

#[test]
fn unavailable_store_returns_503_with_retry_after() {
    let address = default_service();
    let reply = post_form("/token", format!("username={UNAVAILABLE}&password=secret")).send(address);
    assert_eq!((reply.status, reply.header("retry-after").as_deref()), (503, Some("1")));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
}
