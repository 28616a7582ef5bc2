//! The service of the secure profile, the real program, and what one asks of it.

use std::{
    net::{SocketAddr, TcpListener},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::support::{
    http::{Reply, get, post_form},
    left_out, postgres,
    program::Gatepass,
    service::Program,
    way::Way,
};

/// Within this a running service sees what a command changed.
pub const SECOND: Duration = Duration::from_secs(1);

/// Where a test says nothing else: a free port, one worker, hashes that are quick, and wrong passwords that cost nothing.
const USUAL: [(&str, &str); 6] = [
    ("GATEPASS_PROFILE", "secure"),
    ("GATEPASS_BIND", "127.0.0.1:0"),
    ("GATEPASS_WORKERS", "1"),
    ("GATEPASS_ARGON2_MEMORY", "1024"),
    ("GATEPASS_ARGON2_ITERATIONS", "1"),
    ("GATEPASS_LOGIN_THROTTLE", "off"),
];

/// A running service.
pub struct Service {
    pub program: Program,
    pub address: SocketAddr,
}

/// The program on the database, about to serve.
pub fn serving(gatepass: &Gatepass, arguments: &[&str]) -> Command {
    let mut command = gatepass.command(&[&["serve"], arguments].concat());
    command.envs(USUAL);
    command
}

pub fn serve(gatepass: &Gatepass, arguments: &[&str]) -> Service {
    Service::run(&mut serving(gatepass, arguments))
}

/// Adds johndoe, who may be granted `me` and `users:read`.
pub fn add_johndoe(gatepass: &Gatepass) {
    let profile = ["--full-name", "John Doe", "--email", "johndoe@example.com", "--scopes", "me users:read"];
    gatepass.add("johndoe", &profile).done();
}

/// What johndoe signs in with.
pub const JOHNDOE: &str = "username=johndoe&password=johndoe's+own+passphrase";

/// The same, and he wants a refresh token.
pub const STAYS: &str =
    "username=johndoe&password=johndoe's+own+passphrase&scope=me+users:read+offline_access";

/// What an answer of /token carries.
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

/// The value of an `Authorization` header by HTTP Basic.
pub fn basic(client_id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{client_id}:{secret}")))
}

/// Registers a client, and says its secret.
pub fn add_client(gatepass: &Gatepass, client_id: &str) -> String {
    let client = gatepass.json(&["clients", "add", client_id]);
    client["client_secret"].as_str().expect("a secret").to_owned()
}

impl Service {
    /// Signs johndoe in, with a refresh token.
    #[track_caller]
    pub fn stay(&self) -> Tokens {
        Tokens::of(&self.sign_in(STAYS))
    }

    /// Uses a refresh token; `more` are fields such as `&scope=me`.
    pub fn refresh(&self, token: &str, more: &str) -> Reply {
        self.sign_in(&format!("grant_type=refresh_token&refresh_token={token}{more}"))
    }

    /// Uses a refresh token that is good.
    #[track_caller]
    pub fn refreshed(&self, token: &str) -> Tokens {
        self.refreshed_by(token, "")
    }

    /// Uses a refresh token that is good, as the client that `more` says.
    #[track_caller]
    pub fn refreshed_by(&self, token: &str, more: &str) -> Tokens {
        Tokens::of(&self.refresh(token, more))
    }

    #[track_caller]
    pub fn expect_dead(&self, access_tokens: &[&str]) {
        for token in access_tokens {
            let invalid = Some(r#"Bearer error="invalid_token""#.to_owned());
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

    /// The token that a sign-in gives.
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

/// An answer's status, its `detail` and its challenge.
pub fn outcome(reply: &Reply) -> (u16, Value, Option<String>) {
    (reply.status, reply.json()["detail"].clone(), reply.header("www-authenticate"))
}

/// A token's header and its claims.
pub fn read(token: &str) -> (Value, Value) {
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).expect("JSON");
    (json(parts[0]), json(parts[1]))
}

/// The program on a database of its own, the way there that can be cut, and the database, which has another one; `None`,
/// and said so, where there is no PostgreSQL.
pub fn by_a_way(test: &str) -> Option<(Gatepass, Way, postgres::Database)> {
    let database = postgres::Database::create().inspect_err(|why| left_out(test, why)).ok()?;
    let (way, url) = Way::to(&database).inspect_err(|why| left_out(test, why)).ok()?;
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url = url;
    Some((gatepass, way, database))
}

/// Asks until there is an answer, for so long at the most.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        let asked = Instant::now();
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(asked - start < limit, "not within {limit:?}: {what}");
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// An address that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Asserts an error of RFC 6749 section 5.2 with this sentence, beside FastAPI's `detail`.
#[track_caller]
pub fn expect_refusal(reply: &Reply, status: u16, error: &str, sentence: &str) {
    let body = json!({ "detail": sentence, "error": error, "error_description": sentence });
    assert_eq!((reply.status, reply.json()), (status, body));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
}

/// Asserts that a form lacks this field.
#[track_caller]
pub fn expect_missing(reply: &Reply, field: &str) {
    let fault = json!({ "type": "missing", "loc": ["body", field], "msg": "Field required", "input": null });
    let body = json!({
        "detail": [fault], "error": "invalid_request", "error_description": format!("{field}: Field required"),
    });
    assert_eq!((reply.status, reply.json()), (400, body));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
}

/// Every row of this query, one text each.
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
