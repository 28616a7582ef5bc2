//! The least that a token can cost: its signature is verified, and one statement asks for all that has to be known. This
//! program does it as a process of its own, on the core that the service has.

use std::{
    env,
    hint::black_box,
    io::{Read, Write},
    process::Stdio,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use sqlx::{Connection, PgConnection, Row, SqliteConnection};
use tokio::runtime::Builder;

use super::{Cost, micros};
use crate::{
    peer::On,
    service::Place,
    support::{Failure, cpu_time, latency},
};

/// What this program is started with to do this; the database's URL, the public key and how many tokens do not count
/// follow. The tokens are its input.
pub const ARGUMENT: &str = "--first-seen";

/// The user, whether the session lives, and whether the token was revoked.
const LOOK_UP: &str = "SELECT username, email, full_name, disabled, scopes, \
                       EXISTS (SELECT 1 FROM sessions WHERE id = $2 AND user_id = users.id) \
                       AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE token_id = $3) AS is_live \
                       FROM users WHERE id = $1";

/// What a token costs.
pub fn run(on: On<'_>, place: &Place, key: &str, uncounted: usize, tokens: &[&str]) -> Result<Cost, Failure> {
    let why = |error: std::io::Error| error.to_string();
    let mut command = on.command(&env::current_exe().map_err(why)?);
    command.args([ARGUMENT, &place.database_url, key, &uncounted.to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(why)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(tokens.join("\n").as_bytes()).map_err(why)?;
    }
    let output = child.wait_with_output().map_err(why)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let cost = text
        .trim()
        .split_once(' ')
        .and_then(|(wall, cpu)| Some(Cost { wall: wall.parse().ok()?, cpu: cpu.parse().ok()? }));
    cost.ok_or_else(|| "the bare verification and look-up failed".to_owned())
}

/// A token as it is before anything is done with it: taking it apart is not timed.
struct Prepared {
    signed: Vec<u8>,
    signature: Signature,
    claims: Claims,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    sid: String,
    jti: String,
}

/// Verifies and looks up each of them: how long each took, and the time on cores of those that count.
macro_rules! recognise_all {
    ($connection:expr, $key:expr, $tokens:expr, $uncounted:expr) => {{
        let (mut wall, mut cpu) = (Vec::<Duration>::new(), Duration::ZERO);
        for (number, token) in $tokens.iter().enumerate() {
            if number == $uncounted {
                wall.clear();
                cpu = cpu_time::of_all_threads();
            }
            let start = Instant::now();
            $key.verify_strict(&token.signed, &token.signature)
                .map_err(|error| sqlx::Error::Decode(error.into()))?;
            let claims = &token.claims;
            let look_up = sqlx::query(LOOK_UP).bind(&*claims.sub).bind(&*claims.sid).bind(&*claims.jti);
            let row = look_up.fetch_one(&mut *$connection).await?;
            let is_live: bool = row.try_get("is_live")?;
            if !is_live || row.try_get("disabled")? {
                return Err(sqlx::Error::RowNotFound);
            }
            for column in ["username", "email", "full_name", "scopes"] {
                black_box(row.try_get::<String, _>(column)?);
            }
            wall.push(start.elapsed());
        }
        Ok((wall, cpu_time::of_all_threads().saturating_sub(cpu)))
    }};
}

/// Does it, and prints what it cost.
pub fn measure(database_url: &str, key: &str, uncounted: &str) -> Result<(), Failure> {
    let uncounted: usize = uncounted.parse().map_err(|_| "a number of tokens is expected")?;
    let key = BASE64_URL_SAFE_NO_PAD.decode(key).map_err(|error| error.to_string())?;
    let key = key.as_slice().try_into().map_err(|_| "a key has 32 bytes")?;
    let key = VerifyingKey::from_bytes(key).map_err(|error| error.to_string())?;
    let mut tokens = String::new();
    std::io::stdin().read_to_string(&mut tokens).map_err(|error| error.to_string())?;
    let tokens: Vec<_> = tokens.lines().map(Prepared::of).collect::<Result<_, _>>()?;

    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let done = runtime.block_on(async {
        if database_url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(database_url).await?;
            recognise_all!(&mut connection, &key, &tokens, uncounted)
        } else {
            let mut connection = PgConnection::connect(database_url).await?;
            recognise_all!(&mut connection, &key, &tokens, uncounted)
        }
    });
    let (wall, cpu) = done.map_err(|error: sqlx::Error| error.to_string())?;
    let counted = tokens.len() - uncounted;
    println!("{} {}", latency::within(&wall, 0.5) * 1e6, micros(cpu) / counted as f64);
    Ok(())
}

impl Prepared {
    fn of(token: &str) -> Result<Self, Failure> {
        let broken = || format!("a token that is none: {token}");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(broken)?;
        let (_, payload) = signed.split_once('.').ok_or_else(broken)?;
        let decoded = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| broken());
        Ok(Self {
            signed: signed.into(),
            signature: Signature::from_slice(&decoded(signature)?).map_err(|_| broken())?,
            claims: serde_json::from_slice(&decoded(payload)?).map_err(|_| broken())?,
        })
    }
}
