//! Questions to the person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::app::failure::Failure;

/// Asks before something that cannot be undone. Without a terminal, it is not done.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{question} There is no terminal to ask on: use --yes")));
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut reply = String::new();
    io::stdin().lock().read_line(&mut reply)?;
    match reply.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was changed")),
    }
}
