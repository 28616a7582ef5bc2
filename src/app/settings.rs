//! The settings: each a flag and an environment variable of the same name.

use std::{
    env, iter,
    net::SocketAddr,
    num::{NonZeroU8, NonZeroU32, NonZeroUsize},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{
    Parser, Subcommand, ValueEnum,
    builder::{BoolishValueParser, TypedValueParser},
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{
    adapters::{
        argon2::Argon2Settings,
        jwt::{JwtSettings, SigningAlgorithm},
        sql::DatabaseSettings,
    },
    app::{
        commands::{audit::AuditCommand, clients::ClientsCommand, keys::KeysArguments, users::UsersCommand},
        connection::Patience,
        cors::CorsOrigins,
        tls::{TlsError, TlsFiles},
    },
    auth::{LoginThrottleLimits, RefreshSettings, RefreshTokens},
    domain::secret::secret,
    http::{
        body::BodyLimits,
        trusted_proxies::{ProxyHeader, TrustedProxies},
    },
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
    /// Show who did what, when, from where
    #[command(subcommand, arg_required_else_help = false)]
    Audit(AuditCommand),
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

    /// Who may come, how, and how long they may take.
    #[command(flatten)]
    pub edge: EdgeSettings,

    /// What the secure profile reads besides.
    #[command(flatten)]
    pub secure: SecureSettings,

    /// What whoever operates it sets.
    #[command(flatten)]
    pub ops: OpsSettings,
}

/// What whoever operates it sets.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of operation")]
pub struct OpsSettings {
    /// Where /health/live, /health/ready and /metrics are answered, for a network that nobody else reaches [default:
    /// nowhere]
    #[arg(
        long,
        env = "GATEPASS_OPS_BIND",
        value_name = "ADDRESS:PORT",
        value_parser = parse_bind,
        global = true
    )]
    pub ops_bind: Option<SocketAddr>,

    /// How long the service goes on as before after SIGTERM or SIGINT, and /health/ready says that it stops, in seconds
    #[arg(long, env = "GATEPASS_DRAIN_DELAY", value_name = "SECONDS", default_value_t = 0, global = true)]
    pub drain_delay: u32,

    /// Where the audit trail is written as JSON lines, beside the database: a file, or - for standard output
    #[arg(long, env = "GATEPASS_AUDIT_LOG", value_name = "FILE", global = true)]
    pub audit_log: Option<PathBuf>,

    /// How long the audit trail is kept in the database, in days
    #[arg(long, env = "GATEPASS_AUDIT_RETENTION", value_name = "DAYS", default_value = "90", global = true)]
    pub audit_retention: NonZeroU32,
}

impl OpsSettings {
    /// How long the service goes on when it is to stop.
    pub fn drain_delay(&self) -> Duration {
        Duration::from_secs(self.drain_delay.into())
    }

    /// How long the audit trail is kept.
    pub fn audit_kept(&self) -> Duration {
        Duration::from_secs(u64::from(self.audit_retention.get()) * 24 * 60 * 60)
    }
}

/// Who may come, how, and how long they may take.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of the edge")]
pub struct EdgeSettings {
    /// Serve by TLS with this certificate and those that lead to its root, PEM; read anew when it changes
    #[arg(long, env = "GATEPASS_TLS_CERT", value_name = "FILE", global = true)]
    pub tls_cert: Option<PathBuf>,

    /// The private key of the certificate, PEM
    #[arg(long, env = "GATEPASS_TLS_KEY", value_name = "FILE", global = true)]
    pub tls_key: Option<PathBuf>,

    /// The proxies that are believed whom they speak for: addresses and networks [default: nobody; tutorial: loopback]
    #[arg(long, env = "GATEPASS_TRUSTED_PROXIES", value_name = "NETWORK,…", global = true)]
    pub trusted_proxies: Option<TrustedProxies>,

    /// The header in which they say it: one that they set, whatever the client sends
    #[arg(
        long,
        env = "GATEPASS_PROXY_HEADER",
        value_name = "x-forwarded-for|forwarded",
        default_value = "x-forwarded-for",
        value_parser = parse_proxy_header,
        global = true
    )]
    pub proxy_header: ProxyHeader,

    /// The origins whose pages may call the service, as scheme://host:port [default: none]
    #[arg(long, env = "GATEPASS_CORS_ORIGIN", value_name = "ORIGIN,…", global = true)]
    pub cors_origin: Vec<CorsOrigins>,

    /// How long the head of a request may take to come, in seconds
    #[arg(long, env = "GATEPASS_HEADER_TIMEOUT", value_name = "SECONDS", default_value = "5", global = true)]
    pub header_timeout: NonZeroU32,

    /// How long the body of a request may take to come, in seconds
    #[arg(long, env = "GATEPASS_BODY_TIMEOUT", value_name = "SECONDS", default_value = "10", global = true)]
    pub body_timeout: NonZeroU32,

    /// How long a request may take from its head to the end of its answer, in seconds
    #[arg(
        long,
        env = "GATEPASS_RESPONSE_TIMEOUT",
        value_name = "SECONDS",
        default_value = "60",
        global = true
    )]
    pub response_timeout: NonZeroU32,

    /// How long a connection is kept without a request, in seconds; longer than a proxy keeps its own
    #[arg(long, env = "GATEPASS_IDLE_TIMEOUT", value_name = "SECONDS", default_value = "5", global = true)]
    pub idle_timeout: NonZeroU32,

    /// How many connections there may be at once; more wait for one to end
    #[arg(
        long,
        env = "GATEPASS_MAX_CONNECTIONS",
        value_name = "NUMBER",
        default_value = "8000",
        global = true
    )]
    pub max_connections: NonZeroU32,

    /// The most bytes that the head of a request may have, at most 131072
    #[arg(
        long,
        env = "GATEPASS_MAX_HEADER_BYTES",
        value_name = "BYTES",
        default_value_t = 16384,
        value_parser = clap::value_parser!(u32).range(1024..=131_072),
        global = true
    )]
    pub max_header_bytes: u32,

    /// The most bytes that the body of a request may have
    #[arg(
        long,
        env = "GATEPASS_MAX_BODY_BYTES",
        value_name = "BYTES",
        default_value_t = 1_048_576,
        value_parser = clap::value_parser!(u32).range(1024..),
        global = true
    )]
    pub max_body_bytes: u32,
}

impl EdgeSettings {
    /// The files of TLS, where there is TLS.
    ///
    /// # Errors
    /// Where one is given without the other.
    pub fn tls(&self) -> Result<Option<TlsFiles>, TlsError> {
        TlsFiles::of(self.tls_cert.as_deref(), self.tls_key.as_deref())
    }

    pub(crate) fn cors_origins(&self) -> CorsOrigins {
        CorsOrigins::join(&self.cors_origin)
    }

    /// How long a connection may take.
    pub(crate) fn patience(&self) -> Patience {
        Patience {
            idle: seconds(self.idle_timeout) + seconds(self.header_timeout),
            answer: seconds(self.response_timeout),
        }
    }

    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes: self.max_body_bytes as usize, timeout: seconds(self.body_timeout) }
    }
}

/// What the secure profile reads besides.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of the secure profile")]
pub struct SecureSettings {
    /// Where users, clients and sessions are: sqlite:FILE, or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(
        long,
        env = "GATEPASS_DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite:gatepass.db",
        hide_env_values = true,
        global = true
    )]
    pub database_url: DatabaseUrl,

    /// The most connections to the database that requests share; up to four more are for what does not wait
    #[arg(
        long,
        env = "GATEPASS_DATABASE_CONNECTIONS",
        value_name = "NUMBER",
        default_value = "10",
        value_parser = clap::value_parser!(u8).range(1..).try_map(NonZeroU8::try_from),
        global = true
    )]
    pub database_connections: NonZeroU8,

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

    /// The issuer in tokens, one for all replicas [default: made of the address of --bind]
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

    /// How long past its end a token is still taken, in seconds
    #[arg(long, env = "GATEPASS_LEEWAY", value_name = "SECONDS", default_value_t = 0, global = true)]
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
        env = "GATEPASS_TOKEN_CACHE_SIZE",
        value_name = "NUMBER",
        default_value = "20000",
        global = true
    )]
    pub token_cache_size: NonZeroUsize,

    /// How long tokens are recognised from memory when the database is out of reach, in seconds; then 503
    #[arg(
        long,
        env = "GATEPASS_TOKEN_CACHE_MAX_STALENESS",
        value_name = "SECONDS",
        default_value = "5",
        global = true
    )]
    pub token_cache_max_staleness: NonZeroU32,

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

    /// How long a sign-in may have to wait for a hashing thread, in milliseconds; one that would wait longer is answered
    /// 503 at once
    #[arg(
        long,
        env = "GATEPASS_HASH_MAX_WAIT",
        value_name = "MILLISECONDS",
        default_value_t = 2000,
        global = true
    )]
    pub hash_max_wait: u64,

    /// Whether who fails to sign in too often waits; off is for a network of which nobody guesses
    #[arg(
        long,
        env = "GATEPASS_LOGIN_THROTTLE",
        value_enum,
        value_name = "on|off",
        default_value_t = Switch::On,
        global = true
    )]
    pub login_throttle: Switch,

    /// How often one account may fail from one address before anybody waits: a second, then twice as long each time
    #[arg(
        long,
        env = "GATEPASS_LOGIN_THROTTLE_ACCOUNT_FAILURES",
        value_name = "NUMBER",
        default_value_t = 5,
        global = true
    )]
    pub login_throttle_account_failures: u32,

    /// How often one address may fail, whatever the account, before it waits
    #[arg(
        long,
        env = "GATEPASS_LOGIN_THROTTLE_ADDRESS_FAILURES",
        value_name = "NUMBER",
        default_value_t = 100,
        global = true
    )]
    pub login_throttle_address_failures: u32,

    /// How long anybody waits at the most, in seconds; an hour without a failure forgets all of them
    #[arg(
        long,
        env = "GATEPASS_LOGIN_THROTTLE_LONGEST_WAIT",
        value_name = "SECONDS",
        default_value_t = 900,
        value_parser = clap::value_parser!(u32).range(1..=3599),
        global = true
    )]
    pub login_throttle_longest_wait: u32,

    /// How many passwords an address may try in a second, right or wrong; ten times as many at once
    #[arg(
        long,
        env = "GATEPASS_LOGIN_THROTTLE_RATE",
        value_name = "NUMBER",
        default_value = "50",
        global = true
    )]
    pub login_throttle_rate: NonZeroU32,

    /// Require grant_type=password in the form, as RFC 6749 does
    #[arg(
        long,
        env = "GATEPASS_REQUIRE_GRANT_TYPE",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        hide_default_value = true,
        value_parser = BoolishValueParser::new(),
        global = true
    )]
    pub require_grant_type: bool,

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
    /// How the database is opened.
    pub fn database(&self) -> DatabaseSettings {
        DatabaseSettings { connections: self.database_connections, ..DatabaseSettings::default() }
    }

    /// What passwords are hashed with.
    pub fn argon2(&self) -> Argon2Settings {
        Argon2Settings {
            memory: self.argon2_memory,
            iterations: self.argon2_iterations,
            parallelism: self.argon2_parallelism,
            threads: self.hash_threads,
            queue: self.hash_queue,
            max_wait: Duration::from_millis(self.hash_max_wait),
        }
    }

    /// From when on somebody waits who fails to sign in, where anybody does.
    pub fn login_throttle(&self) -> Option<LoginThrottleLimits> {
        (self.login_throttle == Switch::On).then(|| LoginThrottleLimits {
            account_failures: self.login_throttle_account_failures,
            address_failures: self.login_throttle_address_failures,
            longest_wait: Duration::from_secs(self.login_throttle_longest_wait.into()),
            rate: self.login_throttle_rate,
            ..LoginThrottleLimits::default()
        })
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

    /// The issuer of tokens, given or made of the address.
    pub fn issuer(&self) -> String {
        let scheme = if self.edge.tls_cert.is_some() { "https" } else { "http" };
        self.secure.issuer.clone().unwrap_or_else(|| format!("{scheme}://{}", self.bind))
    }

    /// Whether tokens name an issuer that nobody can reach: one made of an address that is none.
    pub fn issuer_is_unusable(&self) -> bool {
        self.secure.issuer.is_none() && (self.bind.ip().is_unspecified() || self.bind.port() == 0)
    }

    /// What [`JwtTokens`](crate::JwtTokens) is opened with.
    pub fn jwt(&self) -> JwtSettings {
        let secure = &self.secure;
        let issuer = self.issuer();
        JwtSettings {
            keys_dir: secure.keys_dir.clone(),
            algorithm: secure.algorithm,
            activation_delay: Duration::from_secs(secure.key_activation_delay),
            audience: secure.audience.clone().unwrap_or_else(|| issuer.clone()).into(),
            issuer: issuer.into(),
            access_token_ttl: seconds(secure.access_token_ttl),
            leeway: Duration::from_secs(secure.leeway.into()),
        }
    }

    /// Whose word counts on where a request came from. What FastAPI's server trusts, the tutorial does.
    pub fn trusted_proxies(&self) -> TrustedProxies {
        let default = || match self.profile {
            Profile::Tutorial => TrustedProxies::loopback(),
            Profile::Secure => TrustedProxies::default(),
        };
        self.edge.trusted_proxies.clone().unwrap_or_else(default).setting(self.edge.proxy_header)
    }
}

fn seconds(number: NonZeroU32) -> Duration {
    Duration::from_secs(number.get().into())
}

fn parse_proxy_header(text: &str) -> Result<ProxyHeader, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "x-forwarded-for" => Ok(ProxyHeader::XForwardedFor),
        "forwarded" => Ok(ProxyHeader::Forwarded),
        _ => Err("x-forwarded-for or forwarded is expected"),
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
