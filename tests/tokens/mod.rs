//! Access tokens and their keys, seen from outside: forged, rotated, damaged, verified by others.

mod attacks;
mod claims;
mod commands;
#[cfg(unix)]
mod files;
mod fixed_keys;
mod key_set;
mod peers;
mod rotation;
mod service;
mod user_kinds;
