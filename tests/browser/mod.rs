//! Swagger UI at `/docs` and the start page at `/` in Chromium.

mod accessibility;
mod docs;
mod other_origin;
mod pages;
mod picture;
mod prefix;
mod screenshots;
mod secure;
mod sessions;
mod start_page;
mod states;
mod webdriver;
