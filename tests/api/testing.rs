//! `gatepass::testing`, the test doubles for applications.

use actix_web::{
    App, HttpResponse,
    http::StatusCode,
    test::{TestRequest, call_and_read_body_json, call_service, init_service},
    web,
};
use gatepass::{
    AccessToken, ActiveUser, Auth, BackendError, Claims, ClientInfo, CurrentUser, GrantedScopes, MaybeUser,
    RequiredScopes, Subject, Timestamp, TokenVerifier,
    testing::{SignedIn, TestAuth, TestUsers, contract},
};
use serde_json::Value;

use crate::{
    contract::hash_maps::InMemorySessions,
    support::doubles::{Member, Members},
};

struct ReadTodos;

impl RequiredScopes for ReadTodos {
    const SCOPES: &'static [&'static str] = &["todos:read"];
}

fn member(id: u64, suspended: bool) -> Member {
    let granted_scopes = GrantedScopes::Only("todos:read".parse().unwrap());
    Member { id, email: "johndoe@example.com".into(), suspended, granted_scopes }
}

async fn active(_: ActiveUser<Member, ReadTodos>) -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn current(_: CurrentUser<Member>) -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn maybe(_: MaybeUser<Member>) -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// Registers a route for each extractor and middleware.
fn routes(auth: &Auth<Member>) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let (auth, endpoints) = (auth.clone(), auth.routes());
    move |config| {
        config
            .configure(endpoints)
            .route("/active", web::get().to(active))
            .route("/current", web::get().to(current))
            .route("/maybe", web::get().to(maybe))
            .service(web::resource("/bearer").wrap(auth.bearer()).get(maybe))
            .service(web::resource("/required").wrap(auth.require::<ReadTodos>()).get(maybe));
    }
}

struct NoVerifier;

impl TokenVerifier for NoVerifier {
    async fn verify(&self, _: &AccessToken, _: Timestamp) -> Result<Option<Claims>, BackendError> {
        panic!("expected no call: requests from `signed_in` have no token");
    }
}

#[actix_web::test]
async fn signed_in_request_is_authorized_without_querying_the_store() {
    let members = Members::default();
    let auth = Auth::builder(members.clone()).token_verifier(NoVerifier).build().unwrap();
    let app = init_service(App::new().configure(routes(&auth))).await;
    let (ok, unauthorized, forbidden) = (StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN);
    let (johndoe, alice) = (member(1, false), member(2, true));
    for (user, scopes, active, current) in [
        (Some(&johndoe), "todos:read", ok, ok),
        (Some(&johndoe), "", forbidden, ok),
        // `todos:write` is not the required scope.
        (Some(&johndoe), "todos:write", forbidden, ok),
        (Some(&alice), "todos:read", unauthorized, ok),
        (None, "", unauthorized, unauthorized),
    ] {
        for (path, status) in [
            ("/active", active),
            ("/required", active),
            ("/current", current),
            ("/maybe", ok),
            ("/bearer", ok),
        ] {
            let mut request = TestRequest::get().uri(path).to_request();
            if let Some(user) = user {
                request = request.signed_in(user, scopes);
            }
            let response = call_service(&app, request).await;
            assert_eq!(response.status(), status, "{path} as {user:?} with {scopes:?}");
        }
    }
    assert_eq!(members.lookups(), 0);
}

#[actix_web::test]
async fn test_auth_token_is_refused_while_its_user_is_disabled_and_after_sign_out() {
    let users = TestUsers::new([("johndoe", "secret", member(1, false))]);
    let auth = TestAuth::with(users.clone(), |builder| builder.sessions(InMemorySessions::default()));
    let app = init_service(App::new().configure(routes(&auth))).await;
    let sign_in = async |password| {
        let form = [("username", "johndoe"), ("password", password)];
        let request = TestRequest::post().uri("/token").set_form(form).to_request();
        call_and_read_body_json::<_, _, Value>(&app, request).await
    };
    let status = async |response: &Value| {
        let bearer = format!("Bearer {}", response["access_token"].as_str().unwrap());
        let request = TestRequest::get().uri("/active").insert_header(("Authorization", bearer));
        call_service(&app, request.to_request()).await.status()
    };
    assert_eq!(sign_in("wrong").await["error"], "invalid_grant");
    let token = sign_in("secret").await;
    assert_eq!(status(&token).await, StatusCode::OK);
    users.update(member(1, true));
    assert_eq!(status(&token).await, StatusCode::UNAUTHORIZED, "after the user was disabled");
    users.update(member(1, false));
    assert_eq!(status(&token).await, StatusCode::OK);
    auth.end_all_sessions(&Subject::from(1_u64), &ClientInfo::default()).await.unwrap();
    assert_eq!(status(&token).await, StatusCode::UNAUTHORIZED, "after the sign-out");
}

#[actix_web::test]
async fn test_users_fulfill_the_store_contracts() {
    let users = [("johndoe", "secret", member(1, false)), ("alice", "secret2", member(2, true))];
    let users = TestUsers::new(users);
    contract::user_store(&users, ["johndoe", "alice"]).await.unwrap();
    contract::password_store(&users, ["johndoe", "alice"]).await.unwrap();
}

#[test]
fn testing_page_shows_the_application_and_its_tests() {
    let (page, example) = (include_str!("../../docs/testing.md"), include_str!("todos.rs"));
    let (application, tests) = example.split_once("// The tests.\n").expect("two parts");
    for part in [application.split_once("\n\n").expect("a heading").1, tests] {
        assert!(page.contains(part.trim()), "docs/testing.md does not show tests/api/todos.rs:\n{part}");
    }
    assert!(tests.lines().count() < 40 && page.lines().count() <= 120);
}
