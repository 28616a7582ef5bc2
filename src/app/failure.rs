//! Failures of commands: an error message and an exit code.

use std::{
    error::Error,
    fmt::Display,
    io::{self, ErrorKind},
    process::ExitCode,
};

use crate::{
    adapters::{passwords::InvalidArgon2Settings, sql::OpenError},
    domain::backend_error::BackendError,
};

/// An error that ends a command, and the exit code.
#[derive(Debug)]
pub struct Failure {
    exit_code: u8,
    message: String,
}

impl Failure {
    /// Creates a failure with exit code 1.
    pub(crate) fn failed(message: impl Display) -> Self {
        Self { exit_code: 1, message: message.to_string() }
    }

    /// Creates a failure for an invalid argument or setting, with exit code 2.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { exit_code: 2, message: message.to_string() }
    }

    /// Creates a failure for a failed write to standard output. If the reader closed the pipe, the exit code is 0: a
    /// reader such as `head` has read all that it needs.
    pub(crate) fn output(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self { exit_code: 0, message: String::new() },
            _ => error.into(),
        }
    }

    /// Logs the error instead of printing it.
    pub(crate) fn logged(self) -> Self {
        log::error!("{}", self.message);
        Self { message: String::new(), ..self }
    }

    /// Prints the error, unless it was logged, and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if self.exit_code > 0 && !self.message.is_empty() {
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
        if let Some(OpenError::UnknownUrl) = any.downcast_ref() {
            Self::usage(format!("--database-url: {error}"))
        } else if any.is::<InvalidArgon2Settings>() {
            Self::usage(error)
        } else {
            Self::failed(error)
        }
    }
}
