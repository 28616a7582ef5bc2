//! Helpers that run the program with the secure profile and send requests to it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::support::{
    http::{Reply, get, post_form},
    new_postgres, postgres,
    postgres_proxy::PostgresProxy,
    program::{CHEAP_HASHES, Gatepass},
    service::Program,
    skip,
};

/// The maximum time until a running service applies a change made by a command.
pub const SECOND: Duration = Duration::from_secs(1);

/// The environment variables of services under test: a free port, one worker, and no login throttling.
const DEFAULTS: [(&str, &str); 4] = [
    ("GATEPASS_PROFILE", "secure"),
    ("GATEPASS_BIND", "127.0.0.1:0"),
    ("GATEPASS_WORKERS", "1"),
    ("GATEPASS_LOGIN_THROTTLE", "off"),
];

/// A running service.
pub struct Service {
    pub program: Program,
    pub address: SocketAddr,
}

/// Returns the command that starts a service with the database.
pub fn serve_command(gatepass: &Gatepass, arguments: &[&str]) -> Command {
    let mut command = gatepass.command(&[&["serve"], arguments].concat());
    command.envs(DEFAULTS).envs(CHEAP_HASHES);
    command
}

pub fn serve(gatepass: &Gatepass, arguments: &[&str]) -> Service {
    Service::run(&mut serve_command(gatepass, arguments))
}

/// Adds the user johndoe with the allowed scopes `me` and `users:read`.
pub fn add_johndoe(gatepass: &Gatepass) {
    let profile = ["--full-name", "John Doe", "--email", "johndoe@example.com", "--scopes", "me users:read"];
    gatepass.add("johndoe", &profile).done();
}

/// The sign-in form with johndoe's credentials.
pub const JOHNDOE: &str = "username=johndoe&password=johndoe's+own+passphrase";

/// The sign-in form with johndoe's credentials and a request for a refresh token.
pub const JOHNDOE_OFFLINE: &str =
    "username=johndoe&password=johndoe's+own+passphrase&scope=me+users:read+offline_access";

/// The tokens in a response from `/token`.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub scope: String,
}

impl Tokens {
    #[track_caller]
    pub fn of(reply: &Reply) -> Self {
        let (access, json) = (access_token(reply), reply.json());
        let text = |name: &str| json[name].as_str().unwrap_or_else(|| panic!("no {name}: {json}")).to_owned();
        Self { access, refresh: text("refresh_token"), scope: text("scope") }
    }
}

/// Returns the value of an `Authorization` header with HTTP Basic credentials.
pub fn basic(client_id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{client_id}:{secret}")))
}

/// Registers a confidential client and returns its secret.
pub fn add_client(gatepass: &Gatepass, client_id: &str) -> String {
    add_client_with(gatepass, client_id, &[])
}

/// Registers a confidential client with options and returns its secret.
pub fn add_client_with(gatepass: &Gatepass, client_id: &str, options: &[&str]) -> String {
    let client = gatepass.json(&[&["clients", "add", client_id], options].concat());
    client["client_secret"].as_str().expect("a secret").to_owned()
}

impl Service {
    /// Signs johndoe in and requests a refresh token.
    #[track_caller]
    pub fn sign_in_offline(&self) -> Tokens {
        Tokens::of(&self.sign_in(JOHNDOE_OFFLINE))
    }

    /// Sends a refresh request. `more` contains further form fields, such as `&scope=me`.
    pub fn refresh(&self, token: &str, more: &str) -> Reply {
        self.sign_in(&format!("grant_type=refresh_token&refresh_token={token}{more}"))
    }

    /// Refreshes with a valid token, and returns the new tokens.
    #[track_caller]
    pub fn refreshed(&self, token: &str) -> Tokens {
        self.refreshed_by(token, "")
    }

    /// Refreshes with a valid token and further form fields, such as client credentials, and returns the new tokens.
    #[track_caller]
    pub fn refreshed_by(&self, token: &str, more: &str) -> Tokens {
        Tokens::of(&self.refresh(token, more))
    }

    /// Asserts that all these access tokens are invalid.
    #[track_caller]
    pub fn expect_invalid(&self, access_tokens: &[&str]) {
        for token in access_tokens {
            let invalid = Some(r#"Bearer realm="api", error="invalid_token""#.to_owned());
            assert_eq!(
                outcome(&self.users_me(token)),
                (401, "Could not validate credentials".into(), invalid)
            );
        }
    }

    pub fn run(command: &mut Command) -> Self {
        let program = Program::run(command);
        let address = program.address();
        Self { program, address }
    }

    /// Posts a form to /token.
    pub fn sign_in(&self, form: &str) -> Reply {
        post_form("/token", form).send(self.address)
    }

    /// Signs in and returns the access token.
    #[track_caller]
    pub fn token(&self, form: &str) -> String {
        access_token(&self.sign_in(form))
    }

    pub fn users_me(&self, token: &str) -> Reply {
        get("/users/me").bearer(token).send(self.address)
    }
}

#[track_caller]
pub fn access_token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["access_token"].as_str().expect("a token").to_owned()
}

/// Returns the status, `detail` and challenge of a response.
pub fn outcome(reply: &Reply) -> (u16, Value, Option<String>) {
    (reply.status, reply.json()["detail"].clone(), reply.header("www-authenticate"))
}

/// Returns the header and the claims of a token.
pub fn read(token: &str) -> (Value, Value) {
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).expect("JSON");
    (json(parts[0]), json(parts[1]))
}

/// Creates a PostgreSQL database behind a proxy. Returns the program with the URL of the proxy, the proxy, and the
/// database. If PostgreSQL is missing, reports the test as skipped and returns `None`.
pub fn proxied_postgres() -> Option<(Gatepass, PostgresProxy, postgres::Database)> {
    let database = new_postgres()?;
    let (proxy, url) = PostgresProxy::start(&database).inspect_err(|why| skip(why)).ok()?;
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url = url;
    Some((gatepass, proxy, database))
}

/// Returns an address on which nothing listens. Its port is below the ephemeral ports, which start at 32768. Otherwise,
/// a connection or a `bind` to port 0 in another test could take the port first.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(50);
    (0..PORTS)
        .map(|_| first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS)
        .map(|offset| u16::try_from(10_000 + offset).unwrap())
        // The port must be free on all addresses, because some programs, such as Caddy, listen on all addresses.
        .find(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok())
        .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .expect("a free port")
}

const PORTS: u32 = 20_000;

/// Asserts that the response is an error as defined in RFC 6749 section 5.2, with FastAPI's `detail`.
#[track_caller]
pub fn expect_oauth2_error(reply: &Reply, status: u16, error: &str, description: &str) {
    let body = json!({ "detail": description, "error": error, "error_description": description });
    assert_eq!((reply.status, reply.json()), (status, body));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
}

/// Asserts that the response reports this form field as missing.
#[track_caller]
pub fn expect_missing(reply: &Reply, field: &str) {
    let error = json!({ "type": "missing", "loc": ["body", field], "msg": "Field required", "input": null });
    let body = json!({
        "detail": [error], "error": "invalid_request", "error_description": format!("{field}: Field required"),
    });
    assert_eq!((reply.status, reply.json()), (400, body));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
}

/// Runs a query and returns the first column of every row.
pub fn rows(gatepass: &Gatepass, query: &'static str) -> Vec<String> {
    actix_web::rt::System::new().block_on(async {
        if gatepass.url.starts_with("sqlite:") {
            let pool = sqlx::SqlitePool::connect(&gatepass.url).await.unwrap();
            sqlx::query_scalar(query).fetch_all(&pool).await.unwrap()
        } else {
            let pool = sqlx::PgPool::connect(&gatepass.url).await.unwrap();
            sqlx::query_scalar(query).fetch_all(&pool).await.unwrap()
        }
    })
}
