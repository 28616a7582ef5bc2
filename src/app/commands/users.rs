//! `gatepass users`: manages users.

use std::{path::PathBuf, pin::pin};

use clap::{Args, Subcommand};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use crate::{
    adapters::sql::{self, SqlUsers, StoredUser, User, UserChange},
    app::{
        audit::operator,
        commands::{
            Format, Missing, RemovableText, export,
            import::{self, ImportUsers},
            output::{List, PLAIN, UNUSED, escaped, print, print_json},
            password::NewPassword,
            prompt, with_database,
        },
        document::default_scopes,
        failure::Failure,
        settings::DatabaseLocation,
    },
    domain::{
        scope::Scopes,
        time::Timestamp,
        user::{Account, AuthUser, Username},
    },
};

/// The arguments of `gatepass users`.
#[derive(Clone, Debug, Args)]
pub(crate) struct UsersArguments {
    #[command(flatten)]
    database: DatabaseLocation,
    #[command(subcommand)]
    command: UsersCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum UsersCommand {
    /// Add a user; prompts for the password
    Add(AddUser),
    /// List users, sorted by username
    List(ListUsers),
    /// Show a user
    Show {
        /// Username, case-insensitive
        username: String,
        /// Print the user as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Change a user's email address, full name or scopes
    Set {
        /// Username, case-insensitive
        username: String,
        #[command(flatten)]
        fields: SetFields,
        /// Print the user as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Set a user's password and end all the user's sessions; prompts for the password
    Passwd {
        /// Username, case-insensitive
        username: String,
        #[command(flatten)]
        password: NewPassword,
    },
    /// Disable a user: end all sessions and refuse sign-ins
    Disable {
        /// Username, case-insensitive
        username: String,
    },
    /// Enable a disabled user
    Enable {
        /// Username, case-insensitive
        username: String,
    },
    /// Remove a user permanently, after confirmation
    Remove {
        /// Username, case-insensitive
        username: String,
        /// Skip the confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Add all users in a file, or none if any of them is invalid
    ///
    /// Each line of a JSON lines file is an object with the fields username, email, full_name, disabled, scopes and
    /// hashed_password. A CSV file has these names in its header. username and hashed_password are required. A user
    /// without scopes in the file gets the scope me. All lines are checked before any user is added. Errors are printed
    /// as FILE:LINE: FIELD: reason. hashed_password may be a hash from Django, Flask, WordPress, ASP.NET Core Identity,
    /// Spring or an LDAP server; ! stands for a user without a password.
    Import(ImportUsers),
    /// Write all users, with their password hashes, to a file that `users import` can read
    Export {
        /// File to write, or - for standard output
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Format of the file [default: from the extension .jsonl or .csv, otherwise jsonl]
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// Replace an existing file without confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Clone, Debug, Args)]
struct ListUsers {
    /// List only users whose username, email address or full name contains this text, case-insensitive
    #[arg(long, value_name = "TEXT", value_parser = filter)]
    filter: Option<String>,
    /// Maximum number of users to list [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print each user as a line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
struct AddUser {
    /// Username; must be unique regardless of case
    #[arg(value_parser = sql::username)]
    username: Username,
    /// Email address
    #[arg(long, value_parser = sql::email)]
    email: Option<RemovableText>,
    /// Display name
    #[arg(long, value_parser = sql::full_name)]
    full_name: Option<RemovableText>,
    /// Scopes that the user's tokens may have, separated by spaces [default: me]
    #[arg(long, value_parser = sql::scopes)]
    scopes: Option<Scopes>,
    /// Disable the new user
    #[arg(long)]
    disabled: bool,
    /// Print the user as a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    password: NewPassword,
}

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
struct SetFields {
    /// Email address; '' removes it
    #[arg(long, value_parser = sql::email)]
    email: Option<RemovableText>,
    /// Display name; '' removes it
    #[arg(long, value_parser = sql::full_name)]
    full_name: Option<RemovableText>,
    /// Scopes that the user's tokens may have, separated by spaces; '' removes all
    #[arg(long, value_parser = sql::scopes)]
    scopes: Option<Scopes>,
}

/// Parses the text to search for. A text of more than 255 characters is an error, since no field is that long.
fn filter(text: &str) -> Result<String, &'static str> {
    if text.chars().nth(255).is_some() {
        Err("it is longer than 255 characters")
    } else {
        Ok(text.to_owned())
    }
}

pub(crate) fn run(UsersArguments { database, command }: UsersArguments) -> Result<(), Failure> {
    let missing = match command {
        UsersCommand::Add(_) | UsersCommand::Import(_) => Missing::Create,
        _ => Missing::Fail,
    };
    with_database(&database, missing, async |database| {
        let users = SqlUsers::new(database.clone()).audited(operator());
        run_on(&users, command).await
    })
}

async fn run_on(users: &SqlUsers, command: UsersCommand) -> Result<(), Failure> {
    let default = UserChange::default();
    let (username, change, verb, json) = match command {
        UsersCommand::Add(user) => return add(users, user).await,
        UsersCommand::List(arguments) => return list(users, arguments).await,
        UsersCommand::Show { username, json } => return show(&find(users, &username).await?, json),
        UsersCommand::Remove { username, yes } => return remove(users, &username, yes).await,
        UsersCommand::Import(arguments) => return import::run(users, &arguments).await,
        UsersCommand::Export { file, format, yes } => return export::run(users, &file, format, yes).await,
        UsersCommand::Set { username, fields: SetFields { email, full_name, scopes }, json } => {
            (username, UserChange { email, full_name, scopes, ..default }, "changed", json)
        }
        UsersCommand::Passwd { username, password } => {
            let StoredUser { user, password_hash, .. } = find(users, &username).await?;
            let hash = password.hash(&user, Some(&password_hash)).await?;
            (username, UserChange { password_hash: Some(hash), ..default }, "set the password of", false)
        }
        UsersCommand::Disable { username } => {
            (username, UserChange { disabled: Some(true), ..default }, "disabled", false)
        }
        UsersCommand::Enable { username } => {
            (username, UserChange { disabled: Some(false), ..default }, "enabled", false)
        }
    };
    let subject = find(users, &username).await?.user.subject();
    if !users.update(&subject, change).await? {
        return Err(no_such_user(&username));
    }
    if json {
        return show(&find(users, &username).await?, true);
    }
    print(format!("{verb} {}", escaped(&username)))
}

async fn add(users: &SqlUsers, new: AddUser) -> Result<(), Failure> {
    let username = new.username.as_str().to_owned();
    let taken = || Failure::failed(format!("username {username} is already taken"));
    // Checked before the prompt, so that nobody types a password for a username that is taken.
    if users.find(&new.username).await?.is_some() {
        return Err(taken());
    }
    let user = User {
        id: User::new_id(),
        username: username.clone(),
        email: new.email.flatten(),
        full_name: new.full_name.flatten(),
        disabled: new.disabled,
        scopes: new.scopes.unwrap_or_else(default_scopes),
    };
    let password_hash = new.password.hash(&user, None).await?;
    let account = Account { user, password_hash };
    if !users.insert(&account).await? {
        return Err(taken());
    }
    let Account { user, password_hash } = account;
    if new.json {
        let now = Timestamp::now();
        return show(&StoredUser { user, password_hash, created: now, changed: now }, true);
    }
    print(format!("added {username}"))
}

async fn list(users: &SqlUsers, ListUsers { filter, limit, json }: ListUsers) -> Result<(), Failure> {
    let mut found = pin!(match &filter {
        Some(text) => users.search(text).left_stream(),
        None => users.all().right_stream(),
    });
    let mut list = List::new(json, ["USERNAME", "EMAIL", "FULL NAME", "STATE", "SCOPES"]);
    let (mut listed, mut has_more) = (0, false);
    while let Some(stored) = found.try_next().await? {
        has_more = limit == Some(listed);
        if has_more {
            break;
        }
        listed += 1;
        let style = if stored.user.disabled { UNUSED } else { PLAIN };
        list.item(|| object(&stored), || (style, columns(&stored.user)))?;
    }
    list.finish()?;
    if has_more {
        eprintln!("gatepass: there are more than {listed} users; raise --limit to list more");
    }
    Ok(())
}

fn show(stored: &StoredUser, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&object(stored));
    }
    let [username, email, full_name, state, scopes] = columns(&stored.user);
    let (id, created, changed) = (stored.user.id, stored.created.to_string(), stored.changed.to_string());
    print(format!(
        "username:   {username}\nemail:      {email}\nfull name:  {full_name}\nstate:      {state}\n\
         scopes:     {scopes}\nid:         {id}\ncreated:    {created}\nchanged:    {changed}"
    ))
}

/// Returns a user as JSON, without the password hash.
fn object(StoredUser { user, created, changed, .. }: &StoredUser) -> Value {
    let mut object = json!(user);
    object["created"] = created.to_string().into();
    object["changed"] = changed.to_string().into();
    object
}

/// Returns the username, email, full name, state and scopes of a user.
fn columns(user: &User) -> [String; 5] {
    let optional = |text: &Option<String>| escaped(text.as_deref().unwrap_or("-"));
    let state = if user.disabled { "disabled" } else { "enabled" };
    [
        escaped(&user.username),
        optional(&user.email),
        optional(&user.full_name),
        state.to_owned(),
        user.scopes.to_string(),
    ]
}

async fn remove(users: &SqlUsers, username: &str, yes: bool) -> Result<(), Failure> {
    let user = find(users, username).await?.user;
    let name = escaped(&user.username);
    prompt::confirm(&format!("Remove {name} permanently?"), yes)?;
    if !users.remove(&user.subject()).await? {
        return Err(no_such_user(username));
    }
    print(format!("removed {name}"))
}

pub(super) async fn find(users: &SqlUsers, username: &str) -> Result<StoredUser, Failure> {
    let name = Username::new(username).map_err(|_| no_such_user(username))?;
    users.find(&name).await?.ok_or_else(|| no_such_user(username))
}

fn no_such_user(username: &str) -> Failure {
    Failure::failed(format!(
        "user {} does not exist; `gatepass users list` shows all users",
        escaped(username)
    ))
}
