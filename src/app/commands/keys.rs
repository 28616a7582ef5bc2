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
        audit::whoever_runs_this,
        commands::{ask, output::Output},
        failure::Failure,
        settings::Settings,
    },
    domain::{event::EventKind, time::Timestamp},
    http::{clock, moment::moment},
};

const EMERGENCY: &str = "\
When a key is compromised: gatepass keys rotate, then remove the file of that key (keys list --json names it). \
Running services refuse its tokens within a second, and another key signs at once. In this order: the only key of \
a running service stays in use without its file, until another one is there or the service restarts.";

/// The arguments of `gatepass keys`.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = EMERGENCY)]
pub struct KeysArguments {
    /// What to do with them.
    #[command(subcommand)]
    action: KeysAction,

    /// Print JSON, with moments in seconds since 1970
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum KeysAction {
    /// Show the keys and what each one does
    List,
    /// Make the next key: it is published now, signs after --key-activation-delay, and the one before it verifies
    /// until its last token has expired. Running services take it within a second
    Rotate,
    /// Remove keys whose tokens have all expired, where no service issues them for longer than --access-token-ttl and
    /// --leeway say here
    Prune {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Does what `arguments` ask for and prints what came of it.
pub(crate) fn run(arguments: &KeysArguments, settings: &Settings) -> Result<(), Failure> {
    let jwt = settings.jwt();
    let folder = KeyDirectory::new(&jwt);
    let now = clock::now();
    let mut output = Output::new();
    match arguments.action {
        KeysAction::List => {
            let keys = folder.list(now)?;
            if arguments.json {
                output.json(&json!({ "keys": all(&keys) }))?;
            } else if keys.is_empty() {
                output.line("no keys yet: the service makes the first one when it starts")?;
            } else {
                let width = keys.iter().map(|key| key.kid.len()).max().unwrap_or(0);
                for key in &keys {
                    let (created, state) = (moment(key.created), state(key.state, now));
                    output.line(format!("{:width$}  created {created}  {state}", key.kid))?;
                }
            }
        }
        KeysAction::Rotate => {
            let made = folder.rotate(now)?;
            record(EventKind::KeyRotated, made.kid.clone(), settings, now);
            if arguments.json {
                output.json(&json!({ "made": as_json(&made) }))?;
            } else {
                output.line(format!("made {}: {}", made.kid, state(made.state, now)))?;
            }
        }
        KeysAction::Prune { yes } => {
            let mut retired = folder.list(now)?;
            retired.retain(|key| key.state == KeyState::Retired);
            if !retired.is_empty() {
                let kids = retired.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>().join(", ");
                let life = (jwt.access_token_ttl + jwt.leeway).as_secs();
                let question = format!(
                    "Where tokens live {life} s (--access-token-ttl and --leeway), those of {kids} have expired. \
                     Remove these keys for good?"
                );
                ask::confirm(&question, yes)?;
            }
            let removed = folder.prune(now)?;
            if !removed.is_empty() {
                let kids = removed.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>().join(", ");
                record(EventKind::KeysPruned, kids, settings, now);
            }
            if arguments.json {
                output.json(&json!({ "removed": all(&removed) }))?;
            } else {
                for key in &removed {
                    output.line(format!("removed {}, created {}", key.kid, moment(key.created)))?;
                }
            }
        }
    }
    output.finish()
}

/// Has the audit trail say it. Keys are changed without a database as well, as in an emergency: where there is none yet,
/// there is no trail, and where it is out of reach, that is said and the change stands.
fn record(kind: EventKind, kids: String, settings: &Settings, now: Timestamp) {
    let url = settings.secure.database_url.expose();
    if Database::missing_file(url).is_some() {
        return;
    }
    let entry = AuditEntry { detail: Some(kids), ..whoever_runs_this().did(kind, now) };
    let recorded = Runtime::new().map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            match Database::inspect(url).await? {
                Tables::Current => {}
                Tables::Older => {
                    return Err(Failure::failed("the database's tables are of an older version"));
                }
                Tables::Newer => return Err(Failure::failed("the database's tables are of a newer version")),
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
            format!("next: signs in {} s, from {}", seconds_to(signs_at), moment(signs_at))
        }
        KeyState::Signing => "signing".into(),
        KeyState::Verifying { until } => {
            format!("verifying until {}, for {} s", moment(until), seconds_to(until))
        }
        KeyState::Retired => "retired: its tokens have expired".into(),
    }
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
