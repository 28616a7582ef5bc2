//! One file or folder per technology, each behind one port.

#[cfg(feature = "argon2")]
pub(crate) mod argon2;
#[cfg(feature = "jwt")]
pub(crate) mod jwt;
#[cfg(feature = "password-policy")]
pub(crate) mod password_policy;
#[cfg(feature = "sql")]
pub mod sql;
pub mod tutorial;
#[cfg(feature = "jwt")]
pub(crate) mod unique_names;
