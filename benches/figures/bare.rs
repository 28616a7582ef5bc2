//! The bare Actix handler: GET /users/me with nothing in front of it and its answer ready, the bytes of one of
//! Gatepass's. This program runs it as a process of its own.

use std::{env, fmt::Display};

use actix_web::{
    App, HttpResponse, HttpServer,
    http::header::{HeaderName, HeaderValue},
    rt::System,
    web,
};

use crate::{
    answer::Answer,
    peer::{On, Peer},
    support::Failure,
};

/// What this program is started with to be a bare handler; the address, the headers and the body follow.
pub const ARGUMENT: &str = "--bare";

/// One that gives this answer.
pub fn start(on: On<'_>, answer: &Answer) -> Result<Peer, Failure> {
    let headers: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let program = env::current_exe().map_err(|error| error.to_string())?;
    Peer::start(on, &program, |command, address| {
        command.args([ARGUMENT, &address.to_string(), &headers, &answer.body]);
    })
}

/// Serves until the process is ended.
pub fn serve(address: &str, headers: &str, body: &str) -> Result<(), Failure> {
    let why = |error: &dyn Display| error.to_string();
    // For as long as the process lives: nothing is copied for an answer.
    let leak = |text: &str| -> &'static str { text.to_owned().leak() };
    let body = leak(body);
    let headers = headers.lines().filter_map(|line| line.split_once(": ")).map(|(name, value)| {
        let name: HeaderName = name.parse().map_err(|error| why(&error))?;
        Ok((name, HeaderValue::from_static(leak(value))))
    });
    let headers: &'static [_] = headers.collect::<Result<Vec<_>, Failure>>()?.leak();
    let handler = move || async move {
        let mut answer = HttpResponse::Ok();
        for (name, value) in headers {
            answer.insert_header((name, value));
        }
        answer.body(body)
    };
    let application = move || App::new().route("/users/me", web::get().to(handler));
    System::new().block_on(async {
        let server = HttpServer::new(application).workers(1).bind(address).map_err(|error| why(&error))?;
        server.run().await.map_err(|error| why(&error))
    })
}
