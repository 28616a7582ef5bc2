//! The end of a program that could not do its task: a line for people, an exit code for scripts.

use std::{error::Error, fmt::Display, process::ExitCode};

use crate::{
    adapters::{passwords::InvalidArgon2Settings, sql::OpenError},
    app::{server::StartError, tls::TlsError},
    domain::backend_error::BackendError,
};

/// The reason why the program ends, and its exit code.
#[derive(Debug)]
pub struct Failure {
    exit_code: u8,
    message: String,
}

impl Failure {
    /// Something went wrong: exit code 1.
    pub(crate) fn failed(message: impl Display) -> Self {
        Self { exit_code: 1, message: message.to_string() }
    }

    /// The command line or a setting is wrong: exit code 2.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { exit_code: 2, message: message.to_string() }
    }

    /// The reader of the output closed it, as `head` does: nothing is wrong.
    pub(crate) fn closed_output() -> Self {
        Self { exit_code: 0, message: String::new() }
    }

    /// Prints the error on one line and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if self.exit_code > 0 {
            eprintln!("gatepass: {}", self.message);
        }
        ExitCode::from(self.exit_code)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self::failed(error)
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let any = &error as &(dyn Error + 'static);
        match (any.downcast_ref(), any.downcast_ref(), any.downcast_ref()) {
            (Some(OpenError::UnknownUrl), ..) => Self::usage(format!("--database-url: {error}")),
            (_, Some(TlsError::MissingFile(_)), _)
            | (.., Some(StartError::InsecureExposure(_) | StartError::Tls(TlsError::MissingFile(_)))) => {
                Self::usage(error)
            }
            _ if any.is::<InvalidArgon2Settings>() => Self::usage(error),
            _ => Self::failed(error),
        }
    }
}
