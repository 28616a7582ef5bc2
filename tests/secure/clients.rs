//! Clients that others wrote sign in and refresh: the crate oauth2, and from PyPI requests-oauthlib and Authlib.

use std::{convert::Infallible, process::Command, time::Duration};

use oauth2::{
    AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, RefreshToken,
    RequestTokenError, ResourceOwnerPassword, ResourceOwnerUsername, Scope, TokenResponse, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse, BasicTokenType},
};

use crate::support::{
    http::request,
    left_out,
    program::Gatepass,
    python,
    secure_profile::{Service, add_client, add_johndoe, read, serve},
};

/// What the crate needs: a request in, its answer out.
fn send(service: &Service, wanted: &HttpRequest) -> HttpResponse {
    let target = wanted.uri().path_and_query().expect("a path").as_str();
    let mut asked = request(wanted.method().as_str(), target);
    for (name, value) in wanted.headers() {
        asked = asked.header(name.as_str(), value);
    }
    let reply = asked.body(wanted.body()).send(service.address);
    let mut response = HttpResponse::new(reply.body.clone());
    *response.status_mut() = reply.status.try_into().expect("a status");
    let content_type = reply.header("content-type").expect("a Content-Type");
    response.headers_mut().insert("content-type", content_type.parse().expect("a value"));
    response
}

/// Who the client says it is, and how.
#[derive(Clone)]
struct Client<'a> {
    id: &'a str,
    secret: Option<&'a str>,
    by: AuthType,
}

type Answer = Result<BasicTokenResponse, RequestTokenError<Infallible, BasicErrorResponse>>;

/// The crate's client: one that knows where tokens are.
type AtToken = BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

fn client(service: &Service, client: Client<'_>) -> AtToken {
    let url = TokenUrl::new(format!("http://{}/token", service.address)).expect("a URL");
    let basic = BasicClient::new(ClientId::new(client.id.into())).set_token_uri(url).set_auth_type(client.by);
    match client.secret {
        Some(secret) => basic.set_client_secret(ClientSecret::new(secret.into())),
        None => basic,
    }
}

fn refresh(service: &Service, asks: Client<'_>, token: &RefreshToken, scopes: &[&str]) -> Answer {
    client(service, asks)
        .exchange_refresh_token(token)
        .add_scopes(scopes.iter().map(|scope| Scope::new((*scope).into())))
        .request(&|request: HttpRequest| Ok::<_, Infallible>(send(service, &request)))
}

fn exchange(service: &Service, asks: Client<'_>, password: &str, scopes: &[&str]) -> Answer {
    let (username, password) =
        (ResourceOwnerUsername::new("johndoe".into()), ResourceOwnerPassword::new(password.into()));
    client(service, asks)
        .exchange_password(&username, &password)
        .add_scopes(scopes.iter().map(|scope| Scope::new((*scope).into())))
        .request(&|request: HttpRequest| Ok::<_, Infallible>(send(service, &request)))
}

fn refused(answer: Answer) -> BasicErrorResponse {
    match answer {
        Err(RequestTokenError::ServerResponse(refusal)) => refusal,
        answer => panic!("{answer:?}"),
    }
}

const PASSPHRASE: &str = "johndoe's own passphrase";

#[test]
fn the_crate_oauth2_signs_in() {
    Gatepass::on_both("the_crate_oauth2_signs_in", |gatepass| {
        add_johndoe(gatepass);
        let registered = gatepass.json(&["clients", "add", "web"]);
        let secret = registered["client_secret"].as_str().unwrap();
        let service = serve(gatepass, &["--require-grant-type"]);
        let nobody = || Client { id: "", secret: None, by: AuthType::RequestBody };
        let web = |secret, by| Client { id: "web", secret, by };

        for (client, client_id) in [
            (nobody(), None),
            (web(Some(secret), AuthType::BasicAuth), Some("web")),
            (web(Some(secret), AuthType::RequestBody), Some("web")),
        ] {
            let token = exchange(&service, client, PASSPHRASE, &["me", "admin"]).expect("a token");
            assert_eq!(token.token_type(), &BasicTokenType::Bearer);
            assert_eq!(token.expires_in(), Some(Duration::from_secs(900)));
            assert_eq!(token.scopes(), Some(&vec![Scope::new("me".into())]));
            let token = token.access_token().secret();
            assert_eq!(read(token).1.get("client_id").and_then(|id| id.as_str()), client_id);
            assert_eq!(service.users_me(token).json()["username"], "johndoe");
        }

        let wrong = refused(exchange(&service, nobody(), "wrong", &[]));
        assert_eq!(wrong.error(), &BasicErrorResponseType::InvalidGrant);
        assert_eq!(wrong.error_description().map(String::as_str), Some("Incorrect username or password"));
        let scope = refused(exchange(&service, nobody(), PASSPHRASE, &["admin"]));
        assert_eq!(scope.error(), &BasicErrorResponseType::InvalidScope);
        for client in [
            web(None, AuthType::RequestBody),
            web(Some("wrong"), AuthType::RequestBody),
            web(Some("wrong"), AuthType::BasicAuth),
        ] {
            let refusal = refused(exchange(&service, client, PASSPHRASE, &[]));
            assert_eq!(refusal.error(), &BasicErrorResponseType::InvalidClient);
        }
    });
}

#[test]
fn the_crate_oauth2_refreshes() {
    Gatepass::on_both("the_crate_oauth2_refreshes", |gatepass| {
        add_johndoe(gatepass);
        let secret = &add_client(gatepass, "web");
        let service = serve(gatepass, &["--require-grant-type", "--refresh-grace", "0"]);
        let nobody = || Client { id: "", secret: None, by: AuthType::RequestBody };
        let web = |by| Client { id: "web", secret: Some(secret), by };
        let all = ["me", "users:read", "offline_access"].map(|scope| Scope::new(scope.into()));
        for (client, client_id) in [
            (nobody(), None),
            (web(AuthType::BasicAuth), Some("web")),
            (web(AuthType::RequestBody), Some("web")),
        ] {
            let first =
                exchange(&service, client.clone(), PASSPHRASE, &["me", "users:read", "offline_access"]);
            let first = first.expect("tokens");
            let first = first.refresh_token().expect("a refresh token");
            let second = refresh(&service, client.clone(), first, &["me"]).expect("tokens");
            assert_eq!(second.scopes(), Some(&vec![Scope::new("me".into())]));
            let third = second.refresh_token().expect("the next refresh token");
            let third = refresh(&service, client.clone(), third, &[]).expect("tokens");
            assert_eq!(third.scopes().map(Vec::as_slice), Some(&all[..]));
            let token = third.access_token().secret();
            assert_eq!(read(token).1.get("client_id").and_then(|id| id.as_str()), client_id);
            assert_eq!(service.users_me(token).status, 200);

            let newest = third.refresh_token().expect("the next refresh token");
            let wider = refused(refresh(&service, client.clone(), newest, &["me", "admin"]));
            assert_eq!(wider.error(), &BasicErrorResponseType::InvalidScope);
            for token in [first, newest] {
                let old = refused(refresh(&service, client.clone(), token, &[]));
                assert_eq!(old.error(), &BasicErrorResponseType::InvalidGrant);
                assert_eq!(old.error_description().map(String::as_str), Some("Invalid refresh token"));
            }
        }
    });
}

#[test]
fn the_clients_of_pypi_sign_in() {
    let python = match python::program("python") {
        Ok(python) => python,
        Err(why) => return left_out("the_clients_of_pypi_sign_in", &why),
    };
    Gatepass::on_both("the_clients_of_pypi_sign_in", |gatepass| {
        add_johndoe(gatepass);
        let registered = gatepass.json(&["clients", "add", "web"]);
        let service = serve(gatepass, &[]);
        let output = Command::new(&python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/secure/clients.py"))
            .arg(format!("http://{}", service.address))
            .arg(registered["client_secret"].as_str().unwrap())
            // Both take https alone otherwise.
            .envs([("OAUTHLIB_INSECURE_TRANSPORT", "1"), ("AUTHLIB_INSECURE_TRANSPORT", "1")])
            .env("NO_PROXY", "*")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}
