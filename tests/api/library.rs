//! The library in an application of its user's own: another model, another store, its own routes.

use std::{net::SocketAddr, sync::mpsc, thread};

use actix_web::{App, HttpServer, Responder, dev::ServiceRequest, web};
use actix_web_httpauth::middleware::HttpAuthentication;
use gatepass::{
    ActiveUser, BearerToken, CurrentUser, MaybeUser, PasswordRequestForm, StrictPasswordRequestForm, TokenApi,
};
use serde_json::json;
use utoipa::OpenApi;

use crate::{
    ports::{AgeingHasher, BROKEN, Member, Members, PANICS, UNAVAILABLE, auth},
    support::{
        http::{get, post_form, request},
        service::{PATIENCE, spawn},
    },
};

/// An application with one route for each of the library's extractors.
struct Application {
    address: SocketAddr,
    members: Members,
    hasher: AgeingHasher,
}

fn application() -> Application {
    let (members, hasher) = (Members::default(), AgeingHasher::default());
    let auth = auth(&members, &hasher);
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let server = HttpServer::new(move || {
                App::new()
                    .wrap(auth.bearer())
                    .configure(auth.routes())
                    .route("/public", web::get().to(async || "public"))
                    .route("/current", web::get().to(current))
                    .route("/active", web::post().to(active))
                    .route("/maybe", web::get().to(maybe))
                    .route("/json", web::get().to(json_of_me))
                    .route("/both", web::get().to(both))
                    .route("/token-of", web::get().to(token_of))
                    .service(
                        web::resource("/behind-httpauth")
                            .wrap(HttpAuthentication::with_fn(let_bearers_pass))
                            .to(async || "passed"),
                    )
                    .route("/form", web::post().to(form))
                    .route("/strict", web::post().to(strict))
                    .service(
                        web::scope("/elsewhere")
                            .route("", web::get().to(async |_: CurrentUser<Stranger>| "never")),
                    )
            })
            .workers(1)
            .disable_signals()
            .bind("127.0.0.1:0")
            .unwrap();
            send.send(server.addrs()[0]).unwrap();
            server.run().await
        })
    });
    Application { address: receive.recv_timeout(PATIENCE).unwrap(), members, hasher }
}

/// A user model whose middleware is not mounted.
#[derive(Clone)]
struct Stranger;

impl gatepass::AuthUser for Stranger {
    fn subject(&self) -> gatepass::Subject {
        "stranger".into()
    }

    fn is_active(&self) -> bool {
        true
    }

    fn allowed_scopes(&self) -> gatepass::GrantedScopes {
        gatepass::GrantedScopes::All
    }
}

async fn current(me: CurrentUser<Member>) -> impl Responder {
    format!("{} {}", me.email, me.claims().subject)
}

async fn active(me: ActiveUser<Member>, body: web::Json<u64>) -> impl Responder {
    web::Json(json!({ "me": me.into_inner(), "body": body.0 }))
}

async fn json_of_me(current: CurrentUser<Member>, active: ActiveUser<Member>) -> impl Responder {
    let [current, active] = [current.json(), active.json()].map(|json| json.expect("a member is JSON"));
    assert_eq!(current, active);
    active
}

async fn maybe(user: MaybeUser<Member>) -> impl Responder {
    user.0.map_or("nobody".to_owned(), |user| user.email.clone())
}

async fn both(first: CurrentUser<Member>, second: ActiveUser<Member>) -> impl Responder {
    (first.id == second.id).to_string()
}

async fn token_of(token: BearerToken) -> impl Responder {
    token.0.expose().to_owned()
}

/// What an application has that uses actix-web-httpauth and wants our reading of the header.
async fn let_bearers_pass(
    request: ServiceRequest,
    _: BearerToken,
) -> Result<ServiceRequest, (actix_web::Error, ServiceRequest)> {
    Ok(request)
}

async fn form(form: PasswordRequestForm) -> impl Responder {
    format!(
        "{:?} {} {:?} {:?} {:?}",
        form.grant_type,
        form.username.as_str(),
        form.scopes,
        form.client_id,
        form.client_secret.as_ref().map(|secret| secret.expose())
    )
}

async fn strict(form: StrictPasswordRequestForm) -> impl Responder {
    form.username.as_str().to_owned()
}

#[test]
fn a_user_is_had_as_json() {
    let Application { address, .. } = application();
    let active = request("POST", "/active").bearer("1").header("Content-Type", "application/json").body("7");
    let expected = active.send(address).json()["me"].clone();
    assert_eq!(expected["email"], "johndoe@example.com");
    for _ in 0..2 {
        assert_eq!(get("/json").bearer("1").send(address).json(), expected);
    }
}

#[test]
fn actix_web_httpauth_takes_our_bearer_token() {
    let Application { address, .. } = application();
    assert_eq!(get("/behind-httpauth").header("Authorization", "bearer   1 ").send(address).text(), "passed");
    let refused = get("/behind-httpauth").send(address);
    assert_eq!((refused.status, refused.header("WWW-Authenticate").as_deref()), (401, Some("Bearer")));
}

#[test]
fn members_sign_in_by_email_and_are_known_by_their_id() {
    let Application { address, .. } = application();
    let reply = post_form("/token", "username=johndoe@example.com&password=secret").send(address);
    assert_eq!(reply.text(), r#"{"access_token":"1","token_type":"bearer"}"#);
    let reply = get("/current").bearer("1").send(address);
    assert_eq!(reply.text(), "johndoe@example.com 1");
}

#[test]
fn an_inactive_member_gets_no_token_and_only_the_right_password_tells() {
    let Application { address, .. } = application();
    let reply = post_form("/token", "username=alice@example.com&password=secret2").send(address);
    assert_eq!((reply.status, reply.json()), (400, json!({ "detail": "Inactive user" })));
    let reply = post_form("/token", "username=alice@example.com&password=wrong").send(address);
    assert_eq!((reply.status, reply.json()), (400, json!({ "detail": "Incorrect username or password" })));
}

#[test]
fn a_current_user_may_be_inactive_and_an_active_one_may_not() {
    let Application { address, .. } = application();
    assert_eq!(get("/current").bearer("2").send(address).text(), "alice@example.com 2");
    let reply = request("POST", "/active").bearer("2").send(address);
    assert_eq!((reply.status, reply.json()), (400, json!({ "detail": "Inactive user" })));
}

#[test]
fn a_request_is_refused_before_its_body_is_read() {
    let Application { address, .. } = application();
    let broken = || request("POST", "/active").header("Content-Type", "application/json").body("{broken");
    assert_eq!(broken().send(address).status, 401);
    assert_eq!(broken().bearer("1").send(address).status, 400);
    let reply = request("POST", "/active").bearer("1").header("Content-Type", "application/json").body("7");
    let me = json!({ "id": 1, "email": "johndoe@example.com", "suspended": false });
    assert_eq!(reply.send(address).json(), json!({ "me": me, "body": 7 }));
}

#[test]
fn a_public_route_stays_public() {
    let Application { address, .. } = application();
    for request in [
        get("/public"),
        get("/public").bearer("1"),
        get("/public").bearer("x"),
        get("/public").bearer(BROKEN),
    ] {
        assert_eq!(request.send(address).text(), "public");
    }
}

#[test]
fn maybe_a_user_is_nobody_without_a_token_and_refused_with_a_bad_one() {
    let Application { address, .. } = application();
    assert_eq!(get("/maybe").send(address).text(), "nobody");
    assert_eq!(get("/maybe").header("Authorization", "Basic Og==").send(address).text(), "nobody");
    assert_eq!(get("/maybe").bearer("1").send(address).text(), "johndoe@example.com");
    assert_eq!(get("/maybe").bearer("99").send(address).status, 401);
}

#[test]
fn a_request_costs_one_look_up_however_many_extractors_ask() {
    let Application { address, members, .. } = application();
    assert_eq!(get("/both").bearer("1").send(address).text(), "true");
    assert_eq!(members.look_ups(), 1);
    get("/public").send(address);
    assert_eq!(members.look_ups(), 1, "without a token there is nothing to look up");
}

#[test]
fn an_unknown_user_costs_the_same_verification_as_a_known_one() {
    let Application { address, hasher, .. } = application();
    for (attempt, email) in ["nobody", "johndoe@example.com", "alice@example.com"].into_iter().enumerate() {
        post_form("/token", format!("username={email}&password=wrong")).send(address);
        assert_eq!(hasher.verifications(), attempt + 1, "{email}");
    }
}

#[test]
fn an_outdated_hash_is_replaced_by_a_sign_in_and_by_nothing_else() {
    let Application { address, members, .. } = application();
    post_form("/token", "username=johndoe@example.com&password=wrong").send(address);
    assert_eq!(members.hash_of(1), "old:secret");
    for _ in 0..2 {
        let reply = post_form("/token", "username=johndoe@example.com&password=secret").send(address);
        assert_eq!(reply.status, 200);
        assert_eq!(members.hash_of(1), "new:secret");
    }
}

#[test]
fn a_failing_store_is_500_or_503_and_tells_nothing_of_the_inside() {
    let Application { address, .. } = application();
    for (name, status, detail) in
        [(BROKEN, 500, "Internal Server Error"), (UNAVAILABLE, 503, "Service Unavailable")]
    {
        for reply in [
            post_form("/token", format!("username={name}&password=secret")).send(address),
            get("/current").bearer(name).send(address),
        ] {
            assert_eq!((reply.status, reply.json()), (status, json!({ "detail": detail })));
            assert_eq!(reply.header("retry-after").is_some(), status == 503);
        }
    }
}

#[test]
fn a_forgotten_middleware_fails_closed() {
    let Application { address, .. } = application();
    assert_eq!(get("/elsewhere").bearer("1").send(address).status, 500);
    assert_eq!(get("/elsewhere").send(address).status, 500);
}

#[test]
fn the_bearer_token_is_there_whoever_it_belongs_to() {
    let Application { address, .. } = application();
    assert_eq!(get("/token-of").bearer("99").send(address).text(), "99");
    assert_eq!(get("/token-of").send(address).status, 401);
}

#[test]
fn the_form_carries_scopes_as_a_list_and_the_client_from_the_form_or_from_basic() {
    let Application { address, .. } = application();
    let form = |fields: &str| post_form("/form", format!("username=johndoe&password=secret{fields}"));
    let basic = |request: crate::support::http::Request, credentials: &str| {
        request.header("Authorization", credentials)
    };
    for (request, expected) in [
        (form(""), r#"None johndoe [] None None"#),
        (
            form("&grant_type=password&scope=+me++items:read%09x+"),
            r#"Some("password") johndoe ["me", "items:read", "x"] None None"#,
        ),
        (form("&client_id=web&client_secret=s%2B"), r#"None johndoe [] Some("web") Some("s+")"#),
        (form("&client_id=&client_secret="), r#"None johndoe [] None None"#),
        // web:s+ with its plus form-urlencoded, as RFC 6749 section 2.3.1 asks
        (basic(form(""), "Basic d2ViOnMlMkI="), r#"None johndoe [] Some("web") Some("s+")"#),
        (basic(form(""), "basic   d2ViOnMlMkI="), r#"None johndoe [] Some("web") Some("s+")"#),
        (basic(form(""), "Basic Og=="), r#"None johndoe [] None None"#),
        (basic(form(""), "Basic not base64"), r#"None johndoe [] Some("") None"#),
        (basic(form("&client_id=form"), "Basic d2ViOnM="), r#"None johndoe [] Some("form") None"#),
    ] {
        assert_eq!(request.send(address).text(), expected, "{request:?}");
    }
}

#[test]
fn the_strict_form_requires_the_grant_type() {
    let Application { address, .. } = application();
    let reply = post_form("/strict", "username=johndoe&password=secret").send(address);
    let missing =
        json!({ "type": "missing", "loc": ["body", "grant_type"], "msg": "Field required", "input": null });
    assert_eq!((reply.status, reply.json()), (422, json!({ "detail": [missing] })));
    let reply = post_form("/strict", "username=johndoe&password=secret&grant_type=password").send(address);
    assert_eq!(reply.text(), "johndoe");
    assert_eq!(
        post_form("/strict", "username=johndoe&password=secret&grant_type=x").send(address).status,
        422
    );
}

#[test]
fn a_panic_is_answered_and_the_service_lives_on() {
    let members = Members::default();
    let address = spawn(auth(&members, &AgeingHasher::default()), TokenApi::openapi());
    for _ in 0..3 {
        for reply in [
            post_form("/token", format!("username={PANICS}&password=secret")).send(address),
            get("/users/me").bearer(PANICS).send(address),
        ] {
            assert_eq!((reply.status, reply.json()), (500, json!({ "detail": "Internal Server Error" })));
        }
    }
    let reply = get("/users/me").bearer("1").send(address);
    assert_eq!(reply.text(), r#"{"id":1,"email":"johndoe@example.com","suspended":false}"#);
}
