//! What is wrong with a key or with the folder of the keys.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// What is wrong with a key's file, or with the folder: one line that begins with its path.
#[derive(Debug, Error)]
#[error("{}: {reason}", path.display())]
pub struct KeyError {
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug, Error)]
pub(super) enum Reason {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no regular file, which a key is: remove it")]
    NoFile,
    #[error(
        "this key is uid {0}'s, not the service's or root's: chown it, and replace it if you do not know it"
    )]
    KeyOfAnother(u32),
    #[error("this folder is uid {0}'s, not the service's or root's: chown it")]
    FolderOfAnother(u32),
    #[error("others may read this key (mode {0:03o}): chmod 600 it, and replace it if somebody did")]
    OthersMayRead(u32),
    #[error("others may put keys into this folder (mode {0:03o}): chmod 700 it")]
    OthersMayWrite(u32),
    #[error("the file of a key is named SECONDS-KID.{0}, by the second since 1970 it was made in")]
    Misnamed(&'static str),
    #[error("the name is not this key's: its kid is {0}")]
    OtherKid(String),
    #[error("no Ed25519 key in PKCS#8 PEM: {0}")]
    NoPrivateKey(#[from] ed25519_dalek::pkcs8::Error),
    #[error("no secret of at least {0} bytes in base64url without padding")]
    NoSecret(usize),
    #[error(
        "this key was made {seconds} s ahead of the clock, and the next one would not sign before it: set the clock \
         right, or rename this file to {name}"
    )]
    Ahead { seconds: u64, name: String },
    #[error("longer than a key")]
    TooLong,
    #[error("there is no key")]
    NoKey,
    #[error("the system gives no random bytes: {0}")]
    NoRandomness(#[from] getrandom::Error),
}

impl Reason {
    pub(super) fn at(self, path: &Path) -> KeyError {
        KeyError { path: path.to_owned(), reason: self }
    }
}

/// Turns any cause into the error of a path, for `map_err`.
pub(super) fn at<R: Into<Reason>>(path: &Path) -> impl Fn(R) -> KeyError {
    move |reason| reason.into().at(path)
}
