//! The pages in Chromium: Swagger UI at `/docs` and the start page at `/`.

#[path = "../support/mod.rs"]
mod support;

mod docs;
mod prefix;
#[path = "../commands/program.rs"]
#[expect(dead_code, reason = "this binary uses a part of it")]
mod program;
mod secure;
#[path = "../secure/service.rs"]
#[expect(dead_code, reason = "this binary uses a part of it")]
mod service;
mod sessions;
mod start_page;
mod webdriver;
