//! Users in SQLite, of whom some have signed in: made once by the program itself, and kept for the next run.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use gatepass::{
    Password, PasswordHasher,
    passwords::{Argon2Hasher, Argon2Settings},
};
use tokio::runtime::Builder;

use crate::{
    peer::On,
    service::{self, Place},
    sign_ins::{self, PASSWORD},
    support::{Failure, load::Exchange, requests},
};

/// How long their tokens are valid, in seconds, and for how long they are used.
const TOKEN_TTL: &str = "2592000";
const KEPT: Duration = Duration::from_hours(20 * 24);
/// A hash that costs next to nothing: who signs in for this is not what is measured.
const CHEAP: [&str; 6] = ["--argon2-memory", "8", "--argon2-iterations", "1", "--argon2-parallelism", "1"];

pub struct Population {
    pub place: Place,
    pub users: usize,
    tokens: Vec<Token>,
}

/// A user's living token.
pub struct Token {
    pub username: String,
    pub text: String,
}

impl Population {
    /// So many users, and so many tokens, of different users as far as there are.
    pub fn of(users: usize, tokens: usize) -> Result<Self, Failure> {
        let why = |error: std::io::Error| error.to_string();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("population-{users}-{tokens}-v{}", schema_version().map_err(why)?));
        if !is_fresh(&folder) {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).map_err(why)?;
            make(&folder, users, tokens)?;
        }
        let text = fs::read_to_string(folder.join("tokens")).map_err(why)?;
        let tokens: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(username, text)| Token { username: username.to_owned(), text: text.to_owned() })
            .collect();
        let place = place(&folder);
        Ok(Self { place, users, tokens })
    }

    /// How many tokens live.
    pub fn count(&self) -> usize {
        self.tokens.len()
    }

    /// The tokens of so many users, from the first to the last in even steps.
    pub fn tokens(&self, count: usize) -> impl Iterator<Item = &Token> {
        self.tokens.iter().step_by((self.tokens.len() / count).max(1)).take(count)
    }

    /// GET /users/me with so many tokens in turn.
    pub fn exchange(&self, count: usize) -> Exchange {
        Exchange::in_turn(
            self.tokens(count).map(|Token { username, text }| (requests::users_me(text), answer(username))),
        )
    }
}

/// What a user is shown of themselves.
pub fn answer(username: &str) -> String {
    format!(
        r#"{{"username":"{username}","email":"{username}@example.com","full_name":"John Doe","disabled":false,"scopes":["me"]}}"#
    )
}

/// All names have one length, and so have all answers.
fn username(number: usize) -> String {
    format!("johndoe{number:07}")
}

fn make(folder: &Path, users: usize, tokens: usize) -> Result<(), Failure> {
    let why = |error: std::io::Error| error.to_string();
    eprintln!("{users} users are made, and {tokens} tokens: the next run has them …");
    let (list, place) = (folder.join("users.csv"), place(folder));
    write_list(&list, users, &cheap_hash()?).map_err(why)?;
    let start = Instant::now();
    let mut import = service::command(&place, &["users", "import"]);
    let imported = import.arg(&list).stdout(Stdio::null()).status().map_err(why)?;
    if !imported.success() {
        return Err("the users were not imported".to_owned());
    }
    let took = start.elapsed();
    fs::remove_file(&list).map_err(why)?;
    eprintln!("{users} users were imported within {:.1} s", took.as_secs_f64());

    let start = Instant::now();
    let mut arguments = CHEAP.to_vec();
    arguments.extend(["--access-token-ttl", TOKEN_TTL, "--login-throttle", "off"]);
    let peer = service::secure(On::Any, None, &place, &arguments)?;
    let step = (users / tokens).max(1);
    let names: Vec<_> = (0..tokens).map(|token| username(token * step % users)).collect();
    let texts = sign_ins::tokens(&peer, &names)?;
    eprintln!("{tokens} sign-ins took {:.1} s", start.elapsed().as_secs_f64());
    let lines: String = names.iter().zip(texts).map(|(name, token)| format!("{name} {token}\n")).collect();
    peer.process.end()?;
    // Last: without it all is made anew.
    fs::write(folder.join("tokens"), lines).map_err(why)
}

/// A list that `gatepass users import` reads.
fn write_list(path: &Path, users: usize, hash: &str) -> std::io::Result<()> {
    let mut list = BufWriter::new(File::create(path)?);
    writeln!(list, "username,email,full_name,disabled,scopes,hashed_password")?;
    for name in (0..users).map(username) {
        writeln!(list, "{name},{name}@example.com,John Doe,false,me,\"{hash}\"")?;
    }
    list.flush()
}

/// Everybody's.
fn cheap_hash() -> Result<String, Failure> {
    let settings = Argon2Settings { memory: 8, iterations: 1, ..Argon2Settings::default() };
    let hasher = Argon2Hasher::with_settings(settings).map_err(|error| error.to_string())?;
    let runtime = Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    let hash = runtime.block_on(hasher.hash(&Password::from(PASSWORD.to_owned())));
    hash.map(|hash| hash.expose().to_owned()).map_err(|error| error.to_string())
}

fn place(folder: &Path) -> Place {
    let file = folder.join("gatepass.db");
    Place { database_url: format!("sqlite:{}", file.display()), keys: folder.join("keys") }
}

/// Whether the tokens are there and will live for the whole run.
fn is_fresh(folder: &Path) -> bool {
    let made = fs::metadata(folder.join("tokens")).and_then(|file| file.modified());
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age < KEPT))
}

/// How many migrations there are.
fn schema_version() -> std::io::Result<usize> {
    Ok(fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/adapters/sql/migrations"))?.count())
}
