//! Access tokens and their keys: forged tokens, key rotation, damaged key files, and other verifiers.

mod attacks;
mod commands;
#[cfg(unix)]
mod files;
mod fixed_keys;
mod key_set;
mod pyjwt;
mod rotation;
mod service;
