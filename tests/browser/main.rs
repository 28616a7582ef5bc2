//! The pages in Chromium: Swagger UI at `/docs` and the start page at `/`.

#[path = "../support/mod.rs"]
mod support;

mod docs;
mod prefix;
mod start_page;
mod webdriver;
