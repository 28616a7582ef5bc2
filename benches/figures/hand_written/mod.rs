//! What a user would write instead: a bearer extractor with `jsonwebtoken`, which verifies the token of every
//! request and then looks its user up. Nothing is remembered, and no token can be revoked.

mod actix;
mod axum;
mod recogniser;

use std::{env, net::SocketAddr};

use jsonwebtoken::{EncodingKey, Header};

use self::recogniser::{Claims, Recogniser};
use crate::{
    peer::{On, Peer},
    population::{Population, Token, answer},
    support::{Failure, load::Exchange, requests},
};

/// What this program is started with to be one; the framework, the users' place, their file and the address follow.
pub const ARGUMENT: &str = "--hand-written";

const SECRET: &[u8] = b"the secret of what is written by hand";
const LIFETIME_SECONDS: u64 = 24 * 60 * 60;

#[derive(Clone, Copy)]
pub enum Framework {
    Axum,
    Actix,
}

#[derive(Clone, Copy)]
pub enum Users {
    /// A map of all of them, read at the start: who is disabled later is let in.
    Memory,
    /// The service's own file, asked with every request.
    Sqlite,
}

impl Framework {
    fn argument(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Actix => "actix",
        }
    }
}

impl Users {
    fn argument(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
        }
    }
}

pub fn start(
    on: On<'_>,
    framework: Framework,
    users: Users,
    population: &Population,
) -> Result<Peer, Failure> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    Peer::start(on, &program, |command, address| {
        command.args([ARGUMENT, framework.argument(), users.argument(), &population.place.database_url]);
        command.arg(address.to_string());
    })
}

/// GET /users/me with tokens of so many users in turn, signed with HS256.
pub fn exchange(population: &Population, count: usize) -> Result<Exchange, Failure> {
    let (header, key) = (Header::default(), EncodingKey::from_secret(SECRET));
    let exp = jsonwebtoken::get_current_timestamp() + LIFETIME_SECONDS;
    let turn = |Token { username, .. }: &Token| {
        let claims = Claims { sub: username.clone(), exp, scope: "me".to_owned() };
        let token = jsonwebtoken::encode(&header, &claims, &key).map_err(|error| error.to_string())?;
        Ok((requests::users_me(&token), answer(username)))
    };
    let turns: Vec<_> = population.tokens(count).map(turn).collect::<Result<_, Failure>>()?;
    Ok(Exchange::in_turn(turns))
}

/// Serves until the process is ended.
pub fn serve(framework: &str, users: &str, database_url: &str, address: &str) -> Result<(), Failure> {
    let address: SocketAddr = address.parse().map_err(|error| format!("{address}: {error}"))?;
    let in_memory = users == Users::Memory.argument();
    let recogniser =
        async move || Recogniser::open(database_url, in_memory).await.map_err(|error| error.to_string());
    if framework == Framework::Axum.argument() {
        axum::serve(address, recogniser)
    } else {
        actix::serve(address, recogniser)
    }
}
