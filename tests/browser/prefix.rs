//! Tests the pages behind a reverse proxy that serves them under a path prefix.

use std::{net::SocketAddr, sync::mpsc, thread};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use crate::{
    browser::{
        docs::{self, johndoe},
        start_page,
        webdriver::browse,
    },
    support::{service::tutorial, wait::TIMEOUT},
};

pub const PREFIX: &str = "/gate/way";

#[test]
fn start_page_and_documentation_work_under_a_path_prefix() {
    browse(async |browser| {
        let root = format!("http://{}{PREFIX}", proxy(tutorial()));
        browser.open(&format!("{root}/")).await;
        start_page::sign_in(browser, "johndoe", "secret").await;
        browser.expect_text("#token", "johndoe").await;
        browser.expect_displayed("#profile").await;
        let curl = format!("curl -i {root}/users/me");
        browser.expect_text(".terminal .curl:last-of-type pre", &curl).await;
        browser.click("nav a[href=docs]").await;
        browser.expect("the documentation", format!("{root}/docs"), async || browser.url().await).await;

        docs::open(browser, &format!("{root}/docs")).await;
        docs::authorize(browser, "johndoe", "secret").await;
        docs::close(browser).await;
        docs::try_out(browser).await;
        docs::execute(browser, 200, &johndoe()).await;
        browser.expect_text(".request-url pre", &format!("{root}/users/me")).await;
        browser.click("nav a[href=redoc]").await;
        browser.expect_displayed("[id='operation/read_users_me']").await;
        assert_eq!(browser.url().await, format!("{root}/redoc"));
        browser.click(".home").await;
        browser.expect("the start page", format!("{root}/"), async || browser.url().await).await;
    });
}

/// Starts a reverse proxy that removes the prefix from the path. Requests for other paths get 404.
pub fn proxy(service: SocketAddr) -> SocketAddr {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let forward = move |request: HttpRequest, body: web::Bytes| async move {
                let target = request.uri().path_and_query().unwrap().as_str();
                let path = target.strip_prefix(PREFIX).unwrap();
                forward(&format!("http://{service}{path}"), &request, body).await
            };
            let app = move || App::new().service(web::scope(PREFIX).default_service(web::to(forward)));
            let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
            send.send(server.addrs()[0]).unwrap();
            server.run().await
        })
    });
    receive.recv_timeout(TIMEOUT).unwrap()
}

pub async fn forward(url: &str, request: &HttpRequest, body: web::Bytes) -> HttpResponse {
    let upstream = awc::Client::builder().disable_redirects().finish().request_from(url, request.head());
    let mut response = upstream.no_decompress().send_body(body).await.expect("the service responds");
    let mut forwarded = HttpResponse::build(response.status());
    for (name, value) in response.headers() {
        if !matches!(name.as_str(), "connection" | "content-length" | "transfer-encoding") {
            forwarded.append_header((name, value));
        }
    }
    forwarded.body(response.body().limit(1 << 24).await.expect("a body"))
}
