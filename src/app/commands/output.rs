//! What commands print.

use std::{
    fmt::Display,
    io::{self, BufWriter, StdoutLock, Write},
};

use serde::Serialize;

use crate::{
    adapters::sql::{StoredUser, User, is_hidden},
    app::failure::Failure,
    http::moment::moment,
};

/// Standard output. Who reads it may stop at any line, as `head` does: then the command is done.
pub(super) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(super) fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    pub(super) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.0, "{line}").map_err(unread)
    }

    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string(value).map_err(|error| Failure::failed(error.to_string()))?;
        self.line(json)
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.0.flush().map_err(unread)
    }
}

/// What became of standard output.
pub(super) fn unread(error: io::Error) -> Failure {
    // A reader that went away has what it wanted.
    if error.kind() == io::ErrorKind::BrokenPipe { Failure::unread() } else { error.into() }
}

/// A user as `--json` prints one: what the model shows, and what is kept besides. Never the hash.
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
            created: moment(stored.created),
            changed: moment(stored.changed),
        }
    }
}

/// A text that came from outside, as a terminal may have it: it commands nothing and hides nothing.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { c.escape_unicode().to_string() } else { c.into() }).collect()
}
