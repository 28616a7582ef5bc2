//! Access tokens and their keys from outside: forged, rotated, damaged, and read by others.

#[path = "../api/ports.rs"]
#[expect(dead_code, reason = "this binary uses a part of them")]
mod ports;
#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod commands;
#[cfg(unix)]
mod files;
mod forge;
mod key_set;
mod peers;
mod rotation;
mod service;
