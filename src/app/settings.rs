//! The settings. Each is a command-line option and an environment variable; see `cli`.
//!
//! Commands flatten the groups that they read. Groups with a different help heading come last in a struct, since a
//! heading applies to all fields after it.

use std::{
    net::{IpAddr, SocketAddr},
    num::{NonZeroU8, NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use actix_web::http::Uri;
use clap::{
    ArgAction, Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};

use crate::{
    adapters::{
        jwt::{JwtSettings, SigningAlgorithm, SigningKeys},
        passwords::{Argon2Hasher, Argon2Settings, PasswordBlocklist, StrengthPolicy},
        sql::{self, DatabaseSettings},
    },
    app::{
        connection::ConnectionTimeouts,
        cors::CorsOrigins,
        failure::Failure,
        logging::LogFormat,
        pages::{
            Language,
            branding::{Brand, Color, Logo},
        },
        sources,
        tls::TlsFiles,
    },
    auth::{CookieTransport, LoginThrottleLimits, RefreshSettings, RefreshTokens},
    domain::{
        claims::Audience,
        client::ClientId,
        scope::{InvalidScope, Scope},
        secret::secret,
    },
    http::{
        extract::body::BodyLimits,
        middleware::origin_check::OriginCheck,
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

    /// The files that contain the database password. `cli` sets this field.
    #[arg(skip)]
    pub(crate) password_files: Vec<PathBuf>,

    /// Allow the insecure tutorial profile to listen on non-loopback addresses
    #[arg(long)]
    pub(crate) expose_tutorial: bool,

    /// Allow the secure profile to serve plain HTTP on non-loopback addresses without a trusted proxy
    #[arg(long)]
    pub(crate) insecure_http: bool,

    /// Maximum time in seconds for requests in flight to finish after SIGTERM or SIGINT
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) shutdown_timeout: Duration,

    #[command(flatten)]
    pub(crate) network: NetworkSettings,

    #[command(flatten)]
    pub(crate) secure: SecureSettings,

    #[command(flatten)]
    pub(crate) pages: PageSettings,

    #[command(flatten)]
    pub(crate) operations: OperationsSettings,
}

/// The profile.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Service options")]
pub(crate) struct ProfileSettings {
    /// Profile to run
    #[arg(long, default_value = "tutorial", value_parser = one_of(&[
        ("tutorial", "Insecure, as in FastAPI's tutorial: two users in memory, no hashing, usernames as tokens", Profile::Tutorial),
        ("secure", "For production: users in a database, hashed passwords, signed tokens, scopes", Profile::Secure),
    ]))]
    pub(crate) profile: Profile,
}

/// The address that the service listens on, and its TLS files.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Service options")]
pub(crate) struct ListenSettings {
    /// Address and port to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000", value_parser = address)]
    pub(crate) bind: SocketAddr,

    /// PEM file with the TLS certificate chain [default: plain HTTP]
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
    /// Addresses and networks of proxies whose forwarding header is trusted [default: none, or loopback addresses in
    /// the tutorial profile]
    #[arg(long, value_name = "NETWORK,…")]
    trusted_proxies: Option<TrustedProxies>,

    /// Header in which trusted proxies forward the client's address
    #[arg(long, value_name = "HEADER", default_value = "x-forwarded-for", ignore_case = true, value_parser = one_of(&[
        ("x-forwarded-for", "X-Forwarded-For, with X-Forwarded-Proto and X-Forwarded-Host", ProxyHeader::XForwardedFor),
        ("forwarded", "Forwarded (RFC 7239)", ProxyHeader::Forwarded),
    ]))]
    proxy_header: ProxyHeader,

    /// Origins whose pages may call the service (CORS), as scheme://host[:port] [default: none]
    #[arg(long, value_name = "ORIGIN,…")]
    cors_origin: Vec<CorsOrigins>,

    /// Host names accepted in requests, in addition to localhost and the issuer's host [default: any host; if --bind is
    /// a loopback address and no proxies are trusted, no others]
    #[arg(long, value_name = "HOST,…", value_delimiter = ',', value_parser = host_name)]
    allowed_hosts: Vec<String>,

    /// Maximum time in seconds to receive the headers of a request
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = positive_seconds)]
    pub(crate) header_timeout: Duration,

    /// Maximum time in seconds to receive the body of a request
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = positive_seconds)]
    body_timeout: Duration,

    /// Maximum time in seconds from receiving a request's headers to sending the end of its response
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = positive_seconds)]
    response_timeout: Duration,

    /// Timeout in seconds for idle connections [default: 5, or 75 with trusted proxies]
    #[arg(long, value_name = "SECONDS", value_parser = positive_seconds)]
    idle_timeout: Option<Duration>,

    /// Maximum number of open connections; further connections wait
    #[arg(long, value_name = "NUMBER", default_value = "8000", value_parser = positive::<NonZeroU32>)]
    pub(crate) max_connections: NonZeroU32,

    /// Maximum size of the request line and headers in bytes, 1024 to 131072
    #[arg(long, value_name = "BYTES", default_value_t = 16384, value_parser = clap::value_parser!(u32).range(1024..=131_072))]
    pub(crate) max_header_bytes: u32,

    /// Maximum request body size in bytes, 1024 to 8388608 [default: 65536, or 1048576 in the tutorial profile]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1024..=8_388_608))]
    max_body_bytes: Option<u32>,
}

/// The appearance and language of the sign-in and account pages.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Page options")]
pub(crate) struct PageSettings {
    /// Name of your service on the sign-in and account pages [default: the host of the issuer]
    #[arg(long, value_name = "NAME", value_parser = brand_name)]
    brand_name: Option<String>,

    /// SVG or PNG file with the logo for the pages, at most 256 KiB [default: none]
    #[arg(long, value_name = "FILE")]
    brand_logo: Option<PathBuf>,

    /// Color of buttons and links on the pages, as #rrggbb
    #[arg(long, value_name = "COLOR", default_value_t)]
    brand_color: Color,

    /// Help page or email address for users, as an http, https or mailto URL [default: none]
    #[arg(long, value_name = "URL", value_parser = help_url)]
    help_url: Option<String>,

    /// Language of the pages
    #[arg(long, value_name = "LANGUAGE", default_value = "auto", value_parser = one_of(&[
        ("auto", "The browser's preferred language if supported, otherwise English", None),
        ("en", "English", Some(Language::English)),
        ("de", "German", Some(Language::German)),
    ]))]
    pub(crate) language: PageLanguage,
}

/// The language of all pages; `None` for the browser's preferred language. With this alias, clap does not treat the
/// `Option` as an optional argument.
type PageLanguage = std::option::Option<Language>;

/// Health checks, metrics, shutdown and audit trail.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Operations options")]
pub(crate) struct OperationsSettings {
    /// Address and port for /health/live, /health/ready and /metrics; must not be publicly reachable [default: none]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    pub(crate) ops_bind: Option<SocketAddr>,

    /// Time in seconds to keep accepting connections after SIGTERM or SIGINT, while /health/ready returns 503
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub(crate) drain_delay: Duration,

    /// Also write the audit trail to this file, as JSON lines; use - for standard output [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_log: Option<PathBuf>,

    /// Format of the log on standard error
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = one_of(&[
        ("text", "Lines of text", LogFormat::Text),
        ("json", "One JSON object per line", LogFormat::Json),
    ]))]
    pub(crate) log_format: LogFormat,

    /// Retention period in days for audit trail entries in the database
    #[arg(long, value_name = "DAYS", default_value = "90", value_parser = positive_days)]
    pub(crate) audit_retention: Duration,

    /// Maximum number of audit trail entries in the database for failures and routine events; the oldest are removed
    /// first
    #[arg(long, value_name = "NUMBER", default_value = "1000000", value_parser = positive::<NonZeroU32>)]
    pub(crate) audit_max_entries: NonZeroU32,
}

/// The settings of the secure profile.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Secure profile options")]
pub(crate) struct SecureSettings {
    /// Maximum number of database connections for requests, 1 to 255; the change feed, the audit trail and health
    /// checks use up to three more
    #[arg(long, value_name = "NUMBER", default_value = "10", value_parser = clap::value_parser!(u8).range(1..).try_map(NonZeroU8::try_from))]
    pub(crate) database_connections: NonZeroU8,

    /// Audiences that clients may request tokens for; a request without an audience gets a token for the first
    /// [default: the issuer]
    #[arg(long, value_name = "URL,…", value_delimiter = ',', value_parser = audience)]
    audience: Vec<Audience>,

    /// Client ID assumed for requests without one; such requests are treated as coming from a public first-party client
    #[arg(long, value_name = "ID", default_value = "gatepass", value_parser = sql::client_id)]
    pub(crate) default_client_id: ClientId,

    /// Add the claims preferred_username, email and name to access tokens, for services that verify them offline
    #[arg(long)]
    pub(crate) profile_claims: bool,

    /// Grace period in seconds, at most 60, during which a client may repeat a refresh whose response was lost
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(..=60).map(Duration::from_secs))]
    refresh_grace: Duration,

    /// Idle timeout of refresh tokens in seconds; the default is 14 days
    #[arg(long, value_name = "SECONDS", default_value = "1209600", value_parser = positive_seconds)]
    refresh_idle_ttl: Duration,

    /// Lifetime of a session's refresh tokens in seconds, counted from sign-in; the default is 90 days
    #[arg(long, value_name = "SECONDS", default_value = "7776000", value_parser = positive_seconds)]
    refresh_ttl: Duration,

    /// Lifetime of session cookies in seconds, counted from sign-in; the default is 8 hours
    #[arg(long, value_name = "SECONDS", default_value = "28800", value_parser = positive_seconds)]
    session_cookie_ttl: Duration,

    /// Idle timeout of session cookies in seconds; the default is 1 hour
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = positive_seconds)]
    session_cookie_idle_ttl: Duration,

    /// Maximum number of sessions per user, 1 to 1000; a further sign-in ends the least recently used session
    #[arg(long, value_name = "NUMBER", default_value = "50", value_parser = clap::value_parser!(u32).range(1..=1000).try_map(NonZeroU32::try_from))]
    pub(crate) max_sessions: NonZeroU32,

    /// Maximum number of cached tokens; tokens that are not cached are looked up in the database
    #[arg(long, value_name = "NUMBER", default_value = "20000", value_parser = positive::<NonZeroUsize>)]
    pub(crate) token_cache_size: NonZeroUsize,

    /// Maximum time in seconds to accept cached tokens without contact with the database; after that, requests get 503
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = positive_seconds)]
    pub(crate) token_cache_max_staleness: Duration,

    #[command(flatten)]
    pub(crate) issuer: IssuerSettings,

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
    pub(crate) passwords: PasswordSettings,

    #[command(flatten)]
    login_throttle: LoginThrottleSettings,
}

/// The issuer of tokens.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Secure profile options")]
pub(crate) struct IssuerSettings {
    /// Issuer of tokens: the public URL of the service, the same for all replicas [default: the URL of --bind]
    #[arg(long, value_name = "URL", value_parser = identifier)]
    issuer: Option<String>,
}

/// The database.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Database options")]
pub(crate) struct DatabaseLocation {
    /// Database: sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, value_name = "URL", default_value = "sqlite:gatepass.db", hide_env_values = true)]
    pub(crate) database_url: DatabaseUrl,
}

/// The signing keys, and the lifetime of tokens.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Key options")]
pub(crate) struct KeySettings {
    /// Directory with the signing keys
    #[arg(long, value_name = "DIRECTORY", default_value = "keys")]
    pub(crate) keys_dir: PathBuf,

    /// Delay in seconds between publishing a new key and signing tokens with it
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    key_activation_delay: Duration,

    /// Access token lifetime in seconds
    #[arg(long, value_name = "SECONDS", default_value = "900", value_parser = positive_seconds)]
    access_token_ttl: Duration,

    /// Accepted clock skew in seconds when verifying tokens
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    leeway: Duration,
}

/// The algorithm that signs tokens.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Key options")]
pub(crate) struct AlgorithmSettings {
    /// Signature algorithm for new keys; existing keys keep their algorithm [default: the algorithm of the newest key,
    /// or ES256 for the first key]
    #[arg(long, value_parser = one_of(&[
        ("ES256", "ECDSA with P-256, which nearly all libraries support; tokens are verified with the public key", SigningAlgorithm::Es256),
        ("RS256", "3072-bit RSA, for services whose libraries cannot verify ES256", SigningAlgorithm::Rs256),
        ("EdDSA", "Ed25519; some libraries do not support it", SigningAlgorithm::EdDsa),
        ("HS256", "HMAC with SHA-256, as in FastAPI's tutorial; verifying tokens requires the secret key", SigningAlgorithm::Hs256),
    ]))]
    pub(crate) algorithm: Option<SigningAlgorithm>,
}

/// The settings of the secure profile that affect its OpenAPI document.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Secure profile options")]
pub(crate) struct ApiSettings {
    /// Scopes of your services and their descriptions, for Swagger UI's Authorize dialog and the server metadata
    #[arg(long, value_name = "SCOPE=DESCRIPTION;…", value_delimiter = ';', value_parser = described_scope)]
    pub(crate) scope: Vec<(Scope, String)>,

    /// Sign-ins that get a refresh token
    #[arg(long, value_name = "SIGN_INS", default_value = "on-request", value_parser = one_of(&[
        ("on-request", "Sign-ins that request the scope offline_access", RefreshTokens::OnRequest),
        ("always", "All sign-ins", RefreshTokens::Always),
        ("never", "None; existing refresh tokens can only be revoked", RefreshTokens::Never),
    ]))]
    pub(crate) refresh_tokens: RefreshTokens,

    /// Allow sign-ins with a password; if off, existing sessions stay active
    #[arg(long, value_name = "on|off", default_value = "on", action = ArgAction::Set, hide_possible_values = true, value_parser = on_or_off())]
    pub(crate) password_grant: bool,

    /// Require grant_type=password in sign-ins at /token, as RFC 6749 does
    #[arg(long)]
    pub(crate) require_grant_type: bool,

    /// Refuse token requests without a registered client; turns session cookies off
    #[arg(long)]
    pub(crate) require_client: bool,

    /// Let browsers sign in at /login and authenticate with a session cookie
    #[arg(long, value_name = "on|off", default_value = "on", action = ArgAction::Set, hide_possible_values = true, value_parser = on_or_off())]
    session_cookies: bool,

    #[command(flatten)]
    pub(crate) signing: AlgorithmSettings,
}

/// The parameters of new password hashes.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Password hashing options")]
pub(crate) struct Argon2Parameters {
    /// Memory in KiB per password hash (Argon2id)
    #[arg(long, value_name = "KIB", default_value_t = 19456)]
    argon2_memory: u32,

    /// Number of Argon2id passes over the memory
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    argon2_iterations: u32,

    /// Number of Argon2id lanes that the memory is divided into
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    argon2_parallelism: u32,
}

/// The threads that hash passwords.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Password hashing options")]
struct HashPoolSettings {
    /// Number of threads that hash passwords [default: one per core]
    #[arg(long, value_name = "NUMBER", value_parser = positive::<NonZeroUsize>)]
    hash_threads: Option<NonZeroUsize>,

    /// Maximum number of sign-ins that wait for a hashing thread; further sign-ins get 503
    #[arg(long, value_name = "NUMBER", default_value = "64", value_parser = positive::<NonZeroUsize>)]
    hash_queue: NonZeroUsize,

    /// Maximum expected wait in milliseconds for a hashing thread; sign-ins that would wait longer get 503 immediately
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2000)]
    hash_max_wait: u64,
}

/// The rules for new passwords.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Password policy options")]
pub(crate) struct PasswordSettings {
    /// Minimum length of new passwords in characters, 8 to 64; existing passwords stay valid
    #[arg(long, value_name = "NUMBER", default_value_t = 15, value_parser = clap::value_parser!(u8).range(8..=64))]
    password_min_length: u8,

    /// File with breached passwords to refuse, as SHA-1 hashes in the format of Pwned Passwords, sorted by hash
    /// [default: none]
    #[arg(long, value_name = "FILE")]
    password_blocklist: Option<PathBuf>,
}

/// The limits on failed sign-ins.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Login throttling options")]
struct LoginThrottleSettings {
    /// Delay sign-ins after failed attempts; turn off only on trusted networks
    #[arg(long, value_name = "on|off", default_value = "on", action = ArgAction::Set, hide_possible_values = true, value_parser = on_or_off())]
    login_throttle: bool,

    /// Number of failed attempts per account and address before a wait of one second; each further failure doubles the
    /// wait
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    login_throttle_account_failures: u32,

    /// Number of failed attempts per account, across all addresses, before unknown devices and addresses have to wait
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    login_throttle_account_total_failures: u32,

    /// Number of failed attempts per address, across all accounts, before sign-ins from the address have to wait
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    login_throttle_address_failures: u32,

    /// Longest wait in seconds, 1 to 3599; an hour without a failed attempt resets all waits
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..=3599))]
    login_throttle_longest_wait: u32,

    /// Maximum number of requests per second from one address, with bursts of up to ten times as many; applies to
    /// /token, /login, /logout, /revoke, /introspect, password changes, and requests with unknown session cookies
    #[arg(long, value_name = "NUMBER", default_value = "50", value_parser = positive::<NonZeroU32>)]
    login_throttle_rate: NonZeroU32,
}

secret! {
    /// The database URL, which may contain a password.
    DatabaseUrl
}

/// A set of adapters that the service can run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// FastAPI's tutorial. Insecure.
    Tutorial,
    /// For production.
    Secure,
}

impl Settings {
    /// Returns the issuer of tokens: the setting, or the URL of the address that the service listens on.
    pub(crate) fn issuer(&self) -> String {
        let scheme = if self.listen.tls_cert.is_some() { "https" } else { "http" };
        self.secure.issuer.issuer.clone().unwrap_or_else(|| format!("{scheme}://{}", self.listen.bind))
    }

    /// Returns an error message if the issuer is derived from --bind, and --bind has no specific address or port.
    pub(crate) fn unreachable_issuer(&self) -> Option<String> {
        let bind = self.listen.bind;
        let is_unreachable =
            self.secure.issuer.issuer.is_none() && (bind.ip().is_unspecified() || bind.port() == 0);
        is_unreachable.then(|| format!("issuer {} is not reachable by clients; set --issuer", self.issuer()))
    }

    /// Checks that the profile may listen on the address of --bind.
    ///
    /// # Errors
    /// If other machines could use the tutorial profile, or read passwords on the network.
    pub(crate) fn check_address(&self) -> Result<(), Failure> {
        let address = self.listen.bind;
        if address.ip().is_loopback() {
            return Ok(());
        }
        match self.profile.profile {
            Profile::Tutorial if !self.expose_tutorial => Err(Failure::usage(format!(
                "the tutorial profile is insecure and listens on loopback addresses only, not on {address}; \
                 to allow other addresses, set --expose-tutorial (GATEPASS_EXPOSE_TUTORIAL=true)"
            ))),
            Profile::Secure if !self.is_encrypted() && !self.insecure_http => Err(Failure::usage(format!(
                "passwords would cross the network unencrypted: {address} is not a loopback address, and TLS is off; \
                 set --tls-cert and --tls-key, or --trusted-proxies if a proxy terminates TLS; \
                 to allow plain HTTP, set --insecure-http (GATEPASS_INSECURE_HTTP=true)"
            ))),
            Profile::Tutorial | Profile::Secure => Ok(()),
        }
    }

    /// Returns whether this process or a proxy terminates TLS.
    fn is_encrypted(&self) -> bool {
        self.listen.tls_cert.is_some() || self.network.has_trusted_proxies()
    }

    /// Describes the profile and the database for the log, without the database password.
    pub(crate) fn describe(&self) -> String {
        match self.profile.profile {
            Profile::Tutorial => "profile tutorial".to_owned(),
            Profile::Secure => {
                let database = sources::without_password(self.secure.database.database_url.expose());
                format!("profile secure, database {database}")
            }
        }
    }

    /// Returns the name, logo, color and help link for the pages.
    ///
    /// # Errors
    /// If the logo cannot be used.
    pub(crate) fn brand(&self) -> Result<Brand, Failure> {
        let PageSettings { brand_name, brand_logo, brand_color, help_url, .. } = &self.pages;
        let issuer = self.issuer();
        let host = || issuer.parse::<Uri>().ok().and_then(|uri| Some(uri.host()?.to_owned()));
        Ok(Brand {
            name: brand_name.clone().or_else(host).unwrap_or_else(|| issuer.clone()),
            logo: brand_logo.as_deref().map(Logo::open).transpose()?,
            color: *brand_color,
            help_url: help_url.clone(),
        })
    }

    /// Returns the settings for [`JwtTokens`](crate::jwt::JwtTokens).
    pub(crate) fn jwt(&self) -> JwtSettings {
        self.secure.keys.jwt(self.secure.api.signing, &self.issuer())
    }

    /// Returns the audiences that clients may request tokens for. They include the issuer, which is the audience of
    /// this service itself.
    pub(crate) fn audiences(&self) -> Result<Vec<Audience>, Failure> {
        let issuer = audience(&self.issuer()).map_err(Failure::usage)?;
        let mut audiences = self.secure.audience.clone();
        if !audiences.contains(&issuer) {
            audiences.push(issuer);
        }
        Ok(audiences)
    }

    /// Returns the check for origins and host names, or `None` in the tutorial profile.
    pub(crate) fn origin_check(&self) -> Option<OriginCheck> {
        if self.profile.profile == Profile::Tutorial {
            return None;
        }
        let cors_origins = self.network.cors_origins();
        let origins = cors_origins.iter().map(str::to_owned).chain(self.own_origin());
        let check = OriginCheck::default().allow_origins(origins);
        let allowed = &self.network.allowed_hosts;
        let has_proxy = self.network.trusted_proxies.as_ref().is_some_and(|proxies| !proxies.is_empty());
        // Requests through a proxy may have any public host name of the service.
        if allowed.is_empty() && (has_proxy || !self.listen.bind.ip().to_canonical().is_loopback()) {
            return Some(check);
        }
        let issuer_host = self.issuer().parse::<Uri>().ok().and_then(|uri| Some(uri.host()?.to_owned()));
        Some(check.only_hosts(allowed.iter().cloned().chain(issuer_host)))
    }

    /// Returns the origin of the service's own pages, which must be allowed explicitly: if a proxy does not forward the
    /// public host name, the `Origin` header differs from the host of the request.
    fn own_origin(&self) -> Option<String> {
        let issuer = self.issuer().parse::<Uri>().ok()?;
        Some(format!("{}://{}", issuer.scheme_str()?, issuer.authority()?))
    }

    /// Returns the settings for session cookies, which need TLS unless the issuer is an `http` URL. Pages from
    /// `--cors-origin` origins may call the service with tokens, but not with the user's session cookie.
    pub(crate) fn cookies(&self) -> CookieTransport {
        let cookies = CookieTransport::default()
            .lifetime(self.secure.session_cookie_ttl)
            .idle_timeout(self.secure.session_cookie_idle_ttl)
            .allow_origins(self.own_origin());
        if self.issuer().starts_with("http://") { cookies.insecure_http() } else { cookies }
    }

    /// Returns the proxies whose forwarding header is trusted. By default, the tutorial profile trusts loopback
    /// addresses, as FastAPI's server does.
    pub(crate) fn trusted_proxies(&self) -> TrustedProxies {
        let default = || match self.profile.profile {
            Profile::Tutorial => TrustedProxies::loopback(),
            Profile::Secure => TrustedProxies::default(),
        };
        self.network.trusted_proxies.clone().unwrap_or_else(default).with_header(self.network.proxy_header)
    }
}

impl ListenSettings {
    /// Returns the files of the TLS certificate, if TLS is on.
    ///
    /// # Errors
    /// If one file is set without the other.
    pub(crate) fn tls(&self) -> Result<Option<TlsFiles>, Failure> {
        TlsFiles::new(self.tls_cert.as_deref(), self.tls_key.as_deref())
    }

    pub(crate) fn tls_key(&self) -> Option<&Path> {
        self.tls_key.as_deref()
    }
}

impl NetworkSettings {
    pub(crate) fn cors_origins(&self) -> CorsOrigins {
        CorsOrigins::join(&self.cors_origin)
    }

    fn has_trusted_proxies(&self) -> bool {
        self.trusted_proxies.as_ref().is_some_and(|proxies| !proxies.is_empty())
    }

    /// Returns the timeout for idle connections. With trusted proxies, the default exceeds the 60 seconds for which
    /// most proxies reuse a connection: a proxy that sends a request while the connection is being closed responds with
    /// 502.
    pub(crate) fn idle_timeout(&self) -> Duration {
        let default = if self.has_trusted_proxies() { 75 } else { 5 };
        self.idle_timeout.unwrap_or(Duration::from_secs(default))
    }

    pub(crate) fn connection_timeouts(&self) -> ConnectionTimeouts {
        ConnectionTimeouts {
            next_request: self.idle_timeout() + self.header_timeout,
            response: self.response_timeout,
        }
    }

    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes: self.max_body_bytes.map(|bytes| bytes as usize), timeout: self.body_timeout }
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

    /// Returns the limits on failed sign-ins, or `None` if throttling is off.
    pub(crate) fn login_throttle(&self) -> Option<LoginThrottleLimits> {
        let throttle = &self.login_throttle;
        throttle.login_throttle.then(|| LoginThrottleLimits {
            account_failures: throttle.login_throttle_account_failures,
            account_total_failures: throttle.login_throttle_account_total_failures,
            address_failures: throttle.login_throttle_address_failures,
            longest_wait: Duration::from_secs(throttle.login_throttle_longest_wait.into()),
            rate: throttle.login_throttle_rate,
            ..LoginThrottleLimits::default()
        })
    }

    pub(crate) fn refresh(&self) -> RefreshSettings {
        RefreshSettings {
            issue: self.api.refresh_tokens,
            grace: self.refresh_grace,
            idle: self.refresh_idle_ttl,
            absolute: self.refresh_ttl,
        }
    }
}

impl ApiSettings {
    /// Returns whether session cookies are on. Browsers sign in as the default client, so `--require-client` turns
    /// cookies off.
    pub(crate) fn has_cookies(&self) -> bool {
        self.session_cookies && !self.require_client
    }
}

impl IssuerSettings {
    /// Returns the host of the issuer, unless it is an IP address.
    fn host(&self) -> Option<String> {
        let uri: Uri = self.issuer.as_ref()?.parse().ok()?;
        uri.host().filter(|host| !host.starts_with('[') && host.parse::<IpAddr>().is_err()).map(str::to_owned)
    }
}

impl PasswordSettings {
    /// Returns the policy for new passwords, which is checked on the threads of `hasher`.
    ///
    /// # Errors
    /// If the blocklist cannot be used.
    pub(crate) fn policy(
        &self,
        issuer: &IssuerSettings,
        hasher: &Argon2Hasher,
    ) -> Result<StrengthPolicy, Failure> {
        let policy = StrengthPolicy::new(hasher)
            .min_characters(self.password_min_length.into())
            .context(["gatepass"])
            .context(issuer.host());
        Ok(match &self.password_blocklist {
            Some(file) => policy.blocklist(PasswordBlocklist::open(file).map_err(Failure::usage)?),
            None => policy,
        })
    }
}

impl KeySettings {
    /// Returns the JWT settings, with the issuer as the audience.
    pub(crate) fn jwt(&self, signing: AlgorithmSettings, issuer: &str) -> JwtSettings {
        JwtSettings {
            algorithm: signing.algorithm,
            activation_delay: self.key_activation_delay,
            access_token_ttl: self.access_token_ttl,
            leeway: self.leeway,
            ..JwtSettings::new(SigningKeys::directory(&self.keys_dir), issuer)
        }
    }
}

impl Argon2Parameters {
    /// Returns the settings for a hasher with these parameters.
    pub(crate) fn hasher(self) -> Argon2Settings {
        Argon2Settings {
            memory: self.argon2_memory,
            iterations: self.argon2_iterations,
            parallelism: self.argon2_parallelism,
            ..Argon2Settings::default()
        }
    }
}

/// Returns a parser that accepts one of `values`. Each has a name, a help text and the value that is returned.
fn one_of<T: Copy + Send + Sync + 'static>(
    values: &'static [(&'static str, &'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let names = values.iter().map(|(name, help, _)| PossibleValue::new(*name).help(*help));
    PossibleValuesParser::new(names).try_map(|given| {
        let found = values.iter().find(|(name, ..)| name.eq_ignore_ascii_case(&given));
        found.map(|(.., value)| *value).ok_or("unknown value")
    })
}

pub(crate) fn on_or_off() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|given| given == "on")
}

/// Parses a `NonZero` number.
fn positive<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "expected a positive whole number")
}

fn positive_seconds(text: &str) -> Result<Duration, &'static str> {
    positive::<NonZeroU32>(text).map(|seconds| Duration::from_secs(seconds.get().into()))
}

fn positive_days(text: &str) -> Result<Duration, &'static str> {
    positive_seconds(text).map(|days| days * 24 * 60 * 60)
}

pub(crate) fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse::<u32>().map_err(|_| "expected a whole number of seconds")?;
    Ok(Duration::from_secs(seconds.into()))
}

fn identifier(text: &str) -> Result<String, &'static str> {
    let is_identifier = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_identifier.then(|| text.to_owned()).ok_or("expected a URL such as https://auth.example.com")
}

fn described_scope(text: &str) -> Result<(Scope, String), String> {
    let (scope, description) =
        text.split_once('=').ok_or("expected SCOPE=DESCRIPTION, such as todos:read=Read todos")?;
    Ok((
        scope.trim().parse().map_err(|error: InvalidScope| error.to_string())?,
        description.trim().to_owned(),
    ))
}

fn host_name(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let is_name =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_name.then(|| text.to_owned()).ok_or("expected a host name without a port, such as auth.example.com")
}

/// Parses the name of the service that the pages show.
fn brand_name(text: &str) -> Result<String, &'static str> {
    let is_name =
        (1..=80).contains(&text.chars().count()) && text.trim() == text && sql::full_name(text).is_ok();
    is_name
        .then(|| text.to_owned())
        .ok_or("expected a name of 1 to 80 characters without control characters or surrounding white space")
}

/// Parses the URL of the help link on the pages.
fn help_url(text: &str) -> Result<String, &'static str> {
    let is_graphic = text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_address = text.strip_prefix("mailto:").is_some_and(|address| address.contains('@'));
    let uri = text.parse::<Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    let is_url = uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
    (is_graphic && (is_address || is_url))
        .then(|| text.to_owned())
        .ok_or("expected a URL such as https://www.example.com/help or mailto:help@example.com")
}

pub(crate) fn audience(text: &str) -> Result<Audience, String> {
    Audience::new(identifier(text)?).map_err(|error| error.to_string())
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:8000 or [::1]:8000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_and_library_have_the_same_defaults() {
        let settings = Settings::from_arguments(["--profile", "secure"]).unwrap();
        assert_eq!(settings.secure.refresh(), RefreshSettings::default());
        assert_eq!(settings.secure.login_throttle(), Some(LoginThrottleLimits::default()));
        let library = CookieTransport::default();
        let cookies = library
            .clone()
            .lifetime(settings.secure.session_cookie_ttl)
            .idle_timeout(settings.secure.session_cookie_idle_ttl);
        assert_eq!(format!("{cookies:?}"), format!("{library:?}"));
    }
}
