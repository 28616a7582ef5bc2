//! The pages in Chromium: Swagger UI at `/docs` and the start page at `/`.

mod docs;
mod prefix;
mod secure;
mod sessions;
mod start_page;
mod webdriver;
