//! What commands print.

use std::{
    fmt::Display,
    io::{self, BufWriter, StdoutLock, Write},
};

use serde::Serialize;

use crate::{
    adapters::sql::{StoredUser, User, is_hidden},
    app::failure::Failure,
};

/// Standard output. A reader may close it at any line, as `head` does: the command is done then.
pub(super) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(super) fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    pub(super) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.0, "{line}").map_err(write_failure)
    }

    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        self.line(serde_json::to_string(value)?)
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.0.flush().map_err(write_failure)
    }
}

/// Prints one line.
pub(super) fn print(line: impl Display) -> Result<(), Failure> {
    let mut output = Output::new();
    output.line(line)?;
    output.finish()
}

/// Prints one line of JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(serde_json::to_string(value)?)
}

/// The failure of a write to standard output.
pub(super) fn write_failure(error: io::Error) -> Failure {
    // A reader that closes the pipe has what it wants.
    if error.kind() == io::ErrorKind::BrokenPipe { Failure::closed_output() } else { error.into() }
}

/// A user as `--json` prints one, without the hash.
#[derive(Serialize)]
pub(super) struct UserObject<'a> {
    id: String,
    #[serde(flatten)]
    user: &'a User,
    created: String,
    changed: String,
}

impl<'a> From<&'a StoredUser> for UserObject<'a> {
    fn from(stored: &'a StoredUser) -> Self {
        Self {
            id: stored.user.id.to_string(),
            user: &stored.user,
            created: stored.created.to_string(),
            changed: stored.changed.to_string(),
        }
    }
}

/// A text of foreign origin for a terminal: control characters and invisible ones are escaped.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { c.escape_unicode().to_string() } else { c.into() }).collect()
}
