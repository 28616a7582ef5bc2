//! The network: proxies, slow and malformed requests, TLS, CORS. The tests run the program.

#[path = "../commands/program.rs"]
#[expect(dead_code, reason = "this binary uses a part of it")]
mod program;
#[path = "../secure/service.rs"]
#[expect(dead_code, reason = "this binary uses a part of it")]
mod service;
#[path = "../support/mod.rs"]
mod support;

mod headers;
mod origins;
mod proxies;
mod slow;
mod tls;
mod wrong;
