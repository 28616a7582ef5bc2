//! Errors for keys and the key directory.

use std::{io, path::Path};

use thiserror::Error;

/// The reason why a key or key directory is unusable. `Display` writes one line that begins with the path, or with
/// `signing key` or `imported key` if the key has no file.
#[derive(Debug, Error)]
#[error("{place}: {reason}")]
pub struct KeyError {
    place: String,
    pub(super) reason: Reason,
}

#[derive(Debug, Error)]
pub(super) enum Reason {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("not a regular file: remove it")]
    NotAFile,
    #[error(
        "this key is owned by uid {0}, not by the service or root: chown it, and replace it if you did not create it"
    )]
    KeyOwner(u32),
    #[error("this directory is owned by uid {0}, not by the service or root: chown it")]
    DirectoryOwner(u32),
    #[error(
        "other users can read this key (mode {0:03o}): chmod 600 it, and replace it if it may have been read"
    )]
    KeyMode(u32),
    #[error("other users can add keys to this directory (mode {0:03o}): chmod 700 it")]
    DirectoryMode(u32),
    #[error(
        "not a key file name: expected SECONDS-KID.{0}, where SECONDS is the creation time as a Unix timestamp"
    )]
    FileName(String),
    #[error("the file name does not match the key, whose kid is {0}: rename the file")]
    WrongKid(String),
    #[error("{0}")]
    InvalidKey(String),
    #[error("this key already exists")]
    AlreadyExists,
    #[error("the newer file {0} has the same key ID, so this file is not used: remove one of them")]
    SameKid(String),
    #[error(
        "this key was created {seconds} s ahead of the clock, and the next key would not be used before that time: \
         correct the clock, or rename this file to {name}"
    )]
    Ahead { seconds: u64, name: String },
    #[error("too large for a key file, which must be smaller than 16 KiB")]
    TooLong,
    #[error("this directory contains no key")]
    NoKey,
    #[error("cannot get random bytes from the operating system: {0}")]
    NoRandomness(#[from] getrandom::Error),
    #[error("cannot get random bytes from the operating system")]
    NoRandomBytes,
}

impl Reason {
    pub(super) fn at(self, path: &Path) -> KeyError {
        KeyError { place: path.display().to_string(), reason: self }
    }
}

/// Returns a function for `map_err` that adds the path to a reason.
pub(super) fn at<R: Into<Reason>>(path: &Path) -> impl Fn(R) -> KeyError {
    move |reason| reason.into().at(path)
}
