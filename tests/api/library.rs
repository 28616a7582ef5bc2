//! The library in an application with its own user model, store and routes.

use std::{net::SocketAddr, sync::mpsc, thread};

use actix_web::{App, HttpServer, Responder, dev::ServiceRequest, web};
use actix_web_httpauth::middleware::HttpAuthentication;
use gatepass::{
    ActiveUser, Auth, AuthUser, BearerToken, ClientInfo, CurrentUser, ErrorFormat, GrantedScopes, MaybeUser,
    NoScope, PasswordRequestForm, RequiredScopes, StrictPasswordRequestForm, Subject, TokenResponse,
    auth::SignIn, error::ErrorResponse, jwt::JwtTokens,
};
use serde_json::{Map, json};

use crate::support::{
    doubles::{AgingHasher, BROKEN, Member, Members, PANICS, ReadableTokens, UNAVAILABLE, auth, builder},
    forge::part,
    http::{get, post_form, request},
    service::{TIMEOUT, spawn},
};

/// An application with a route for each extractor and middleware of the library.
struct Application {
    address: SocketAddr,
    members: Members,
    hasher: AgingHasher,
}

fn application() -> Application {
    let (members, hasher) = (Members::default(), AgingHasher::default());
    let address = serve(&auth(&members, &hasher));
    Application { address, members, hasher }
}

fn serve(auth: &Auth<Member>) -> SocketAddr {
    let (auth, (send, receive)) = (auth.clone(), mpsc::channel());
    let other = Auth::builder(Members::default()).tokens(ReadableTokens).build().unwrap();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let server = HttpServer::new(move || {
                App::new()
                    .configure(auth.routes())
                    .route("/public", web::get().to(async || "public"))
                    .route("/current", web::get().to(current))
                    .route("/active", web::post().to(active))
                    .route("/maybe", web::get().to(maybe))
                    .route("/login", web::post().to(login))
                    .service(
                        web::scope("/admin")
                            .wrap(auth.require::<Admin>())
                            .route("", web::get().to(async |me: ActiveUser<Member>| me.email.clone())),
                    )
                    .service(
                        web::scope("/bearer")
                            .wrap(auth.bearer())
                            .route("", web::get().to(maybe))
                            .route("/public", web::get().to(async || "public")),
                    )
                    .service(
                        web::scope("/other").wrap(other.bearer()).route("", web::get().to(maybe)).service(
                            web::scope("/ours")
                                .wrap(auth.require::<NoScope>())
                                .route("", web::get().to(maybe)),
                        ),
                    )
                    .route("/both", web::get().to(both))
                    .route("/token-of", web::get().to(token_of))
                    .service(
                        web::resource("/behind-httpauth")
                            .wrap(HttpAuthentication::with_fn(accept_any_bearer))
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
    receive.recv_timeout(TIMEOUT).unwrap()
}

struct Admin;

impl RequiredScopes for Admin {
    const SCOPES: &'static [&'static str] = &["admin"];
}

/// A user model for which the application has no `Auth`.
#[derive(Clone)]
struct Stranger;

impl AuthUser for Stranger {
    fn subject(&self) -> Subject {
        0.into()
    }

    fn is_active(&self) -> bool {
        true
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::All
    }
}

async fn current(me: CurrentUser<Member>) -> impl Responder {
    format!("{} {}", me.email, me.claims().subject)
}

async fn active(me: ActiveUser<Member>, body: web::Json<u64>) -> impl Responder {
    web::Json(json!({ "me": me.into_inner(), "body": body.0 }))
}

async fn maybe(user: MaybeUser<Member>) -> impl Responder {
    match user {
        MaybeUser::Anonymous => "anonymous".to_owned(),
        MaybeUser::Active(user) => user.email.clone(),
        MaybeUser::Inactive(user) => format!("inactive {}", user.email),
    }
}

async fn both(first: CurrentUser<Member>, second: ActiveUser<Member>) -> impl Responder {
    (first.id == second.id).to_string()
}

async fn token_of(token: BearerToken) -> impl Responder {
    token.0.expose().to_owned()
}

/// Validates requests for actix-web-httpauth with the `BearerToken` extractor, which accepts any token.
async fn accept_any_bearer(
    request: ServiceRequest,
    _: BearerToken,
) -> Result<ServiceRequest, (actix_web::Error, ServiceRequest)> {
    Ok(request)
}

/// Signs in as `/token` does, but adds the email address to the response.
async fn login(
    auth: Auth<Member>,
    client_info: ClientInfo,
    form: PasswordRequestForm,
) -> Result<impl Responder, ErrorResponse> {
    let signed_in = auth.sign_in(form.sign_in(None, &client_info)).await;
    let signed_in = signed_in.map_err(|error| auth.error_response(error))?;
    Ok(TokenResponse::from(signed_in.tokens).with("email", signed_in.user.email))
}

async fn form(form: PasswordRequestForm) -> impl Responder {
    format!(
        "{:?} {} {:?} {:?} {:?}",
        form.grant_type,
        form.username,
        form.scopes,
        form.client_id,
        form.client_secret.as_ref().map(|secret| secret.expose())
    )
}

async fn strict(form: StrictPasswordRequestForm) -> impl Responder {
    form.username.clone()
}

#[test]
fn custom_sign_in_endpoint_returns_tokens_with_extra_fields() {
    let Application { address, .. } = application();
    let reply = post_form("/login", "username=johndoe@example.com&password=secret").send(address);
    let expected = json!({ "access_token": "1", "token_type": "bearer", "email": "johndoe@example.com" });
    assert_eq!((reply.status, reply.json()), (200, expected));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
    let reply = post_form("/login", "username=johndoe@example.com&password=wrong").send(address);
    assert_eq!((reply.status, reply.json()), (400, json!({ "detail": "Incorrect username or password" })));
}

#[test]
fn scope_wrapped_in_require_lets_only_authorized_users_through() {
    let scopes = |text: &str| GrantedScopes::Only(text.parse().unwrap());
    let members = Members::with(scopes("me"));
    let hasher = AgingHasher::default();
    let address = serve(&builder(&members, &hasher).build().unwrap());
    assert_eq!(get("/admin").send(address).status, 401);
    assert_eq!(get("/admin").bearer("99").send(address).status, 401);
    assert_eq!(get("/admin").bearer("1").send(address).status, 403);
    assert_eq!(get("/admin").bearer("2").send(address).status, 400, "an inactive user should get 400");
    members.change(1, |account| account.user.granted_scopes = scopes("me admin"));
    let lookups = members.lookups();
    assert_eq!(get("/admin").bearer("1").send(address).text(), "johndoe@example.com");
    assert_eq!(members.lookups(), lookups + 1, "the extractor should reuse the result of the middleware");
}

#[test]
fn bearer_middleware_passes_through_requests_that_need_no_user() {
    let Application { address, .. } = application();
    for token in ["99", UNAVAILABLE, BROKEN] {
        for path in ["/public", "/bearer/public"] {
            assert_eq!(get(path).bearer(token).send(address).text(), "public");
        }
    }
    assert_eq!(get("/bearer").bearer("99").send(address).status, 401);
    assert_eq!(get("/bearer").bearer(UNAVAILABLE).send(address).status, 503);
}

#[test]
fn require_refuses_a_token_that_only_another_auth_accepts() {
    let Application { address, .. } = application();
    let token = "1|me||9999999999";
    assert_eq!(get("/other").bearer(token).send(address).text(), "johndoe@example.com");
    assert_eq!(get("/other/ours").bearer(token).send(address).status, 401);
    assert_eq!(get("/other/ours").bearer("1").send(address).text(), "johndoe@example.com");
}

#[test]
fn custom_error_format_is_used_for_all_errors() {
    let (members, hasher) = (Members::default(), AgingHasher::default());
    let format = ErrorFormat::custom(|error| {
        json!({ "status": error.status, "code": error.code, "message": error.description }).to_string()
    });
    let address = serve(&builder(&members, &hasher).error_format(format).build().unwrap());
    for (reply, expected) in [
        (
            post_form("/token", "username=johndoe@example.com&password=wrong").send(address),
            json!({ "status": 400, "code": "invalid_grant", "message": "Incorrect username or password" }),
        ),
        (
            post_form("/token", "username=johndoe@example.com").send(address),
            json!({ "status": 400, "code": "invalid_request", "message": "password: Field required" }),
        ),
        (
            get("/current").bearer("99").send(address),
            json!({ "status": 401, "code": "invalid_token", "message": "Could not validate credentials" }),
        ),
        (
            get("/token").send(address),
            json!({ "status": 405, "code": null, "message": "Method Not Allowed" }),
        ),
    ] {
        assert_eq!((u64::from(reply.status), reply.json()), (expected["status"].as_u64().unwrap(), expected));
    }
    let challenge = get("/current").bearer("99").send(address).header("www-authenticate");
    assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="api", error="invalid_token""#));
}

#[test]
fn request_for_an_unknown_path_with_a_token_does_not_query_the_store() {
    let Application { address, members, .. } = application();
    for path in ["/unknown", "/token/unknown", "/"] {
        assert_eq!(get(path).bearer("1").send(address).status, 404);
    }
    assert_eq!(members.lookups(), 0);
}

#[actix_web::test]
async fn sign_in_returns_the_user_and_a_token_with_extra_claims() {
    let members = Members::with(GrantedScopes::Only("me".parse().unwrap()));
    let auth = Auth::builder(members)
        .passwords(AgingHasher::default())
        .tokens(JwtTokens::from_secret(&"x".repeat(32), "https://auth.example.com").unwrap())
        .extra_claims(|member| Map::from_iter([("email".to_owned(), member.email.clone().into())]))
        .build()
        .unwrap();
    let sign_in = SignIn {
        username: "johndoe@example.com",
        password: &"secret".into(),
        scopes: &[],
        audiences: &[],
        client: None,
        client_info: &ClientInfo::default(),
    };
    let signed_in = auth.sign_in(sign_in).await.unwrap();
    assert_eq!(signed_in.user.email, "johndoe@example.com");
    assert_eq!(part(signed_in.tokens.access_token.expose(), 1)["email"], "johndoe@example.com");
    assert_eq!(signed_in.tokens.granted_scopes, GrantedScopes::Only("me".parse().unwrap()));
}

#[test]
fn bearer_token_extractor_returns_any_token_and_works_with_actix_web_httpauth() {
    let Application { address, .. } = application();
    assert_eq!(get("/token-of").bearer("99").send(address).text(), "99");
    assert_eq!(get("/token-of").send(address).status, 401);
    assert_eq!(get("/behind-httpauth").header("Authorization", "bearer   1 ").send(address).text(), "passed");
    let refused = get("/behind-httpauth").send(address);
    assert_eq!((refused.status, refused.header("WWW-Authenticate").as_deref()), (401, Some("Bearer")));
}

#[test]
fn sign_in_by_email_returns_a_token_with_the_member_id_as_subject() {
    let Application { address, .. } = application();
    let reply = post_form("/token", "username=johndoe@example.com&password=secret").send(address);
    assert_eq!(reply.text(), r#"{"access_token":"1","token_type":"bearer"}"#);
    let reply = get("/current").bearer("1").send(address);
    assert_eq!(reply.text(), "johndoe@example.com 1");
}

#[test]
fn sign_in_reveals_that_a_member_is_inactive_only_if_the_password_is_correct() {
    let Application { address, .. } = application();
    let reply = post_form("/token", "username=alice@example.com&password=secret2").send(address);
    assert_eq!((reply.status, reply.json()), (400, json!({ "detail": "Inactive user" })));
    let reply = post_form("/token", "username=alice@example.com&password=wrong").send(address);
    assert_eq!((reply.status, reply.json()), (400, json!({ "detail": "Incorrect username or password" })));
}

#[test]
fn current_user_accepts_inactive_users_and_active_user_refuses_them() {
    let Application { address, .. } = application();
    assert_eq!(get("/current").bearer("2").send(address).text(), "alice@example.com 2");
    let reply = request("POST", "/active").bearer("2").send(address);
    assert_eq!((reply.status, reply.json()), (400, json!({ "detail": "Inactive user" })));
}

#[test]
fn unauthorized_request_is_refused_before_its_body_is_read() {
    let Application { address, .. } = application();
    let broken = || request("POST", "/active").header("Content-Type", "application/json").body("{broken");
    assert_eq!(broken().send(address).status, 401);
    assert_eq!(broken().bearer("1").send(address).status, 400);
    let reply = request("POST", "/active").bearer("1").header("Content-Type", "application/json").body("7");
    let me = json!({ "id": 1, "email": "johndoe@example.com", "suspended": false });
    assert_eq!(reply.send(address).json(), json!({ "me": me, "body": 7 }));
}

#[test]
fn maybe_user_distinguishes_anonymous_active_and_inactive() {
    let Application { address, .. } = application();
    for path in ["/maybe", "/bearer"] {
        assert_eq!(get(path).send(address).text(), "anonymous");
        assert_eq!(get(path).header("Authorization", "Basic Og==").send(address).text(), "anonymous");
        assert_eq!(get(path).bearer("1").send(address).text(), "johndoe@example.com");
        assert_eq!(get(path).bearer("2").send(address).text(), "inactive alice@example.com");
        assert_eq!(get(path).bearer("99").send(address).status, 401);
    }
}

#[test]
fn several_extractors_in_one_request_query_the_store_once() {
    let Application { address, members, .. } = application();
    assert_eq!(get("/both").bearer("1").send(address).text(), "true");
    assert_eq!(members.lookups(), 1);
    get("/public").send(address);
    assert_eq!(members.lookups(), 1, "a request without a token should not query the store");
}

#[test]
fn sign_in_verifies_one_hash_for_known_and_unknown_users() {
    let Application { address, hasher, .. } = application();
    for (attempt, email) in ["nobody", "johndoe@example.com", "alice@example.com"].into_iter().enumerate() {
        post_form("/token", format!("username={email}&password=wrong")).send(address);
        assert_eq!(hasher.verifications(), attempt + 1, "{email}");
    }
}

#[test]
fn outdated_hash_is_replaced_only_after_a_successful_sign_in() {
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
fn failing_store_returns_500_or_503_without_details() {
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
fn extractor_without_auth_returns_500() {
    let Application { address, .. } = application();
    assert_eq!(get("/elsewhere").bearer("1").send(address).status, 500);
    assert_eq!(get("/elsewhere").send(address).status, 500);
}

#[test]
fn password_form_contains_scopes_and_client_credentials_from_form_or_basic() {
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
        // web:s+, form-urlencoded and then encoded in Base64, as RFC 6749 section 2.3.1 requires.
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
fn strict_form_requires_the_grant_type() {
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
fn request_that_panics_returns_500_and_the_service_keeps_running() {
    let members = Members::default();
    let address = spawn(auth(&members, &AgingHasher::default()), Default::default());
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
