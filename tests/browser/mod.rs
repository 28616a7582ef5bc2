//! The pages in Chromium: those of the secure profile, the start page of the tutorial, and the documentation.

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
