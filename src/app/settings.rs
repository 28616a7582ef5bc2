//! The settings: each a flag and an environment variable of the same name.

use std::{env, net::SocketAddr, process::ExitCode};

use clap::{
    Parser, Subcommand, ValueEnum,
    builder::BoolishValueParser,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// The OAuth2 password flow for Actix: password in, bearer token out, documentation that signs in by itself.
///
/// Without a command it serves. Every option is also an environment variable; the flag counts where both are
/// given. RUST_LOG sets what is logged, as in RUST_LOG=warn or RUST_LOG=debug (default: info).
#[derive(Debug, Parser)]
#[command(name = "gatepass", version)]
struct CommandLine {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Command {
    /// Run the service; what `gatepass` alone does
    Serve,
    /// Ask the service at --bind whether it answers: exit code 0 if it does, 1 if not
    Healthcheck,
}

/// What every command reads.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Which users, hashes and tokens to run with
    #[arg(long, env = "GATEPASS_PROFILE", value_enum, default_value_t = Profile::Tutorial, global = true)]
    pub profile: Profile,

    /// The address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "GATEPASS_BIND",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8000",
        value_parser = parse_bind,
        global = true
    )]
    pub bind: SocketAddr,

    /// How many threads answer requests, 1 to 512 [default: one per core]
    #[arg(
        long,
        env = "GATEPASS_WORKERS",
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(1..=512),
        global = true
    )]
    pub workers: Option<u16>,

    /// Let the tutorial profile listen on addresses that other machines reach, insecure as it is
    #[arg(
        long,
        env = "GATEPASS_EXPOSE_TUTORIAL",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        hide_default_value = true,
        value_parser = BoolishValueParser::new(),
        global = true
    )]
    pub expose_tutorial: bool,

    /// How long requests in flight may take to finish after SIGTERM or SIGINT, in seconds
    #[arg(
        long,
        env = "GATEPASS_SHUTDOWN_TIMEOUT",
        value_name = "SECONDS",
        default_value_t = 30,
        global = true
    )]
    pub shutdown_timeout: u64,
}

/// Which adapters are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// FastAPI's tutorial: two users in memory, no hashing, the username as token. Insecure
    Tutorial,
}

impl Settings {
    /// The command and the settings, from the command line and the environment.
    ///
    /// # Errors
    /// The exit code to end with, after help or one line that says what is wrong was printed.
    pub fn from_command_line() -> Result<(Command, Self), ExitCode> {
        let CommandLine { command, settings } = CommandLine::try_parse().map_err(|error| explain(&error))?;
        Ok((command.unwrap_or(Command::Serve), settings))
    }
}

fn parse_bind(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "an IP address and a port are expected, such as 127.0.0.1:8000 or [::1]:8000")
}

/// Prints help as clap lays it out, and everything else in one line.
fn explain(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return if error.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let message = error.to_string();
    // clap's first paragraph says what is wrong, sometimes over several lines.
    let what = message.split("\n\n").next().unwrap_or_default();
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    let what = what.trim_start_matches("error: ");
    eprintln!("gatepass: {what}{}; see gatepass --help", origin(error));
    ExitCode::from(2)
}

/// Names the environment variable where the wrong value came from there: clap names the flag alone.
fn origin(error: &clap::Error) -> String {
    let (Some(ContextValue::String(flag)), Some(ContextValue::String(value))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return String::new();
    };
    let flag = flag.split([' ', '=', '[']).next().unwrap_or_default();
    let variable = format!("GATEPASS_{}", flag.trim_start_matches('-').replace('-', "_").to_uppercase());
    let by_flag = env::args_os().skip(1).any(|argument| {
        let argument = argument.to_string_lossy();
        argument.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    match env::var(&variable) {
        Ok(set) if set == *value && !by_flag => format!(" (from {variable})"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }
}
