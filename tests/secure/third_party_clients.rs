//! Third-party OAuth clients sign in and refresh: the crate oauth2, and requests-oauthlib and Authlib from PyPI.

use std::{convert::Infallible, process::Command, time::Duration};

use oauth2::{
    AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, RefreshToken,
    RequestTokenError, ResourceOwnerPassword, ResourceOwnerUsername, Scope, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse, BasicTokenType},
};

use crate::{
    secure::{JOHNDOE, Service, add_client, on_sqlite, read, request, skip},
    support::python,
};

fn send(service: &Service, request_of_crate: &HttpRequest) -> HttpResponse {
    let target = request_of_crate.uri().path_and_query().expect("a path").as_str();
    let mut request = request(request_of_crate.method().as_str(), target);
    for (name, value) in request_of_crate.headers() {
        request = request.header(name.as_str(), value);
    }
    let reply = request.body(request_of_crate.body()).send(service.address);
    let mut response = HttpResponse::new(reply.body.clone());
    *response.status_mut() = reply.status.try_into().expect("a status");
    let content_type = reply.header("content-type").expect("a Content-Type");
    response.headers_mut().insert("content-type", content_type.parse().expect("a value"));
    response
}

type Tokens = Result<BasicTokenResponse, RequestTokenError<Infallible, BasicErrorResponse>>;

/// A client that uses the crate oauth2.
struct Client<'a> {
    service: &'a Service,
    oauth2: BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>,
}

impl<'a> Client<'a> {
    fn new(service: &'a Service, id: &str, secret: Option<&str>, method: AuthType) -> Self {
        let url = TokenUrl::new(format!("http://{}/token", service.address)).expect("a URL");
        let client = BasicClient::new(ClientId::new(id.into())).set_token_uri(url).set_auth_type(method);
        let oauth2 = match secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.into())),
            None => client,
        };
        Self { service, oauth2 }
    }

    fn sign_in(&self, password: &str, scopes: &[&str]) -> Tokens {
        let password = ResourceOwnerPassword::new(password.into());
        self.oauth2
            .exchange_password(&ResourceOwnerUsername::new("johndoe".into()), &password)
            .add_scopes(scopes.iter().map(|scope| Scope::new((*scope).into())))
            .request(&|request: HttpRequest| Ok::<_, Infallible>(send(self.service, &request)))
    }

    fn refresh(&self, token: &RefreshToken, scopes: &[&str]) -> Tokens {
        self.oauth2
            .exchange_refresh_token(token)
            .add_scopes(scopes.iter().map(|scope| Scope::new((*scope).into())))
            .request(&|request: HttpRequest| Ok::<_, Infallible>(send(self.service, &request)))
    }
}

/// Asserts that the service returned this error with this description.
#[track_caller]
fn expect_error(tokens: Tokens, error: &BasicErrorResponseType, description: &str) {
    match tokens {
        Err(RequestTokenError::ServerResponse(response)) => {
            assert_eq!(response.error(), error);
            assert_eq!(response.error_description().map(String::as_str), Some(description));
        }
        other => panic!("{other:?}"),
    }
}

const PASSPHRASE: &str = "johndoe's own passphrase";

#[test]
fn oauth2_crate_can_sign_in_and_refresh_tokens() {
    let (gatepass, service) = on_sqlite(&["--require-grant-type", "--refresh-grace", "0"]);
    let missing_grant_type = service.sign_in(JOHNDOE);
    assert_eq!(missing_grant_type.json()["error"], "invalid_request");
    let secret = add_client(&gatepass, "web");
    let all = ["me", "users:read", "offline_access"];
    let scopes = |names: &[&str]| Some(names.iter().map(|name| Scope::new((*name).into())).collect());
    gatepass.done(&["clients", "add", "app", "--public"]);
    for (client_id, secret, method) in [
        ("", None, AuthType::RequestBody),
        ("app", None, AuthType::RequestBody),
        ("gatepass", None, AuthType::RequestBody),
        ("web", Some(&*secret), AuthType::BasicAuth),
        ("web", Some(&*secret), AuthType::RequestBody),
    ] {
        let client = Client::new(&service, client_id, secret, method);
        let expect_user = |tokens: &BasicTokenResponse| {
            let token = tokens.access_token().secret();
            let claimed = read(token).1;
            let expected = if client_id.is_empty() { "gatepass" } else { client_id };
            assert_eq!(claimed["client_id"], expected);
            assert_eq!(service.users_me(token).json()["username"], "johndoe");
        };
        let narrow = client.sign_in(PASSPHRASE, &["me", "admin"]).expect("a token");
        assert_eq!(narrow.token_type(), &BasicTokenType::Bearer);
        assert_eq!(narrow.expires_in(), Some(Duration::from_secs(900)));
        assert_eq!(narrow.scopes().cloned(), scopes(&["me"]));
        expect_user(&narrow);

        let first = client.sign_in(PASSPHRASE, &all).expect("tokens");
        let first = first.refresh_token().expect("a refresh token");
        let second = client.refresh(first, &["me"]).expect("tokens");
        assert_eq!(second.scopes().cloned(), scopes(&["me"]));
        let third = client.refresh(second.refresh_token().expect("a refresh token"), &[]).expect("tokens");
        assert_eq!(third.scopes().cloned(), scopes(&all));
        expect_user(&third);

        let current = third.refresh_token().expect("a refresh token");
        let widened = "The request includes scopes that were not granted at sign-in";
        expect_error(
            client.refresh(current, &["me", "admin"]),
            &BasicErrorResponseType::InvalidScope,
            widened,
        );
        for token in [first, current] {
            let invalid = &BasicErrorResponseType::InvalidGrant;
            expect_error(client.refresh(token, &[]), invalid, "Invalid refresh token");
        }
    }

    let wrong = Client::new(&service, "", None, AuthType::RequestBody).sign_in("wrong", &[]);
    expect_error(wrong, &BasicErrorResponseType::InvalidGrant, "Incorrect username or password");
    let wrong = Client::new(&service, "web", Some("wrong"), AuthType::BasicAuth).sign_in(PASSPHRASE, &[]);
    expect_error(wrong, &BasicErrorResponseType::InvalidClient, "Incorrect client credentials");
}

#[test]
fn requests_oauthlib_and_authlib_can_sign_in_and_refresh_tokens() {
    let python = match python::program("python") {
        Ok(python) => python,
        Err(why) => return skip(why),
    };
    let (gatepass, service) = on_sqlite(&[]);
    gatepass.done(&["clients", "add", "app", "--public"]);
    let output = Command::new(&python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/secure/third_party_clients.py"))
        .arg(format!("http://{}", service.address))
        .arg(add_client(&gatepass, "web"))
        // By default, both libraries refuse plain HTTP.
        .envs([("OAUTHLIB_INSECURE_TRANSPORT", "1"), ("AUTHLIB_INSECURE_TRANSPORT", "1")])
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
