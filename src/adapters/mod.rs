//! One file per technology, each behind one port.

pub mod tutorial;
