//! Access tokens that are signed: JWT by [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068), and the keys that
//! sign them, in a folder.
//!
//! The folder is all the state there is. A key is one file, named by the second it was made in and by its kid;
//! which key signs and which ones verify follows from the names, the settings and the time alone, so that every
//! replica that sees the folder comes to the same answer. See [`KeyState`].
//!
//! Who only checks tokens has no folder but the public keys that another service publishes: [`RemoteJwtVerifier`].

mod access;
mod algorithm;
mod claims;
mod jwk;
mod jws;
mod key;
mod key_directory;
mod key_error;
mod key_name;
mod key_ring;
mod public_keys;
mod remote_verifier;
mod schedule;
mod settings;
mod tokens;

pub use self::{
    algorithm::SigningAlgorithm,
    key_directory::{KeyDirectory, ListedKey},
    key_error::KeyError,
    public_keys::InvalidKeySet,
    remote_verifier::RemoteJwtVerifier,
    schedule::KeyState,
    settings::JwtSettings,
    tokens::JwtTokens,
};
