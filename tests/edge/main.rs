//! The edge: proxies, slow and wrong clients, TLS, other origins. The real program from outside.

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
