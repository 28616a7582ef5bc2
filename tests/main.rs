//! The integration tests are modules of one binary, so that it is linked only once. To run only the module `api`, use
//! `cargo test --test integration -- api::`.

mod api;
mod architecture;
mod browser;
mod cluster;
mod commands;
mod contract;
mod corpus;
mod docs;
mod edge;
mod fastapi;
mod interop;
mod package;
mod program;
mod schemathesis;
mod secure;
mod support;
mod tokens;
