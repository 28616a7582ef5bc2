//! Password hashes created with other programs: passlib 1.7.4, argon2-cffi 25.1.0, bcrypt 4.0.1, Django 5.2.19,
//! Werkzeug 3.1.9 and Python 3.11's hashlib. The hashes in the format of ASP.NET Core Identity were created with
//! hashlib. The hashes in the format of WordPress were created with PHP 8.2:
//! `"$wp" . password_hash(base64_encode(hash_hmac("sha384", trim($password), "wp-sha384", true)), PASSWORD_BCRYPT)`.
//! The costs are low to keep the tests fast.

use std::sync::LazyLock;

use serde::Deserialize;

/// The passwords whose hashes each [`Vector`] contains.
pub const PASSWORDS: [&str; 3] = [
    "secret",
    "pässwörd",
    // A password of 100 bytes. bcrypt reads only the first 72.
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
