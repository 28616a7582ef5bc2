//! The settings: each is a flag and an environment variable, see `cli`.
//!
//! Commands flatten the groups that they read. Groups come last in a struct, since a help heading applies to all fields
//! after it.

use std::{
    net::SocketAddr,
    num::{NonZeroU8, NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use crate::{
    adapters::{
        jwt::{JwtSettings, SigningAlgorithm, SigningKeys},
        passwords::Argon2Settings,
        sql::DatabaseSettings,
    },
    app::{
        connection::ConnectionTimeouts,
        cors::CorsOrigins,
        tls::{TlsError, TlsFiles},
    },
    auth::{LoginThrottleLimits, RefreshSettings, RefreshTokens},
    domain::secret::secret,
    http::{
        extract::body::BodyLimits,
        trusted_proxies::{ProxyHeader, TrustedProxies},
    },
};

/// The settings of the service.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Service options")]
pub struct Settings {
    #[command(flatten)]
    pub(crate) profile: ProfileSettings,

    #[command(flatten)]
    pub(crate) listen: ListenSettings,

    /// Number of threads that serve requests, 1 to 512 [default: one per core]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) workers: Option<u16>,

    /// Let the insecure tutorial profile listen on public addresses
    #[arg(long)]
    pub(crate) expose_tutorial: bool,

    /// Time that requests in flight get to finish after SIGTERM or SIGINT, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) shutdown_timeout: u64,

    #[command(flatten)]
    pub(crate) network: NetworkSettings,

    #[command(flatten)]
    pub(crate) secure: SecureSettings,

    #[command(flatten)]
    pub(crate) operations: OperationsSettings,
}

/// The profile.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Service options")]
pub(crate) struct ProfileSettings {
    /// Set of users, hashes and tokens to run with
    #[arg(long, default_value = "tutorial", value_parser = one_of(&[
        ("tutorial", "Two users in memory, no hashing, usernames as tokens, as in FastAPI's tutorial: insecure", Profile::Tutorial),
        ("secure", "Stored users, hashed passwords, signed tokens, granted scopes: for production", Profile::Secure),
    ]))]
    pub(crate) profile: Profile,
}

/// The address that the service listens on.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Service options")]
pub(crate) struct ListenSettings {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000", value_parser = parse_address)]
    pub(crate) bind: SocketAddr,

    /// PEM file with the TLS certificate and its chain [default: plain HTTP]
    #[arg(long, value_name = "FILE", help_heading = NETWORK)]
    tls_cert: Option<PathBuf>,

    /// PEM file with the private key of the TLS certificate
    #[arg(long, value_name = "FILE", help_heading = NETWORK)]
    tls_key: Option<PathBuf>,
}

const NETWORK: &str = "Network options";

/// Proxies, origins, timeouts and limits.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = NETWORK)]
pub(crate) struct NetworkSettings {
    /// Proxies whose forwarding header is trusted: addresses and networks [default: none; tutorial: loopback]
    #[arg(long, value_name = "NETWORK,…")]
    trusted_proxies: Option<TrustedProxies>,

    /// Header in which trusted proxies forward the client's address
    #[arg(long, default_value = "x-forwarded-for", ignore_case = true, value_parser = one_of(&[
        ("x-forwarded-for", "X-Forwarded-For, with X-Forwarded-Proto and X-Forwarded-Host", ProxyHeader::XForwardedFor),
        ("forwarded", "Forwarded (RFC 7239)", ProxyHeader::Forwarded),
    ]))]
    proxy_header: ProxyHeader,

    /// Origins whose pages may call the service (CORS), as scheme://host:port [default: none]
    #[arg(long, value_name = "ORIGIN,…")]
    cors_origin: Vec<CorsOrigins>,

    /// Time to receive the head of a request, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5")]
    header_timeout: NonZeroU32,

    /// Time to receive the body of a request, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    body_timeout: NonZeroU32,

    /// Time from the head of a request to the end of its response, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    response_timeout: NonZeroU32,

    /// Time that an idle connection is kept, in seconds; must exceed the keep-alive timeout of a proxy
    #[arg(long, value_name = "SECONDS", default_value = "5")]
    idle_timeout: NonZeroU32,

    /// Maximum number of open connections; further ones wait
    #[arg(long, value_name = "NUMBER", default_value = "8000")]
    pub(crate) max_connections: NonZeroU32,

    /// Maximum size of a request's head in bytes, at most 131072
    #[arg(long, value_name = "BYTES", default_value_t = 16384, value_parser = clap::value_parser!(u32).range(1024..=131_072))]
    pub(crate) max_header_bytes: u32,

    /// Maximum size of a request's body in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1_048_576, value_parser = clap::value_parser!(u32).range(1024..))]
    max_body_bytes: u32,
}

/// Health checks, metrics, shutdown and audit trail.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Operations options")]
pub(crate) struct OperationsSettings {
    /// Address and port of /health/live, /health/ready and /metrics, which must not be public [default: none]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_address)]
    pub(crate) ops_bind: Option<SocketAddr>,

    /// Time between SIGTERM or SIGINT, when /health/ready turns 503, and closing the listener, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    drain_delay: u32,

    /// File to which the audit trail is also written as JSON lines; - is standard output [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_log: Option<PathBuf>,

    /// Time that entries of the audit trail are kept in the database, in days
    #[arg(long, value_name = "DAYS", default_value = "90")]
    audit_retention: NonZeroU32,
}

/// The settings of the secure profile.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Secure profile options")]
pub(crate) struct SecureSettings {
    /// Maximum number of database connections that requests share, 1 to 255; up to three more serve other purposes
    #[arg(long, value_name = "NUMBER", default_value = "10", value_parser = clap::value_parser!(u8).range(1..).try_map(NonZeroU8::try_from))]
    pub(crate) database_connections: NonZeroU8,

    /// Issuer in tokens, the same for all replicas [default: the address of --bind]
    #[arg(long, value_name = "URL", value_parser = parse_identifier)]
    issuer: Option<String>,

    /// Audience in tokens [default: the issuer]
    #[arg(long, value_name = "URL", value_parser = parse_identifier)]
    audience: Option<String>,

    /// Refuse sign-ins without a registered client
    #[arg(long)]
    pub(crate) require_client: bool,

    /// Time in which a used refresh token may be repeated by a client that lost the response, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    refresh_grace: u32,

    /// Lifetime of an unused refresh token in seconds, 14 days by default
    #[arg(long, value_name = "SECONDS", default_value = "1209600")]
    refresh_idle_ttl: NonZeroU32,

    /// Lifetime of a session's refresh tokens, counted from the sign-in, in seconds, 90 days by default
    #[arg(long, value_name = "SECONDS", default_value = "7776000")]
    refresh_ttl: NonZeroU32,

    /// Maximum number of cached tokens; others are looked up in the database
    #[arg(long, value_name = "NUMBER", default_value = "20000")]
    pub(crate) token_cache_size: NonZeroUsize,

    /// Time that cached tokens stay valid without the database, in seconds; requests get 503 afterwards
    #[arg(long, value_name = "SECONDS", default_value = "5")]
    token_cache_max_staleness: NonZeroU32,

    #[command(flatten)]
    pub(crate) database: DatabaseLocation,

    #[command(flatten)]
    pub(crate) keys: KeySettings,

    #[command(flatten)]
    pub(crate) api: ApiSettings,

    #[command(flatten)]
    argon2: Argon2Parameters,

    #[command(flatten)]
    hash_pool: HashPoolSettings,

    #[command(flatten)]
    login_throttle: LoginThrottleSettings,
}

/// The database.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Database options")]
pub(crate) struct DatabaseLocation {
    /// Database: sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, value_name = "URL", default_value = "sqlite:gatepass.db", hide_env_values = true)]
    pub(crate) database_url: DatabaseUrl,
}

/// The signing keys and the lifetime of what they sign.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Key options")]
pub(crate) struct KeySettings {
    /// Directory of the signing keys
    #[arg(long, value_name = "DIRECTORY", default_value = "keys")]
    pub(crate) keys_dir: PathBuf,

    /// Time that a new key is published before it signs, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    key_activation_delay: u64,

    /// Access token lifetime in seconds
    #[arg(long, value_name = "SECONDS", default_value = "900")]
    access_token_ttl: NonZeroU32,

    /// Clock skew that is accepted when a token is verified, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    leeway: u32,
}

/// The algorithm that signs tokens.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Key options")]
pub(crate) struct AlgorithmSettings {
    /// Signature algorithm of access tokens
    #[arg(long, default_value = "EdDSA", value_parser = one_of(&[
        ("EdDSA", "Ed25519: other services verify tokens with the public keys", SigningAlgorithm::EdDsa),
        ("HS256", "HMAC with SHA-256, as in FastAPI's tutorial: verifying a token takes the secret", SigningAlgorithm::Hs256),
    ]))]
    pub(crate) algorithm: SigningAlgorithm,
}

/// The settings of the secure profile that change its OpenAPI document.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Secure profile options")]
pub(crate) struct ApiSettings {
    /// Sign-ins that get a refresh token
    #[arg(long, default_value = "on-request", value_parser = one_of(&[
        ("on-request", "Those that request the scope offline_access", RefreshTokens::OnRequest),
        ("always", "All", RefreshTokens::Always),
        ("never", "None; refresh tokens that exist can only be revoked", RefreshTokens::Never),
    ]))]
    pub(crate) refresh_tokens: RefreshTokens,

    /// Let users sign in with a password; with off, sessions that exist stay active
    #[arg(long, default_value = "on", value_parser = on_or_off())]
    password_grant: Switch,

    /// Require grant_type=password in the form, as RFC 6749 does
    #[arg(long)]
    pub(crate) require_grant_type: bool,

    #[command(flatten)]
    pub(crate) signing: AlgorithmSettings,
}

/// The parameters of new password hashes.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Password hashing options")]
pub(crate) struct Argon2Parameters {
    /// Memory of one password hash (Argon2id) in KiB
    #[arg(long, value_name = "KIB", default_value_t = 19456)]
    argon2_memory: u32,

    /// Number of passes over that memory
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    argon2_iterations: u32,

    /// Number of lanes of that memory
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    argon2_parallelism: u32,
}

/// The threads that hash passwords.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Password hashing options")]
struct HashPoolSettings {
    /// Number of threads that hash passwords [default: one per core]
    #[arg(long, value_name = "NUMBER")]
    hash_threads: Option<NonZeroUsize>,

    /// Maximum number of sign-ins that wait for a hashing thread; further ones get 503
    #[arg(long, value_name = "NUMBER", default_value = "64")]
    hash_queue: NonZeroUsize,

    /// Maximum expected wait for a hashing thread in milliseconds; sign-ins that would wait longer get 503 at once
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2000)]
    hash_max_wait: u64,
}

/// The limits on failed sign-ins.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Login throttling options")]
struct LoginThrottleSettings {
    /// Delay sign-ins after failed attempts; off is for networks in which nobody guesses passwords
    #[arg(long, default_value = "on", value_parser = on_or_off())]
    login_throttle: Switch,

    /// Failed attempts at one account from one address before a wait of one second, which doubles each time
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    login_throttle_account_failures: u32,

    /// Failed attempts from one address, at any account, before it has to wait
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    login_throttle_address_failures: u32,

    /// Longest wait in seconds; an hour without a failed attempt resets all waits
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=3599))]
    login_throttle_longest_wait: u32,

    /// Sign-ins per second from one address, right or wrong; the burst is ten times that
    #[arg(long, value_name = "NUMBER", default_value = "50")]
    login_throttle_rate: NonZeroU32,
}

secret! {
    /// A database's URL, which may hold a password.
    DatabaseUrl
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    On,
    Off,
}

/// The adapters that are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// FastAPI's tutorial. Insecure.
    Tutorial,
    /// For production.
    Secure,
}

impl Settings {
    /// The issuer of tokens: the setting, or the address that the service listens on.
    pub(crate) fn issuer(&self) -> String {
        let scheme = if self.listen.tls_cert.is_some() { "https" } else { "http" };
        self.secure.issuer.clone().unwrap_or_else(|| format!("{scheme}://{}", self.listen.bind))
    }

    /// Whether the issuer is not a URL that clients can reach, since --bind is not the address of one machine and port.
    pub(crate) fn issuer_is_unreachable(&self) -> bool {
        let bind = self.listen.bind;
        self.secure.issuer.is_none() && (bind.ip().is_unspecified() || bind.port() == 0)
    }

    /// The error or warning about an unreachable issuer.
    pub(crate) fn unreachable_issuer(&self) -> String {
        format!("issuer {} is not reachable by clients; set --issuer", self.issuer())
    }

    /// The settings of [`JwtTokens`](crate::jwt::JwtTokens).
    pub(crate) fn jwt(&self) -> JwtSettings {
        let (secure, issuer) = (&self.secure, self.issuer());
        JwtSettings {
            audience: secure.audience.as_deref().unwrap_or(&issuer).into(),
            ..secure.keys.jwt(secure.api.signing, &issuer)
        }
    }

    /// The proxies whose forwarding header is trusted. The tutorial profile trusts the same ones as FastAPI's server.
    pub(crate) fn trusted_proxies(&self) -> TrustedProxies {
        let default = || match self.profile.profile {
            Profile::Tutorial => TrustedProxies::loopback(),
            Profile::Secure => TrustedProxies::default(),
        };
        self.network.trusted_proxies.clone().unwrap_or_else(default).setting(self.network.proxy_header)
    }
}

impl ListenSettings {
    /// The files of the TLS certificate, if TLS is on.
    ///
    /// # Errors
    /// If one file is set without the other.
    pub(crate) fn tls(&self) -> Result<Option<TlsFiles>, TlsError> {
        TlsFiles::new(self.tls_cert.as_deref(), self.tls_key.as_deref())
    }
}

impl NetworkSettings {
    pub(crate) fn cors_origins(&self) -> CorsOrigins {
        CorsOrigins::join(&self.cors_origin)
    }

    pub(crate) fn header_timeout(&self) -> Duration {
        seconds(self.header_timeout)
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        seconds(self.idle_timeout)
    }

    pub(crate) fn connection_timeouts(&self) -> ConnectionTimeouts {
        ConnectionTimeouts {
            next_request: self.idle_timeout() + self.header_timeout(),
            response: seconds(self.response_timeout),
        }
    }

    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes: self.max_body_bytes as usize, timeout: seconds(self.body_timeout) }
    }
}

impl OperationsSettings {
    /// The time between a signal to stop and closing the listener.
    pub(crate) fn drain_delay(&self) -> Duration {
        Duration::from_secs(self.drain_delay.into())
    }

    /// The time that entries of the audit trail are kept in the database.
    pub(crate) fn audit_retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.audit_retention.get()) * 24 * 60 * 60)
    }
}

impl ApiSettings {
    pub(crate) fn has_password_grant(&self) -> bool {
        self.password_grant == Switch::On
    }
}

impl SecureSettings {
    pub(crate) fn database(&self) -> DatabaseSettings {
        DatabaseSettings { connections: self.database_connections, ..DatabaseSettings::default() }
    }

    pub(crate) fn argon2(&self) -> Argon2Settings {
        let HashPoolSettings { hash_threads, hash_queue, hash_max_wait } = self.hash_pool;
        Argon2Settings {
            threads: hash_threads,
            queue: hash_queue,
            max_wait: Duration::from_millis(hash_max_wait),
            ..self.argon2.hasher()
        }
    }

    /// The limits on failed sign-ins, unless throttling is off.
    pub(crate) fn login_throttle(&self) -> Option<LoginThrottleLimits> {
        let throttle = &self.login_throttle;
        (throttle.login_throttle == Switch::On).then(|| LoginThrottleLimits {
            account_failures: throttle.login_throttle_account_failures,
            address_failures: throttle.login_throttle_address_failures,
            longest_wait: Duration::from_secs(throttle.login_throttle_longest_wait.into()),
            rate: throttle.login_throttle_rate,
            ..LoginThrottleLimits::default()
        })
    }

    pub(crate) fn refresh(&self) -> RefreshSettings {
        RefreshSettings {
            issue: self.api.refresh_tokens,
            grace: Duration::from_secs(self.refresh_grace.into()),
            idle: seconds(self.refresh_idle_ttl),
            absolute: seconds(self.refresh_ttl),
        }
    }

    pub(crate) fn token_cache_max_staleness(&self) -> Duration {
        seconds(self.token_cache_max_staleness)
    }
}

impl KeySettings {
    /// The settings of tokens that this issuer issues for itself.
    pub(crate) fn jwt(&self, signing: AlgorithmSettings, issuer: &str) -> JwtSettings {
        JwtSettings {
            algorithm: signing.algorithm,
            activation_delay: Duration::from_secs(self.key_activation_delay),
            access_token_ttl: seconds(self.access_token_ttl),
            leeway: Duration::from_secs(self.leeway.into()),
            ..JwtSettings::new(SigningKeys::directory(&self.keys_dir), issuer)
        }
    }
}

impl Argon2Parameters {
    /// The settings of a hasher with these parameters.
    pub(crate) fn hasher(self) -> Argon2Settings {
        Argon2Settings {
            memory: self.argon2_memory,
            iterations: self.argon2_iterations,
            parallelism: self.argon2_parallelism,
            ..Argon2Settings::default()
        }
    }
}

fn seconds(number: NonZeroU32) -> Duration {
    Duration::from_secs(number.get().into())
}

/// A parser of one of these values: name, help, value.
fn one_of<T: Copy + Send + Sync + 'static>(
    values: &'static [(&'static str, &'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let names = values.iter().map(|(name, help, _)| PossibleValue::new(*name).help(*help));
    PossibleValuesParser::new(names).try_map(|given| {
        let found = values.iter().find(|(name, ..)| name.eq_ignore_ascii_case(&given));
        found.map(|(.., value)| *value).ok_or("unknown value")
    })
}

fn on_or_off() -> impl TypedValueParser<Value = Switch> {
    one_of(&[("on", "", Switch::On), ("off", "", Switch::Off)])
}

fn parse_identifier(text: &str) -> Result<String, &'static str> {
    let is_identifier = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_identifier.then(|| text.to_owned()).ok_or("expected a URL such as https://auth.example.com")
}

fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:8000 or [::1]:8000")
}
