//! `gatepass keys`: manages the keys that sign tokens.

use std::{
    fmt::Display,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use actix_web::rt::Runtime;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    adapters::{
        jwt::{KeyDirectory, KeyState, ListedKey},
        sql::{AuditEntry, Database, SqlAudit, Tables},
    },
    app::{
        audit::operator,
        commands::{
            output::{IN_ORDER, Output, PLAIN, UNUSED, print, print_json},
            prompt,
        },
        failure::Failure,
        settings::{AlgorithmSettings, DatabaseLocation, KeySettings},
    },
    domain::{event::EventKind, time::Timestamp},
};

/// The maximum length of an imported key, in bytes.
const MAX_KEY: u64 = 16 * 1024;

const COMPROMISED_KEY_HELP: &str = "\
If a key is compromised, run `gatepass keys rotate`, then delete the file of that key (`gatepass keys list --json` \
prints its path). Running services refuse its tokens within a second and sign with another key. Rotate first: without \
another key, a running service keeps using the deleted one.";

/// The arguments of `gatepass keys`.
#[derive(Clone, Debug, Args)]
#[command(after_help = COMPROMISED_KEY_HELP)]
pub(crate) struct KeysArguments {
    #[command(flatten)]
    keys: KeySettings,
    #[command(flatten)]
    signing: AlgorithmSettings,
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum KeysCommand {
    /// List the keys and their states
    List {
        /// Print a JSON object, with times as Unix timestamps in seconds
        #[arg(long)]
        json: bool,
    },
    /// Create the next key, which signs tokens after --key-activation-delay; running services load it within a second.
    /// With --algorithm, the service switches to that algorithm; existing tokens stay valid
    Rotate {
        /// Print a JSON object, with times as Unix timestamps in seconds
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        database: DatabaseLocation,
    },
    /// Import your own private key as the next key
    Import {
        /// File with a P-256, RSA (2048 to 4096 bits) or Ed25519 key in PKCS#8 PEM, or - for standard input
        file: PathBuf,
        /// Print a JSON object, with times as Unix timestamps in seconds
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        database: DatabaseLocation,
    },
    /// Remove keys whose tokens have expired; --access-token-ttl and --leeway must match those of the service
    Prune {
        /// Skip the confirmation
        #[arg(long)]
        yes: bool,
        /// Print a JSON object, with times as Unix timestamps in seconds
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        database: DatabaseLocation,
    },
}

pub(crate) fn run(KeysArguments { keys, signing, command }: &KeysArguments) -> Result<(), Failure> {
    // Keys do not depend on the issuer.
    let jwt = keys.jwt(*signing, "");
    let directory = KeyDirectory::new(&keys.keys_dir, &jwt);
    let now = Timestamp::now();
    match command {
        KeysCommand::List { json } => list(&directory.list()?, &keys.keys_dir, *json, now),
        KeysCommand::Rotate { database, json } => {
            added("created", &directory.rotate()?, database, *json, now)
        }
        KeysCommand::Import { file, database, json } => {
            added("imported", &directory.import(&read_key(file)?)?, database, *json, now)
        }
        KeysCommand::Prune { database, yes, json } => {
            let mut retired = directory.list()?;
            retired.retain(|key| key.state == KeyState::Retired);
            if !retired.is_empty() {
                let lifetime = (jwt.access_token_ttl + jwt.leeway).as_secs();
                let question = format!(
                    "Tokens are valid for {lifetime} s (--access-token-ttl plus --leeway): all tokens signed by {} have expired. \
                     Remove these keys permanently?",
                    kids(&retired)
                );
                prompt::confirm(&question, *yes)?;
            }
            let removed = directory.prune()?;
            if !removed.is_empty() {
                record(EventKind::KeysPruned, kids(&removed), database);
            }
            let mut output = Output::new();
            if *json {
                output.json(&json!({ "removed": all(&removed) }))?;
            } else {
                for key in &removed {
                    output.line(format!("removed {}, created {}", key.kid, key.created))?;
                }
            }
            output.finish()
        }
    }
}

/// Adds an audit entry for a new key, and prints its ID, algorithm and state.
fn added(
    verb: &str,
    key: &ListedKey,
    database: &DatabaseLocation,
    json: bool,
    now: Timestamp,
) -> Result<(), Failure> {
    record(EventKind::KeyRotated, key.kid.clone(), database);
    if json {
        return print_json(&json!({ "key": as_json(key) }));
    }
    print(format!("{verb} {} ({}): {}", key.kid, key.algorithm.name(), state(key.state, now)))
}

fn read_key(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_KEY as usize + 1));
    let read = if file == Path::new("-") {
        io::stdin().take(MAX_KEY + 1).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(MAX_KEY + 1).read_to_string(&mut text))
    };
    let cannot_read =
        |cause: &dyn Display| Failure::failed(format!("cannot read {}: {cause}", file.display()));
    match read {
        Ok(length) if length as u64 > MAX_KEY => Err(cannot_read(&"the file is larger than 16 KiB")),
        Ok(_) => Ok(text),
        Err(error) => Err(cannot_read(&error)),
    }
}

fn list(keys: &[ListedKey], directory: &Path, json: bool, now: Timestamp) -> Result<(), Failure> {
    if json {
        return print_json(&json!({ "keys": all(keys) }));
    }
    if keys.is_empty() {
        let directory = directory.display();
        return print(format!("no keys in {directory} yet: the service creates the first one on start"));
    }
    let width = keys.iter().map(|key| key.kid.len()).max().unwrap_or(0);
    let mut output = Output::new();
    for key in keys {
        let style = match key.state {
            KeyState::Signing => IN_ORDER,
            KeyState::Retired => UNUSED,
            _ => PLAIN,
        };
        let (created, state) = (key.created.to_string(), state(key.state, now));
        let algorithm = key.algorithm.name();
        output
            .line(format!("{style}{:width$}  {algorithm}  created {created}  {state}{style:#}", key.kid))?;
    }
    output.finish()
}

/// Writes an entry to the audit trail, if the database exists. A failure is only printed: in an emergency, it must be
/// possible to change keys without the database.
fn record(kind: EventKind, kids: String, database: &DatabaseLocation) {
    let url = database.database_url.expose();
    if Database::missing_file(url).is_some() {
        return;
    }
    let entry = AuditEntry { detail: Some(kids), ..operator().entry(kind) };
    let recorded = Runtime::new().map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            if Database::inspect(url).await? != Tables::Current {
                return Err(Failure::failed(
                    "the tables of the database are from another version of Gatepass",
                ));
            }
            let database = Database::open(url).await?;
            let result = SqlAudit::new(database.clone()).append(&[entry]).await;
            database.close().await;
            Ok(result?)
        })
    });
    if let Err(failure) = recorded {
        eprintln!("gatepass: the keys were changed, but the change is not in the audit trail: {failure}");
    }
}

fn state(state: KeyState, now: Timestamp) -> String {
    let seconds_to = |then: Timestamp| then.as_unix().saturating_sub(now.as_unix());
    match state {
        KeyState::Next { signs_at } => {
            format!("next: signs tokens in {} s, from {signs_at}", seconds_to(signs_at))
        }
        KeyState::Signing => "signing".into(),
        KeyState::Verifying { until } => {
            format!("verifying until {until}, for {} s", seconds_to(until))
        }
        KeyState::Retired => "retired: its tokens have expired".into(),
    }
}

fn kids(keys: &[ListedKey]) -> String {
    keys.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>().join(", ")
}

fn all(keys: &[ListedKey]) -> Vec<Value> {
    keys.iter().map(as_json).collect()
}

fn as_json(key: &ListedKey) -> Value {
    let (state, signs_at, until) = match key.state {
        KeyState::Next { signs_at } => ("next", Some(signs_at.as_unix()), None),
        KeyState::Signing => ("signing", None, None),
        KeyState::Verifying { until } => ("verifying", None, Some(until.as_unix())),
        KeyState::Retired => ("retired", None, None),
    };
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm.name(),
        "created": key.created.as_unix(),
        "state": state,
        "signs_at": signs_at,
        "verifies_until": until,
        "file": key.file,
    })
}
