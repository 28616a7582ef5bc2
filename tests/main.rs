//! The integration tests are modules of one binary, which is linked once. `cargo test --test integration -- api::` runs one
//! of them.

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
