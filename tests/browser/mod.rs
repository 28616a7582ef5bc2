//! Tests the pages in Chromium: the secure profile's pages, the tutorial's start page, and the documentation.

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
