//! The versions of the crates beside each other, as Cargo.lock has them.

const LOCK: &str = include_str!("../../Cargo.lock");
const CRATES: [&str; 4] = ["actix-web", "axum", "jsonwebtoken", "sqlx"];

/// In a list.
pub fn sentence() -> String {
    CRATES.map(|name| format!("{name} {}", version(name))).join(", ")
}

fn version(name: &str) -> &'static str {
    let entry = format!("[[package]]\nname = \"{name}\"\nversion = \"");
    let found = LOCK.split_once(&entry).and_then(|(_, rest)| rest.split_once('"'));
    found.map_or("of an unknown version", |(version, _)| version)
}
