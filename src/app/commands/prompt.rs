//! Confirmation at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::app::failure::Failure;

/// Prompts for confirmation, unless `yes` is set. Fails if the reply is not yes or standard input is not a terminal.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        let message =
            format!("cannot prompt \"{question}\": standard input is not a terminal; use --yes to confirm");
        return Err(Failure::usage(message));
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut reply = String::new();
    io::stdin().lock().read_line(&mut reply)?;
    match reply.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::failed("not confirmed: nothing was changed")),
    }
}
