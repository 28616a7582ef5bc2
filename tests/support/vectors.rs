//! Password hashes made by other programs: passlib 1.7.4, argon2-cffi 25.1.0, bcrypt 4.0.1, Django 5.2.19,
//! Werkzeug 3.1.9, Python 3.11's hashlib, and for WordPress PHP 8.2: `"$wp" . password_hash(base64_encode(hash_hmac(
//! "sha384", trim($password), "wp-sha384", true)), PASSWORD_BCRYPT)`. Those in the format of ASP.NET Core Identity are
//! from hashlib. Costs are low so that tests are fast.

use std::sync::LazyLock;

use serde::Deserialize;

/// The passwords of the hashes of each [`Vector`].
pub const PASSWORDS: [&str; 3] = [
    "secret",
    "pässwörd",
    // 100 bytes, of which bcrypt reads 72.
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
];

/// Hashes of one kind, one for each of [`PASSWORDS`].
#[derive(Deserialize)]
pub struct Vector {
    pub kind: &'static str,
    pub hashes: [&'static str; 3],
}

/// Hashes that a sign-in replaces.
pub static OUTDATED: LazyLock<Vec<Vector>> =
    LazyLock::new(|| serde_json::from_str(include_str!("foreign_hashes.json")).expect("valid JSON"));
