//! Users with valid tokens. Their SQLite database is kept for the next run.

use std::{
    fmt::Write,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use crate::support::{
    Connection, On, Response, Result, for_each,
    gatepass::{self, Data},
    requests,
};

pub const PASSWORD: &str = "secret";
/// The hash of [`PASSWORD`] with the [`CHEAP`] settings.
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$YmVuY2htYXJrLXNhbHQxNg$rtr7J3KVQJ6oxconWmRkSPhc7PmLfZ2cDmOMfNVIVTA";
const CHEAP: [&str; 3] = ["--argon2-memory=8", "--argon2-iterations=1", "--argon2-parallelism=1"];
/// The lifetime of tokens in seconds.
const TOKEN_TTL: &str = "2592000";
/// The maximum age of a database that is reused: its tokens must stay valid during the run.
const KEPT: Duration = Duration::from_secs(20 * 24 * 60 * 60);

pub struct Population {
    pub data: Data,
    pub tokens: Vec<Token>,
}

#[derive(Clone)]
pub struct Token {
    pub username: String,
    pub text: String,
}

/// A request, and a string that its response must contain.
pub struct Exchange {
    pub request: String,
    pub expected: String,
}

impl Exchange {
    pub fn new(request: String, expected: &str) -> Self {
        Self { request, expected: expected.to_owned() }
    }

    pub fn check(&self, connection: &mut Connection) -> Result<Response> {
        connection.request(&self.request)?.expect(200, &self.expected)
    }
}

impl Population {
    /// Returns users in a SQLite database, which is reused if an earlier run created it.
    pub fn sqlite(users: usize, tokens: usize) -> Result<Self> {
        let migrations =
            fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/adapters/sql/migrations"))?.count();
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("population-{users}-{tokens}-{migrations}"));
        let file = directory.join("tokens");
        let age =
            fs::metadata(&file).and_then(|file| file.modified()).ok().and_then(|made| made.elapsed().ok());
        if age.is_some_and(|age| age < KEPT) {
            let tokens = fs::read_to_string(&file)?;
            let tokens = tokens.lines().filter_map(|line| line.split_once(' '));
            let tokens =
                tokens.map(|(name, text)| Token { username: name.to_owned(), text: text.to_owned() });
            return Ok(Self { data: Data::sqlite(&directory), tokens: tokens.collect() });
        }
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory)?;
        let population = Self::create(Data::sqlite(&directory), users, tokens)?;
        let line = |token: &Token| format!("{} {}\n", token.username, token.text);
        fs::write(file, population.tokens.iter().map(line).collect::<String>())?;
        Ok(population)
    }

    /// Imports users, and signs some of them in to get the tokens.
    pub fn create(data: Data, users: usize, tokens: usize) -> Result<Self> {
        let start = Instant::now();
        let mut list = "username,email,full_name,disabled,scopes,hashed_password\n".to_owned();
        for name in (0..users).map(username) {
            writeln!(list, "{name},{name}@example.com,John Doe,false,me,\"{HASH}\"")?;
        }
        data.run(&["users", "import", "-", "--format", "csv"], &list)?;
        eprintln!("{users} users were imported in {:.1} s", start.elapsed().as_secs_f64());

        let start = Instant::now();
        let arguments = [&CHEAP[..], &["--access-token-ttl", TOKEN_TTL, "--login-throttle", "off"]].concat();
        let server = gatepass::secure(On::AnyCore, &data, &arguments)?;
        server.first_response(&sign_in(&username(0)))?;
        let step = (users / tokens).max(1);
        let names: Vec<_> = (0..tokens).map(|token| username(token * step % users)).collect();
        let tokens = for_each(server.address, &names, |connection, name| {
            let text = connection.request(&sign_in(name))?.field("access_token")?;
            Ok(Token { username: name.clone(), text })
        })?;
        eprintln!("{} sign-ins took {:.1} s", tokens.len(), start.elapsed().as_secs_f64());
        server.stop()?;
        Ok(Self { data, tokens })
    }

    /// Returns `count` of the tokens, evenly spaced.
    pub fn some(&self, count: usize) -> impl Iterator<Item = &Token> {
        self.tokens.iter().step_by((self.tokens.len() / count).max(1)).take(count)
    }

    /// Returns a GET /users/me request for each of `count` tokens.
    pub fn exchanges(&self, count: usize) -> Vec<Exchange> {
        self.some(count)
            .map(|token| Exchange::new(requests::users_me(&token.text), &token.username))
            .collect()
    }
}

pub fn sign_in(username: &str) -> String {
    requests::sign_in(username, PASSWORD)
}

/// Returns a username. All names, and therefore all responses, have the same length.
fn username(number: usize) -> String {
    format!("johndoe{number:07}")
}
