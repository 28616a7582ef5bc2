//! New passwords: reading them, and hashing them.

use std::{
    io::{self, BufRead, ErrorKind, Read},
    num::NonZeroUsize,
    process,
};

use clap::Args;
use zeroize::Zeroizing;

use crate::{
    adapters::{
        passwords::{Argon2Hasher, Argon2Settings, StrengthPolicy},
        sql::User,
    },
    app::{failure::Failure, settings::Argon2Parameters},
    domain::{
        ports::{PasswordHasher, PasswordPolicy},
        secret::{Password, PasswordHash},
    },
};

/// The maximum number of bytes read from standard input, which may be anything.
const MAX_LINE: u64 = 64 * 1024;

/// The source of a new password, and how it is hashed. A password is never an argument: every user of the machine can see
/// those.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct NewPassword {
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    argon2: Argon2Parameters,
}

impl NewPassword {
    /// Reads a password, checks it against the password policy, and returns the hash to store.
    pub(super) async fn hash(self, user: &User) -> Result<PasswordHash, Failure> {
        let password = if self.password_stdin { first_line()? } else { asked_twice()? };
        if password.expose().is_empty() {
            return Err(Failure::failed("the password is empty"));
        }
        let names = [Some(&user.username), user.email.as_ref(), user.full_name.as_ref()];
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        // One password takes one thread.
        let settings = Argon2Settings { threads: Some(NonZeroUsize::MIN), ..self.argon2.hasher() };
        let hasher = Argon2Hasher::with_settings(settings).map_err(Failure::usage)?;
        StrengthPolicy::new(&hasher).check(&password, &names).await??;
        Ok(hasher.hash(&password).await?)
    }
}

fn first_line() -> Result<Password, Failure> {
    // With this capacity most lines are not copied while they grow.
    let mut line = Zeroizing::new(String::with_capacity(Password::MAX_BYTES));
    let read = io::stdin().lock().take(MAX_LINE).read_line(&mut line);
    read.map_err(|error| Failure::failed(format!("cannot read the password: {error}")))?;
    let line = line.strip_suffix('\n').unwrap_or(&**line);
    Ok(line.strip_suffix('\r').unwrap_or(line).into())
}

/// The exit code that shells report for a program ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

fn asked_twice() -> Result<Password, Failure> {
    catch_interrupts()?;
    let ask = |prompt| match rpassword::prompt_password(prompt) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            // The cursor is behind the prompt.
            eprintln!();
            process::exit(INTERRUPTED)
        }
        asked => asked.map(Password::from).map_err(|_| {
            Failure::usage("there is no terminal to ask for a password on: use --password-stdin")
        }),
    };
    let password = ask("New password: ")?;
    if ask("Again: ")?.expose() != password.expose() {
        return Err(Failure::failed("the two passwords differ"));
    }
    Ok(password)
}

/// Ctrl-C at a prompt must not end the program while the terminal hides what is typed: `rpassword` raises the signal
/// first and restores the terminal afterwards. Later on Ctrl-C ends the program as before.
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
