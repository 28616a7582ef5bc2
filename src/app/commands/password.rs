//! Reads and hashes new passwords.

use std::{
    io::{self, BufRead, ErrorKind, Read},
    num::NonZeroUsize,
    process,
};

use clap::Args;
use zeroize::Zeroizing;

use crate::{
    adapters::{
        passwords::{Argon2Hasher, Argon2Settings},
        sql::User,
    },
    app::{
        failure::Failure,
        settings::{Argon2Parameters, IssuerSettings, PasswordSettings},
    },
    domain::{
        ports::{PasswordCheck, PasswordHasher, PasswordPolicy, WeakPassword},
        secret::{Password, PasswordHash},
    },
};

/// The maximum number of bytes that are read from standard input.
const MAX_LINE: u64 = 64 * 1024;

/// The source of a new password, and the parameters of its hash. A password is never an argument, because every user on
/// the machine can see the arguments of a process.
#[derive(Clone, Debug, Args)]
pub(crate) struct NewPassword {
    /// Read the password from the first line of standard input instead of prompting for it
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    rules: PasswordSettings,
    #[command(flatten)]
    issuer: IssuerSettings,
    #[command(flatten)]
    argon2: Argon2Parameters,
}

impl NewPassword {
    /// Reads a password, checks it against the password policy, and returns the hash to store. Fails if the password
    /// matches the hash `current`.
    pub(super) async fn hash(
        self,
        user: &User,
        current: Option<&PasswordHash>,
    ) -> Result<PasswordHash, Failure> {
        // One thread is enough for one password.
        let settings = Argon2Settings { threads: Some(NonZeroUsize::MIN), ..self.argon2.hasher() };
        let hasher = Argon2Hasher::with_settings(settings).map_err(Failure::usage)?;
        // Loaded before the prompt, so that nobody types a password in vain if the policy is invalid.
        let policy = self.rules.policy(&self.issuer, &hasher)?;
        let password = if self.password_stdin { read_line()? } else { prompt_twice()? };
        if password.expose().is_empty() {
            return Err(Failure::failed("the password is empty"));
        }
        let names = [Some(&user.username), user.email.as_ref(), user.full_name.as_ref()];
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        policy.check(&password, &names).await??;
        if let Some(current) = current
            && hasher.verify(&password, current).await? != PasswordCheck::Mismatch
        {
            return Err(WeakPassword::Unchanged.into());
        }
        Ok(hasher.hash(&password).await?)
    }
}

fn read_line() -> Result<Password, Failure> {
    // A buffer that grows would leave copies of the password in memory. This capacity is sufficient for most passwords.
    let mut line = Zeroizing::new(String::with_capacity(Password::MAX_BYTES));
    let read = io::stdin().lock().take(MAX_LINE).read_line(&mut line);
    read.map_err(|error| Failure::failed(format!("cannot read the password: {error}")))?;
    let line = line.strip_suffix('\n').unwrap_or(&**line);
    Ok(line.strip_suffix('\r').unwrap_or(line).into())
}

/// The exit code that shells report for a program ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

fn prompt_twice() -> Result<Password, Failure> {
    catch_interrupts()?;
    let prompt = |text| match rpassword::prompt_password(text) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            // Ends the line of the prompt.
            eprintln!();
            process::exit(INTERRUPTED)
        }
        result => result.map(Password::from).map_err(|_| {
            Failure::usage("cannot prompt for a password without a terminal; use --password-stdin")
        }),
    };
    let password = prompt("New password: ")?;
    if prompt("Again: ")?.expose() != password.expose() {
        return Err(Failure::failed("the two passwords differ: nothing was changed"));
    }
    Ok(password)
}

/// Keeps Ctrl-C from ending the program while the terminal hides what is typed: `rpassword` raises the signal before it
/// restores the terminal. After the prompt, Ctrl-C ends the program as usual.
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
