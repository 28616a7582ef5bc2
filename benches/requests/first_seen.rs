//! The cost of a token that the service sees for the first time, compared with that of a bare Ed25519 verification and
//! one query for the token's user, session and revocation.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, Row, SqliteConnection};
use tokio::runtime::Builder;

use crate::{
    Plan,
    population::{Exchange, Population},
    support::{Connection, On, Result, Server, Spread, Table, cpu_time, gatepass, percentile},
};

/// The number of warm-up tokens. The requests with these tokens open connections and prepare statements.
const TOKENS_BEFORE: usize = 100;

/// Selects the user, and whether the session exists and the token was not revoked.
const QUERY: &str = "SELECT username, email, full_name, disabled, scopes, \
                     EXISTS (SELECT 1 FROM sessions WHERE id = $2 AND user_id = users.id) \
                     AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE token_id = $3) AS is_active \
                     FROM users WHERE id = $1";

/// The cost of one token in microseconds.
struct Cost {
    /// The median latency.
    elapsed: f64,
    /// The CPU time.
    cpu: f64,
}

/// Measures the cost of a token in Gatepass and in a bare verification. Adds a row to `table` and one to `goals`.
pub fn measure(
    database: &str,
    population: &Population,
    on: On,
    plan: &Plan,
    table: &mut Table,
    goals: &mut Table,
) -> Result<()> {
    eprintln!("{} rounds of new tokens, {database} …", plan.rounds);
    let count = TOKENS_BEFORE + plan.first_seen;
    let exchanges = population.exchanges(count);
    let tokens = population.some(count).map(|token| Prepared::parse(&token.text));
    let tokens = tokens.collect::<Result<Vec<_>>>()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let url = &population.data.database_url;
    let mut rounds = Vec::new();
    for _ in 0..plan.rounds {
        let (gatepass, key) = gatepass_cost(population, on, &exchanges)?;
        rounds.push((gatepass, runtime.block_on(bare_cost(url, &key, &tokens))?));
    }
    let spread = |value: fn(&(Cost, Cost)) -> f64| Spread::of(rounds.iter().map(value));
    let values = [
        spread(|(gatepass, _)| gatepass.elapsed),
        spread(|(_, bare)| bare.elapsed),
        spread(|(gatepass, _)| gatepass.cpu),
        spread(|(_, bare)| bare.cpu),
    ];
    table.row([database.to_owned()].into_iter().chain(values.map(|value| format!("{value:.0}"))));
    let elapsed = spread(|(gatepass, bare)| gatepass.elapsed / bare.elapsed);
    let cpu = spread(|(gatepass, bare)| gatepass.cpu / bare.cpu);
    let goal = format!("a token seen for the first time ÷ a bare Ed25519 verification and query, {database}");
    goals.at_most(&goal, 1.3, elapsed.median, format!("{elapsed:.2}; by CPU {cpu:.2}"));
    Ok(())
}

/// Returns the cost of a token in a newly started service, and the service's public key.
fn gatepass_cost(population: &Population, on: On, exchanges: &[Exchange]) -> Result<(Cost, VerifyingKey)> {
    let server = gatepass::secure(on, &population.data, &["--workers", "1"])?;
    let keys = server.first_response(gatepass::PUBLIC_KEYS)?;
    let key = keys.body.split_once("\"x\":\"").and_then(|(_, rest)| rest.split_once('"'));
    let key = BASE64_URL_SAFE_NO_PAD.decode(key.ok_or("no public key")?.0)?;
    let key = VerifyingKey::from_bytes(key.as_slice().try_into()?)?;

    let (before, counted) = exchanges.split_at(TOKENS_BEFORE);
    let mut connection = Connection::open(server.address)?;
    let mut run = || -> Result<Cost> {
        send(&mut connection, &server, before)?;
        send(&mut connection, &server, counted)
    };
    // The second run finds all tokens in the cache, so the difference is the cost of a new token.
    let (first, again) = (run()?, run()?);
    Ok((Cost { elapsed: first.elapsed - again.elapsed, cpu: first.cpu - again.cpu }, key))
}

/// Sends one request at a time, so that no request waits for another.
fn send(connection: &mut Connection, server: &Server, exchanges: &[Exchange]) -> Result<Cost> {
    let (mut latencies, cpu) = (Vec::new(), server.cpu_time());
    for exchange in exchanges {
        let start = Instant::now();
        exchange.check(connection)?;
        latencies.push(start.elapsed());
    }
    Ok(Cost::of(&latencies, server.cpu_time() - cpu))
}

impl Cost {
    fn of(latencies: &[Duration], cpu: f64) -> Self {
        Self { elapsed: percentile(latencies, 0.5) * 1e3, cpu: cpu * 1e6 / latencies.len() as f64 }
    }
}

/// A token that was decoded in advance, so that decoding is not measured.
struct Prepared {
    signed: Vec<u8>,
    signature: Signature,
    /// The IDs of the user, the session and the token.
    ids: [String; 3],
}

impl Prepared {
    fn parse(token: &str) -> Result<Self> {
        let (signed, signature) = token.rsplit_once('.').ok_or("not a token")?;
        let (_, payload) = signed.split_once('.').ok_or("not a token")?;
        let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload)?)?;
        Ok(Self {
            signed: signed.into(),
            signature: Signature::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(signature)?)?,
            ids: ["sub", "sid", "jti"].map(|name| claims[name].as_str().unwrap_or_default().to_owned()),
        })
    }
}

/// Verifies the tokens and queries their users and sessions. A macro, since the connections have different types.
macro_rules! verify_all {
    ($connection:expr, $key:expr, $tokens:expr) => {{
        let mut connection = $connection;
        let (mut latencies, mut cpu) = (Vec::new(), 0.0);
        for (number, token) in $tokens.iter().enumerate() {
            if number == TOKENS_BEFORE {
                latencies.clear();
                cpu = cpu_time("self");
            }
            let start = Instant::now();
            $key.verify_strict(&token.signed, &token.signature)?;
            let [user, session, id] = token.ids.each_ref();
            let query = sqlx::query(QUERY).bind(user).bind(session).bind(id);
            let row = query.fetch_one(&mut connection).await?;
            if !row.try_get::<bool, _>("is_active")? || row.try_get("disabled")? {
                return Err("a token is not valid".into());
            }
            for column in ["username", "email", "full_name", "scopes"] {
                black_box(row.try_get::<String, _>(column)?);
            }
            latencies.push(start.elapsed());
        }
        Ok(Cost::of(&latencies, cpu_time("self") - cpu))
    }};
}

async fn bare_cost(url: &str, key: &VerifyingKey, tokens: &[Prepared]) -> Result<Cost> {
    if url.starts_with("sqlite:") {
        verify_all!(SqliteConnection::connect(url).await?, key, tokens)
    } else {
        verify_all!(PgConnection::connect(url).await?, key, tokens)
    }
}
