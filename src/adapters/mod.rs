//! Implementations of the domain's traits, one directory per technology.

#[cfg(any(feature = "jwt", feature = "sql", feature = "service"))]
pub(crate) mod background;
#[cfg(feature = "jwt")]
pub(crate) mod jwt;
#[cfg(feature = "argon2")]
pub(crate) mod passwords;
#[cfg(feature = "sql")]
pub mod sql;
pub mod tutorial;
#[cfg(feature = "jwt")]
pub(crate) mod unique_names;
