//! `gatepass sessions`: lists and ends sessions.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use crate::{
    adapters::sql::{Database, SqlSessions, SqlUsers, User, UserSession},
    app::{
        audit::operator,
        commands::{
            Missing,
            output::{List, PLAIN, escaped, print},
            prompt, users, with_database,
        },
        failure::Failure,
        settings::DatabaseLocation,
    },
    domain::{
        session::{SessionId, SessionOwner, SessionStore},
        time::Timestamp,
        user::AuthUser,
    },
};

/// The arguments of `gatepass sessions`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SessionsArguments {
    #[command(flatten)]
    database: DatabaseLocation,
    #[command(subcommand)]
    command: SessionsCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum SessionsCommand {
    /// List active sessions, most recently used first
    List(ListSessions),
    /// End sessions; running services reject the tokens of ended sessions within a second
    End(EndSessions),
}

#[derive(Clone, Debug, Args)]
struct ListSessions {
    /// Username, case-insensitive [default: all users]
    username: Option<String>,
    /// Maximum number of sessions to list, 1 to 100000
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Print each session as a line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("users").args(["username", "all"]).required(true))]
struct EndSessions {
    /// Username, case-insensitive; without --session, all sessions of this user end
    username: Option<String>,
    /// End only the session with this ID
    #[arg(long, value_name = "ID", allow_hyphen_values = true, conflicts_with = "all")]
    session: Option<String>,
    /// End the sessions of all users, after confirmation
    #[arg(long)]
    all: bool,
    /// Skip the confirmation
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(SessionsArguments { database, command }: SessionsArguments) -> Result<(), Failure> {
    with_database(&database, Missing::Fail, async |database| match command {
        SessionsCommand::List(arguments) => list(database, arguments).await,
        SessionsCommand::End(arguments) => end(database, arguments).await,
    })
}

/// Finds a user. Returns the username as it is stored, and the owner of the user's sessions.
async fn find(database: &Database, username: &str) -> Result<(String, SessionOwner), Failure> {
    let user = users::find(&SqlUsers::new(database.clone()), username).await?.user;
    let owner = SessionOwner { user_kind: User::user_kind().into(), subject: user.subject() };
    Ok((escaped(&user.username), owner))
}

async fn list(database: &Database, arguments: ListSessions) -> Result<(), Failure> {
    let ListSessions { username, limit, json } = arguments;
    let owner = match username {
        Some(username) => Some(find(database, &username).await?.1),
        None => None,
    };
    let sessions = SqlSessions::new(database.clone());
    // Loads one more session than the limit, which shows whether the list is incomplete.
    let mut found = sessions.all(owner.as_ref(), limit + 1, Timestamp::now()).await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let mut list = List::new(json, ["USER", "SESSION", "LAST USED", "ADDRESS", "DETAILS"]);
    for session in &found {
        list.item(|| as_json(session), || (PLAIN, columns(session)))?;
    }
    list.finish()?;
    if has_more {
        eprintln!("gatepass: there are more than {limit} sessions; raise --limit to list more");
    }
    Ok(())
}

fn columns(UserSession { owner, username, session }: &UserSession) -> [String; 5] {
    let details = [
        Some(format!("since {}", session.created)),
        session.client_id.as_ref().map(|client_id| format!("client {}", escaped(client_id.as_str()))),
        session.client_info.user_agent.as_deref().map(|user_agent| format!("with {}", escaped(user_agent))),
    ];
    let details = details.into_iter().flatten().collect::<Vec<_>>().join("; ");
    let address = session.client_info.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
    [
        escaped(username.as_deref().unwrap_or(owner.subject.as_str())),
        escaped(session.id.as_str()),
        session.last_used.to_string(),
        address,
        details,
    ]
}

fn as_json(UserSession { owner, username, session }: &UserSession) -> serde_json::Value {
    json!({
        "id": session.id.as_str(),
        "username": username,
        "user_id": owner.subject.as_str(),
        "user_kind": owner.user_kind,
        "created": session.created.to_string(),
        "last_used": session.last_used.to_string(),
        "address": session.client_info.address,
        "client_id": session.client_id.as_ref().map(|client_id| client_id.as_str()),
        "user_agent": session.client_info.user_agent,
    })
}

async fn end(database: &Database, arguments: EndSessions) -> Result<(), Failure> {
    let EndSessions { username, session, yes, .. } = arguments;
    let (sessions, now) = (SqlSessions::new(database.clone()).audited(operator()), Timestamp::now());
    let Some(username) = username else {
        prompt::confirm("End the sessions of all users?", yes)?;
        let ended = sessions.end_all_users(now).await?;
        return print(format!("ended the sessions of all users ({ended} in total)"));
    };
    let (name, owner) = find(database, &username).await?;
    let Some(session) = session else {
        sessions.end_all(&owner, now).await?;
        return print(format!("ended all sessions of {name}"));
    };
    let ended = match SessionId::new(&*session) {
        Ok(id) => sessions.end(&owner, &id, now).await?,
        Err(_) => false,
    };
    let session = escaped(&session);
    if !ended {
        return Err(Failure::failed(format!(
            "{name} has no session {session}; `gatepass sessions list` shows the active sessions"
        )));
    }
    print(format!("ended session {session} of {name}"))
}
