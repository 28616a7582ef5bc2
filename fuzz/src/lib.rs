//! Properties that must hold for every input. Each `check` function takes the bytes of one input and panics if a
//! property is violated. The fuzz targets search for such inputs; `cargo test --test integration corpus` checks all
//! recorded inputs.

pub mod authorization;
pub mod form;
pub mod request;
pub mod scopes;
pub mod stored_hash;
pub mod token;
