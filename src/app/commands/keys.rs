//! `gatepass keys`: the keys that sign tokens.

use actix_web::rt::Runtime;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    adapters::{
        jwt::{KeyDirectory, KeyState, ListedKey},
        sql::{AuditEntry, Database, SqlAudit, Tables},
    },
    app::{
        audit::operator,
        commands::{
            ask,
            output::{Output, print, print_json},
        },
        failure::Failure,
        settings::{AlgorithmSettings, DatabaseLocation, KeySettings},
    },
    domain::{event::EventKind, time::Timestamp},
};

const EMERGENCY: &str = "\
When a key is compromised: gatepass keys rotate, then remove the file of that key (keys list --json shows the path). \
Running services refuse its tokens within a second, and another key signs at once. Keep this order: a running service \
goes on using its only key without the file, until another key exists or the service restarts.";

/// The arguments of `gatepass keys`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EMERGENCY)]
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
        /// Print a JSON object, with times in seconds since 1970
        #[arg(long)]
        json: bool,
    },
    /// Create the next key, which signs after --key-activation-delay; running services load it within a second
    Rotate {
        /// Print a JSON object, with times in seconds since 1970
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        database: DatabaseLocation,
    },
    /// Remove keys whose tokens have expired; needs the service's --access-token-ttl and --leeway
    Prune {
        /// Skip the confirmation
        #[arg(long)]
        yes: bool,
        /// Print a JSON object, with times in seconds since 1970
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
        KeysCommand::List { json } => list(&directory.list()?, *json, now),
        KeysCommand::Rotate { database, json } => {
            let key = directory.rotate()?;
            record(EventKind::KeyRotated, key.kid.clone(), database);
            if *json {
                return print_json(&json!({ "made": as_json(&key) }));
            }
            print(format!("made {}: {}", key.kid, state(key.state, now)))
        }
        KeysCommand::Prune { database, yes, json } => {
            let mut retired = directory.list()?;
            retired.retain(|key| key.state == KeyState::Retired);
            if !retired.is_empty() {
                let lifetime = (jwt.access_token_ttl + jwt.leeway).as_secs();
                let question = format!(
                    "With tokens that last {lifetime} s (--access-token-ttl plus --leeway), those of {} have expired. \
                     Remove these keys permanently?",
                    kids(&retired)
                );
                ask::confirm(&question, *yes)?;
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

fn list(keys: &[ListedKey], json: bool, now: Timestamp) -> Result<(), Failure> {
    if json {
        return print_json(&json!({ "keys": all(keys) }));
    }
    if keys.is_empty() {
        return print("no keys yet: the service creates the first one on start");
    }
    let width = keys.iter().map(|key| key.kid.len()).max().unwrap_or(0);
    let mut output = Output::new();
    for key in keys {
        let (created, state) = (key.created.to_string(), state(key.state, now));
        output.line(format!("{:width$}  created {created}  {state}", key.kid))?;
    }
    output.finish()
}

/// Writes to the audit trail. Keys must change without a database as well, as in an emergency: if the database does not
/// exist, there is no trail. If it is out of reach, the command reports that, and the change stands.
fn record(kind: EventKind, kids: String, database: &DatabaseLocation) {
    let url = database.database_url.expose();
    if Database::missing_file(url).is_some() {
        return;
    }
    let entry = AuditEntry { detail: Some(kids), ..operator().entry(kind) };
    let recorded = Runtime::new().map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            if Database::inspect(url).await? != Tables::Current {
                return Err(Failure::failed("the database's tables are of another version"));
            }
            let database = Database::open(url).await?;
            let done = SqlAudit::new(database.clone()).append(&[entry]).await;
            database.close().await;
            Ok(done?)
        })
    });
    if let Err(failure) = recorded {
        eprintln!("gatepass: done, but not in the audit trail: {failure}");
    }
}

fn state(state: KeyState, now: Timestamp) -> String {
    let seconds_to = |then: Timestamp| then.as_unix().saturating_sub(now.as_unix());
    match state {
        KeyState::Next { signs_at } => {
            format!("next: signs in {} s, from {}", seconds_to(signs_at), signs_at)
        }
        KeyState::Signing => "signing".into(),
        KeyState::Verifying { until } => {
            format!("verifying until {}, for {} s", until, seconds_to(until))
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
        "created": key.created.as_unix(),
        "state": state,
        "signs_at": signs_at,
        "verifies_until": until,
        "file": key.file,
    })
}
