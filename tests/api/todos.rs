//! An application and its tests. docs/testing.md shows this file.

use std::time::Duration;

use actix_web::{App, get, http::StatusCode, test, test::TestRequest, web::ServiceConfig};
use gatepass::{ActiveUser, Auth, AuthUser, GrantedScopes, Subject};

#[derive(Clone)]
struct Member {
    id: i64,
    name: &'static str,
}

impl AuthUser for Member {
    fn subject(&self) -> Subject {
        self.id.into()
    }
    fn is_active(&self) -> bool {
        true
    }
    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::All
    }
}

gatepass::required_scopes! {
    struct ReadTodos = ["todos:read"];
}

#[get("/todos")]
async fn todos(me: ActiveUser<Member, ReadTodos>) -> String {
    format!("the todos of {}", me.name)
}

fn api(auth: &Auth<Member>) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let routes = auth.routes();
    move |config| {
        config.configure(routes).service(todos);
    }
}

// The tests.
use gatepass::testing::{SignedIn, TestAuth};

const JOHNDOE: Member = Member { id: 1, name: "johndoe" };

#[actix_web::test]
async fn todos_returns_the_todos_of_the_user() {
    let app = test::init_service(App::new().configure(api(&TestAuth::new([])))).await;
    let request = TestRequest::get().uri("/todos").to_request().signed_in(&JOHNDOE, "todos:read");
    assert_eq!(test::call_and_read_body(&app, request).await, "the todos of johndoe");
}

#[actix_web::test]
async fn todos_without_the_required_scope_returns_403() {
    let app = test::init_service(App::new().configure(api(&TestAuth::new([])))).await;
    let request = TestRequest::get().uri("/todos").to_request().signed_in(&JOHNDOE, "todos:write");
    assert_eq!(test::call_service(&app, request).await.status(), StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn token_is_valid_for_15_minutes() {
    let auth = TestAuth::new([("johndoe", "secret", JOHNDOE)]);
    let app = test::init_service(App::new().configure(api(&auth))).await;
    let form = [("username", "johndoe"), ("password", "secret"), ("scope", "todos:read")];
    let sign_in = TestRequest::post().uri("/token").set_form(form).to_request();
    let response: serde_json::Value = test::call_and_read_body_json(&app, sign_in).await;
    let bearer = format!("Bearer {}", response["access_token"].as_str().unwrap());
    for (seconds, status) in [(899, StatusCode::OK), (1, StatusCode::UNAUTHORIZED)] {
        auth.advance(Duration::from_secs(seconds));
        let request = TestRequest::get().uri("/todos").insert_header(("Authorization", bearer.as_str()));
        assert_eq!(test::call_service(&app, request.to_request()).await.status(), status);
    }
}
