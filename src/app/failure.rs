//! Why the program ends: a line for people, an exit code for scripts.

use std::{fmt, io, process::ExitCode};

use crate::{
    adapters::{argon2::InvalidArgon2Settings, jwt::KeyError, sql::OpenError},
    app::{server::StartError, tls::TlsError},
    domain::backend_error::BackendError,
};

/// Why the program did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    exit_code: u8,
    message: String,
}

impl Failure {
    /// It could not be done.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { exit_code: 1, message: message.into() }
    }

    /// It was asked for wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit_code: 2, message: message.into() }
    }

    /// Who read the output went away, as `head` does: they have what they wanted.
    pub(crate) fn unread() -> Self {
        Self { exit_code: 0, message: String::new() }
    }

    /// Says in one line what went wrong, and how to end.
    pub(crate) fn report(self) -> ExitCode {
        if self.exit_code > 0 {
            eprintln!("gatepass: {}", self.message);
        }
        ExitCode::from(self.exit_code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<BackendError> for Failure {
    fn from(fault: BackendError) -> Self {
        Self::failed(fault.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::UnknownUrl => Self::usage(format!("--database-url: {error}")),
            error => Self::failed(error.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<InvalidArgon2Settings> for Failure {
    fn from(error: InvalidArgon2Settings) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Half(_) => Self::usage(error.to_string()),
            error => Self::failed(error.to_string()),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::InsecureExposure(_) => Self::usage(error.to_string()),
            StartError::Tls(error) => error.into(),
            error => Self::failed(error.to_string()),
        }
    }
}
