//! Checks that each recipe does what README.md promises.

use std::time::{Duration, Instant};

use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::{App, body::to_bytes};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepass::{Account, ClientSecretHash, PasswordHasher, Subject, UserStore};
use gatepass::{jwt::JwtTokens, passwords::Argon2Hasher};
use recipes::{api_key::ApiKeys, auth, login::Links, routes, users::User, users::Users};
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSWORD: &str = "glacier violin marmalade";
const CODE: &str = "4f2c8a9d0b7e6f15c3a2918d7e6b5c40";

/// Returns two users: johndoe of the tenant `acme` is an editor and administrator, and alice may write items.
async fn users() -> Users {
    let hash = Argon2Hasher::default()
        .hash(&PASSWORD.into())
        .await
        .unwrap();
    let user = |id, name: &str, tenant: &str, scopes: &str| User {
        id,
        username: name.to_owned(),
        email: format!("{name}@example.com"),
        tenant: tenant.to_owned(),
        is_editor: tenant == "acme",
        scopes: scopes.parse().unwrap(),
    };
    Users(vec![
        Account::new(user(1, "johndoe", "acme", "admin"), hash.clone()),
        Account::new(user(2, "alice", "wonderland", "items:write"), hash),
    ])
}

/// Builds the application.
macro_rules! app {
    ($directory:ident) => {{
        let keys_directory = $directory.path().join("keys");
        let tokens = JwtTokens::open(keys_directory, "https://api.example.com").unwrap();
        let mut keys = ApiKeys::default();
        keys.add("backup", &ClientSecretHash::of(&CODE.into()));
        let links = Links::default();
        links.add(
            CODE.to_owned(),
            2_i64.into(),
            Instant::now() + Duration::from_secs(60),
        );
        links.add("expired".to_owned(), 2_i64.into(), Instant::now());
        let auth = auth(users().await, tokens).unwrap();
        init_service(App::new().configure(routes(auth, keys, links))).await
    }};
}

/// Sends a request, and returns the status and the body.
macro_rules! send {
    ($app:expr, $request:expr) => {{
        let (status, body) = match try_call_service(&$app, $request.to_request()).await {
            Ok(response) => (response.status(), to_bytes(response.into_body()).await.ok()),
            Err(error) => {
                let response = error.error_response();
                (response.status(), to_bytes(response.into_body()).await.ok())
            }
        };
        (
            status.as_u16(),
            String::from_utf8(body.unwrap().to_vec()).unwrap(),
        )
    }};
}

fn get(path: &str, token: &str) -> TestRequest {
    TestRequest::get()
        .uri(path)
        .insert_header(("Authorization", format!("Bearer {token}")))
}

fn anonymous(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

/// Signs in at `/token` and returns the token.
macro_rules! token {
    ($app:expr, $name:expr) => {{
        let form = [("username", $name), ("password", PASSWORD)];
        let (status, body) = send!($app, TestRequest::post().uri("/token").set_form(form));
        assert_eq!(status, 200, "{body}");
        field(&body, "access_token")
    }};
}

fn field(body: &str, name: &str) -> String {
    serde_json::from_str::<Value>(body).unwrap()[name]
        .as_str()
        .unwrap()
        .to_owned()
}

fn error(status: u16, code: Option<&str>, message: &str) -> (u16, String) {
    let error = json!({ "status": status, "code": code, "message": message });
    (status, json!({ "error": error }).to_string())
}

fn ok(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

#[actix_web::test]
async fn routes_are_protected_as_documented() {
    let directory = TempDir::new().unwrap();
    let app = app!(directory);
    let (johndoe, alice) = (&token!(app, "johndoe"), &token!(app, "alice"));
    let no_token = || error(401, None, "Not authenticated");

    assert_eq!(send!(app, anonymous("/")), ok("Hello, stranger"));
    assert_eq!(send!(app, get("/", alice)), ok("Hello, alice"));
    let invalid = error(401, Some("invalid_token"), "Could not validate credentials");
    assert_eq!(send!(app, get("/", "invalid")), invalid);

    assert_eq!(send!(app, get("/edit", johndoe)), ok("edited by johndoe"));
    assert_eq!(
        send!(app, get("/edit", alice)),
        error(403, None, "Editors only")
    );
    assert_eq!(send!(app, anonymous("/edit")), no_token());

    let forbidden = || error(403, Some("insufficient_scope"), "Not enough permissions");
    assert_eq!(send!(app, get("/any-scope", alice)), ok("items"));
    assert_eq!(send!(app, get("/any-scope", johndoe)), forbidden());

    assert_eq!(
        send!(app, get("/admin/statistics", johndoe)),
        ok("statistics")
    );
    for path in ["/admin/statistics", "/admin/unknown"] {
        assert_eq!(send!(app, get(path, alice)), forbidden());
        assert_eq!(send!(app, anonymous(path)), no_token());
    }

    assert_eq!(send!(app, get("/home", johndoe)), ok("home of acme"));
    assert_eq!(send!(app, get("/home", alice)), ok("home"));
    assert_eq!(send!(app, anonymous("/home")), ok("home"));
}

#[actix_web::test]
async fn subject_that_is_not_a_number_matches_no_user() {
    let subject = Subject::new("johndoe").unwrap();
    assert!(
        users()
            .await
            .find_by_subject(&subject)
            .await
            .unwrap()
            .is_none()
    );
}

#[actix_web::test]
async fn rate_limit_applies_to_each_user_separately() {
    let directory = TempDir::new().unwrap();
    let app = app!(directory);
    let (johndoe, alice) = (&token!(app, "johndoe"), &token!(app, "alice"));
    for _ in 0..2 {
        assert_eq!(send!(app, get("/expensive", johndoe)), ok("done"));
    }
    assert_eq!(send!(app, get("/expensive", johndoe)).0, 429);
    assert_eq!(send!(app, get("/expensive", alice)), ok("done"));
    assert_eq!(send!(app, anonymous("/expensive")).0, 401);
}

#[actix_web::test]
async fn api_key_is_accepted_instead_of_a_token() {
    let directory = TempDir::new().unwrap();
    let app = app!(directory);
    let with_key = |key: &str| anonymous("/report").insert_header(("X-Api-Key", key));
    assert_eq!(
        send!(app, with_key(CODE)),
        ok("report for the program backup")
    );
    let invalid = error(401, Some("invalid_token"), "Could not validate credentials");
    assert_eq!(send!(app, with_key("wrong")), invalid);
    assert_eq!(send!(app, anonymous("/report")).0, 401);
    let alice = token!(app, "alice");
    assert_eq!(send!(app, get("/report", &alice)), ok("report for alice"));
}

#[actix_web::test]
async fn sign_ins_of_all_kinds_return_a_token_with_custom_claims() {
    let directory = TempDir::new().unwrap();
    let app = app!(directory);
    token!(app, "Alice@Example.com");
    token!(app, "ALICE");

    let login = |password| {
        let body = json!({ "name": "alice", "password": password });
        TestRequest::post().uri("/login").set_json(body)
    };
    let (status, body) = send!(app, login(PASSWORD));
    assert_eq!((status, &*field(&body, "username")), (200, "alice"));
    let payload = field(&body, "access_token")
        .split('.')
        .nth(1)
        .unwrap()
        .to_owned();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(field(&payload, "tenant"), "wonderland");
    let wrong = error(400, Some("invalid_grant"), "Incorrect username or password");
    assert_eq!(send!(app, login("wrong")), wrong);
    let malformed = TestRequest::post()
        .uri("/login")
        .set_json(json!({ "password": PASSWORD }));
    let (status, body) = send!(app, malformed);
    let message = "Json deserialize error: missing field `name` at line 1 column 39";
    assert_eq!((status, body), error(400, None, message));

    let with_link = |code: &'static str| TestRequest::post().uri("/login/link").set_payload(code);
    let (status, body) = send!(app, with_link(CODE));
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        send!(app, get("/", &field(&body, "access_token"))),
        ok("Hello, alice")
    );
    for code in [CODE, "expired", "unknown"] {
        assert_eq!(send!(app, with_link(code)), wrong, "{code}");
    }
}
