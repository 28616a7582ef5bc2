//! The settings: each a flag and an environment variable of the same name.

use std::{
    env, iter,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{
    Parser, Subcommand, ValueEnum,
    builder::BoolishValueParser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{
    adapters::{
        argon2::Argon2Settings,
        jwt::{JwtSettings, SigningAlgorithm},
    },
    app::commands::{clients::ClientsCommand, keys::KeysArguments, users::UsersCommand},
    auth::{RefreshSettings, RefreshTokens},
    domain::secret::secret,
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
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the service; what `gatepass` alone does
    Serve,
    /// Ask the service at --bind whether it answers: exit code 0 if it does, 1 if not
    Healthcheck,
    /// Keep the users of the secure profile
    #[command(subcommand, arg_required_else_help = false)]
    Users(UsersCommand),
    /// Keep the clients of the secure profile: programs that ask for tokens
    #[command(subcommand, arg_required_else_help = false)]
    Clients(ClientsCommand),
    /// Show or change the keys that sign tokens
    Keys(KeysArguments),
    /// Tell whether settings, database and keys are in order: exit code 0 if they are, 1 if not
    Check {
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print the OpenAPI document of the profile
    Openapi,
}

/// What every command reads.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of the service")]
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

    /// What the secure profile reads besides.
    #[command(flatten)]
    pub secure: SecureSettings,
}

/// What the secure profile reads besides.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of the secure profile")]
pub struct SecureSettings {
    /// Where users and clients are: sqlite:FILE, or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(
        long,
        env = "GATEPASS_DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite:gatepass.db",
        hide_env_values = true,
        global = true
    )]
    pub database_url: DatabaseUrl,

    /// The folder of the keys that sign tokens; made at the first start
    #[arg(long, env = "GATEPASS_KEYS_DIR", value_name = "FOLDER", default_value = "keys", global = true)]
    pub keys_dir: PathBuf,

    /// How tokens are signed
    #[arg(long, env = "GATEPASS_ALGORITHM", value_enum, default_value_t = SigningAlgorithm::EdDsa, global = true)]
    pub algorithm: SigningAlgorithm,

    /// How long a new key is published before it signs, in seconds: as long as others cache /.well-known/jwks.json
    #[arg(
        long,
        env = "GATEPASS_KEY_ACTIVATION_DELAY",
        value_name = "SECONDS",
        default_value_t = 300,
        global = true
    )]
    pub key_activation_delay: u64,

    /// The issuer in tokens, one for all replicas [default: http:// and the address of --bind]
    #[arg(long, env = "GATEPASS_ISSUER", value_name = "URL", value_parser = parse_identifier, global = true)]
    pub issuer: Option<String>,

    /// The audience in tokens [default: the issuer]
    #[arg(long, env = "GATEPASS_AUDIENCE", value_name = "URL", value_parser = parse_identifier, global = true)]
    pub audience: Option<String>,

    /// How long an access token is valid, in seconds
    #[arg(
        long,
        env = "GATEPASS_ACCESS_TOKEN_TTL",
        value_name = "SECONDS",
        default_value = "900",
        global = true
    )]
    pub access_token_ttl: NonZeroU32,

    /// How long past its end a token is still taken, in seconds, at most 600
    // What was revoked is on record that long past its end: see KEPT in adapters/sql/changes.rs.
    #[arg(
        long,
        env = "GATEPASS_LEEWAY",
        value_name = "SECONDS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(..=600),
        global = true
    )]
    pub leeway: u32,

    /// Who gets a refresh token: who asks for the scope offline_access, everybody, or nobody
    #[arg(
        long,
        env = "GATEPASS_REFRESH_TOKENS",
        value_enum,
        default_value_t = RefreshTokens::OnRequest,
        global = true
    )]
    pub refresh_tokens: RefreshTokens,

    /// How long a refresh token that was used is answered again, for a client that lost the answer, in seconds
    #[arg(long, env = "GATEPASS_REFRESH_GRACE", value_name = "SECONDS", default_value_t = 10, global = true)]
    pub refresh_grace: u32,

    /// How long a refresh token lasts that is not used, in seconds [default: 14 days]
    #[arg(
        long,
        env = "GATEPASS_REFRESH_IDLE_TTL",
        value_name = "SECONDS",
        default_value = "1209600",
        hide_default_value = true,
        global = true
    )]
    pub refresh_idle_ttl: NonZeroU32,

    /// How long after the sign-in the last refresh token ends, in seconds [default: 90 days]
    #[arg(
        long,
        env = "GATEPASS_REFRESH_TTL",
        value_name = "SECONDS",
        default_value = "7776000",
        hide_default_value = true,
        global = true
    )]
    pub refresh_ttl: NonZeroU32,

    /// How many tokens are recognised from memory; others are looked up in the database
    #[arg(
        long,
        env = "GATEPASS_REMEMBERED_TOKENS",
        value_name = "NUMBER",
        default_value = "20000",
        global = true
    )]
    pub remembered_tokens: NonZeroUsize,

    /// How long tokens are recognised from memory when the database is out of reach, in seconds; then 503
    #[arg(long, env = "GATEPASS_MAX_STALENESS", value_name = "SECONDS", default_value = "5", global = true)]
    pub max_staleness: NonZeroU32,

    /// The memory of one password hash (Argon2id), in KiB
    #[arg(long, env = "GATEPASS_ARGON2_MEMORY", value_name = "KIB", default_value_t = 19456, global = true)]
    pub argon2_memory: u32,

    /// The passes over that memory
    #[arg(
        long,
        env = "GATEPASS_ARGON2_ITERATIONS",
        value_name = "NUMBER",
        default_value_t = 2,
        global = true
    )]
    pub argon2_iterations: u32,

    /// The lanes of that memory
    #[arg(
        long,
        env = "GATEPASS_ARGON2_PARALLELISM",
        value_name = "NUMBER",
        default_value_t = 1,
        global = true
    )]
    pub argon2_parallelism: u32,

    /// How many threads hash passwords [default: one per core]
    #[arg(long, env = "GATEPASS_HASH_THREADS", value_name = "NUMBER", global = true)]
    pub hash_threads: Option<NonZeroUsize>,

    /// How many sign-ins may wait for a hashing thread; more are answered 503
    #[arg(long, env = "GATEPASS_HASH_QUEUE", value_name = "NUMBER", default_value = "64", global = true)]
    pub hash_queue: NonZeroUsize,

    /// Require grant_type=password in the form, as RFC 6749 does
    #[arg(
        long,
        env = "GATEPASS_STRICT",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        hide_default_value = true,
        value_parser = BoolishValueParser::new(),
        global = true
    )]
    pub strict: bool,

    /// Refuse a sign-in that no registered client makes
    #[arg(
        long,
        env = "GATEPASS_REQUIRE_CLIENT",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        hide_default_value = true,
        value_parser = BoolishValueParser::new(),
        global = true
    )]
    pub require_client: bool,

    /// Whether users may sign in with a password; off, no session begins, and those that live go on
    #[arg(
        long,
        env = "GATEPASS_PASSWORD_GRANT",
        value_enum,
        value_name = "on|off",
        default_value_t = Switch::On,
        global = true
    )]
    pub password_grant: Switch,
}

impl SecureSettings {
    /// The issuer of tokens, given or made of the address.
    pub fn issuer(&self, bind: SocketAddr) -> String {
        self.issuer.clone().unwrap_or_else(|| format!("http://{bind}"))
    }

    /// Whether tokens name an issuer that nobody can reach: one made of an address that is none.
    pub fn issuer_is_unusable(&self, bind: SocketAddr) -> bool {
        self.issuer.is_none() && (bind.ip().is_unspecified() || bind.port() == 0)
    }

    /// What passwords are hashed with.
    pub fn argon2(&self) -> Argon2Settings {
        Argon2Settings {
            memory: self.argon2_memory,
            iterations: self.argon2_iterations,
            parallelism: self.argon2_parallelism,
            threads: self.hash_threads,
            queue: self.hash_queue,
        }
    }

    /// What [`JwtTokens`](crate::JwtTokens) is opened with.
    pub fn jwt(&self, bind: SocketAddr) -> JwtSettings {
        JwtSettings {
            keys_dir: self.keys_dir.clone(),
            algorithm: self.algorithm,
            activation_delay: Duration::from_secs(self.key_activation_delay),
            issuer: self.issuer(bind).into(),
            audience: self.audience(bind).into(),
            access_token_ttl: Duration::from_secs(self.access_token_ttl.get().into()),
            leeway: Duration::from_secs(self.leeway.into()),
        }
    }

    /// Who gets a refresh token, and how long it lasts.
    pub fn refresh(&self) -> RefreshSettings {
        let seconds = |number: NonZeroU32| Duration::from_secs(number.get().into());
        RefreshSettings {
            issue: self.refresh_tokens,
            grace: Duration::from_secs(self.refresh_grace.into()),
            idle: seconds(self.refresh_idle_ttl),
            absolute: seconds(self.refresh_ttl),
        }
    }

    /// The audience of tokens, given or the issuer.
    pub fn audience(&self, bind: SocketAddr) -> String {
        self.audience.clone().unwrap_or_else(|| self.issuer(bind))
    }
}

secret! {
    /// A database's URL, which may hold a password.
    DatabaseUrl
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On
    On,
    /// Off
    Off,
}

/// Which adapters are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// FastAPI's tutorial: two users in memory, no hashing, the username as token. Insecure
    Tutorial,
    /// For production: hashed passwords, stored users, signed tokens, granted scopes
    Secure,
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

    /// The settings of a service that is started with these arguments.
    ///
    /// # Errors
    /// Where an argument is wrong.
    pub fn from_arguments<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Self, clap::Error> {
        let arguments = iter::once("gatepass").chain(arguments);
        Ok(CommandLine::try_parse_from(arguments)?.settings)
    }
}

fn parse_identifier(text: &str) -> Result<String, &'static str> {
    let is_identifier = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_identifier.then(|| text.to_owned()).ok_or("a URL is expected, such as https://auth.example.com")
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
