//! Access tokens and their keys: forged tokens, key rotation, damaged key files, and other verifiers.

mod algorithms;
mod attacks;
mod commands;
mod discovery;
#[cfg(unix)]
mod files;
mod fixed_keys;
mod key_set;
mod pyjwt;
mod rotation;
pub mod service;
