//! A bare Actix handler, which returns a fixed response to GET /users/me without authentication. The benchmark starts
//! itself again as a separate process for the handler.

use std::env;

use actix_web::{
    App, HttpResponse, HttpServer,
    http::header::{HeaderName, HeaderValue},
    rt::System,
    web,
};

use crate::support::{On, Response, Result, Server};

/// The argument that makes the benchmark serve as the bare handler. It is followed by the address, the headers and the
/// body.
pub const ARGUMENT: &str = "--bare";

/// Starts a handler that returns the same bytes as `response`.
pub fn start(on: On, response: &Response) -> Result<Server> {
    // Actix adds `date` and `content-length` itself.
    let is_fixed = |line: &&str| !line.starts_with("date: ") && !line.starts_with("content-length: ");
    let headers: Vec<_> = response.head.lines().skip(1).filter(is_fixed).collect();
    Server::start(on, env::current_exe()?, |command, address| {
        command.args([ARGUMENT, &address.to_string(), &headers.join("\n"), &response.body]);
    })
}

pub fn serve(address: &str, headers: &str, body: &str) -> Result<()> {
    // Static strings are not copied for each response. The leak is harmless, since the process ends with the handler.
    let leak = |text: &str| -> &'static str { text.to_owned().leak() };
    let body = leak(body);
    let headers = headers.lines().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| Ok((name.parse()?, HeaderValue::from_static(leak(value)))));
    let headers: &'static [(HeaderName, HeaderValue)] = headers.collect::<Result<Vec<_>>>()?.leak();
    let handler = move || async move {
        let mut response = HttpResponse::Ok();
        for (name, value) in headers {
            response.insert_header((name, value));
        }
        response.body(body)
    };
    let app = move || App::new().route("/users/me", web::get().to(handler));
    Ok(System::new().block_on(async { HttpServer::new(app).workers(1).bind(address)?.run().await })?)
}
