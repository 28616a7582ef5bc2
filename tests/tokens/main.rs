//! Access tokens and their keys, seen from outside: forged, rotated, damaged, verified by others.

#[path = "../api/ports.rs"]
#[expect(dead_code, reason = "this binary uses only some of them")]
mod ports;
#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod claims;
mod commands;
#[cfg(unix)]
mod files;
mod fixed_keys;
mod forge;
mod key_set;
mod peers;
mod rotation;
mod service;
mod user_kinds;
