//! The integration tests, as one binary: it is compiled and linked once. A suite alone: `cargo test --test integration api::`

mod api;
mod architecture;
mod browser;
mod cluster;
mod commands;
mod contract;
mod corpus;
mod edge;
mod fastapi;
mod program;
mod schemathesis;
mod secure;
mod support;
mod tokens;
