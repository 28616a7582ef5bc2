//! What holds for every input, whatever it is. Each check takes the bytes of one input and panics where it does not
//! hold: the fuzz targets look for such inputs, and `cargo test --test corpus` repeats the ones that are on record.

pub mod authorization;
pub mod form;
pub mod request;
pub mod scopes;
pub mod stored_hash;
pub mod token;
