//! New passwords: where they come from, and what is stored in their place.

use std::{
    io::{self, BufRead, ErrorKind, Read},
    num::NonZeroUsize,
    process,
};

use clap::Args;
use zeroize::Zeroizing;

use crate::{
    adapters::{
        argon2::{Argon2Hasher, Argon2Settings},
        password_policy::check_new_password,
    },
    app::{failure::Failure, settings::SecureSettings},
    domain::{
        ports::PasswordHasher,
        secret::{Password, PasswordHash},
    },
};

/// No password is longer: what comes on standard input may be anything.
const LONGEST_LINE: u64 = 64 * 1024;

/// Where a new password comes from. Never from an argument: every user of the machine sees those.
#[derive(Clone, Copy, Debug, Args)]
pub struct PasswordSource {
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    /// The new password, asked for twice, or read once.
    pub(super) fn read(self) -> Result<Password, Failure> {
        let password = if self.password_stdin { first_line()? } else { asked_twice()? };
        if password.expose().is_empty() {
            return Err(Failure::failed("the password is empty"));
        }
        Ok(password)
    }
}

fn first_line() -> Result<Password, Failure> {
    // Most lines do not move while they grow.
    let mut line = Zeroizing::new(String::with_capacity(Password::MAX_BYTES));
    let read = io::stdin().lock().take(LONGEST_LINE).read_line(&mut line);
    read.map_err(|error| Failure::failed(format!("cannot read the password: {error}")))?;
    let line = line.strip_suffix('\n').unwrap_or(&**line);
    Ok(line.strip_suffix('\r').unwrap_or(line).into())
}

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

fn asked_twice() -> Result<Password, Failure> {
    catch_interrupts()?;
    let ask = |prompt| match rpassword::prompt_password(prompt) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            // The cursor stands behind the prompt.
            eprintln!();
            process::exit(INTERRUPTED)
        }
        asked => asked.map(Password::from).map_err(|_| {
            Failure::usage("there is no terminal to ask for a password on: say --password-stdin")
        }),
    };
    let password = ask("New password: ")?;
    if ask("Again: ")?.expose() != password.expose() {
        return Err(Failure::failed("the two passwords differ"));
    }
    Ok(password)
}

/// Ctrl-C at a prompt must not end the program there, where the terminal shows nothing that is typed: `rpassword`
/// raises the signal first and restores the terminal afterwards. Later on it ends the program as before.
fn catch_interrupts() -> Result<(), Failure> {
    #[cfg(unix)]
    {
        use actix_web::rt::{
            self,
            signal::unix::{SignalKind, signal},
        };
        let mut interrupts = signal(SignalKind::interrupt())?;
        rt::spawn(async move {
            interrupts.recv().await;
            process::exit(INTERRUPTED)
        });
    }
    Ok(())
}

/// The hash to store for a new password, where it is good enough for somebody with these names.
pub(super) async fn hash_new_password(
    settings: &SecureSettings,
    password: &Password,
    user_inputs: &[&str],
) -> Result<PasswordHash, Failure> {
    check_new_password(password, user_inputs).map_err(|weak| Failure::failed(weak.to_string()))?;
    // One password takes one thread.
    let settings = Argon2Settings { threads: Some(NonZeroUsize::MIN), ..settings.argon2() };
    Ok(Argon2Hasher::new(settings)?.hash(password).await?)
}

/// Whether a hash is of a kind that the service can verify.
pub(super) fn is_supported_hash(hash: &str) -> bool {
    Argon2Hasher::check(&hash.into()).is_ok()
}
