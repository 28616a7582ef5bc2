//! Swagger UI of an application whose users sign in at a service on another origin.

use std::{
    net::{SocketAddr, TcpListener},
    thread,
};

use actix_web::{App, HttpRequest, HttpServer, web};
use gatepass::{OAuth2PasswordBearer, docs::routes};
use utoipa::{Modify, OpenApi};

use crate::browser::{
    docs::{self, expect_authorized},
    prefix::forward,
    sessions::{PASSPHRASE, profile, serve},
    webdriver::browse,
};

#[utoipa::path(get, path = "/users/me", tag = "Users", operation_id = "read_users_me",
    security(("OAuth2PasswordBearer" = [])), responses((status = 200)))]
#[expect(dead_code, reason = "only its OpenAPI documentation is used")]
fn read_users_me() {}

#[derive(OpenApi)]
#[openapi(paths(read_users_me))]
struct Document;

/// Serves the documentation of an application whose endpoint forwards requests to the service.
fn run(listener: TcpListener, service: SocketAddr) {
    let token_url = format!("http://{service}/token");
    let mut document = Document::openapi();
    OAuth2PasswordBearer { token_url: &token_url, scopes: &[("me", "Read your account")] }
        .modify(&mut document);
    let users_me = move |request: HttpRequest, body: web::Bytes| async move {
        forward(&format!("http://{service}/users/me"), &request, body).await
    };
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let docs = routes(&document).unwrap();
            let app = move || App::new().configure(docs.clone()).route("/users/me", web::get().to(users_me));
            HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run().await
        })
    });
}

#[test]
fn swagger_ui_on_another_origin_can_sign_in_and_send_requests() {
    browse(async |browser| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (_gatepass, service) = serve(&["--cors-origin", &origin]);
        run(listener, service.address);
        docs::open(browser, &format!("{origin}/docs")).await;
        docs::fill_in(browser, "johndoe", PASSPHRASE).await;
        docs::keep_scopes(browser, &["me"]).await;
        docs::submit(browser).await;
        expect_authorized(browser).await;
        docs::close(browser).await;
        docs::try_out(browser).await;
        docs::execute(browser, 200, &profile(&service)).await;
    });
}
