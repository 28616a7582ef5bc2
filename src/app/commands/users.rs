//! `gatepass users …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use futures_util::TryStreamExt;

use crate::{
    adapters::sql::{self, SqlUsers, StoredUser, User, UserChange},
    app::{
        audit::whoever_runs_this,
        commands::{
            Format, ask, export, import,
            output::{Output, UserObject, shown},
            password::{PasswordSource, hash_new_password},
            with_database,
        },
        failure::Failure,
        settings::{SecureSettings, Settings},
    },
    domain::{
        scope::Scopes,
        secret::PasswordHash,
        time::Timestamp,
        user::{Account, AuthUser, Username},
    },
    http::{clock, moment::moment, random::random},
};

/// What to do with users.
#[derive(Clone, Debug, Subcommand)]
pub enum UsersCommand {
    /// Add a user; asks for the password
    Add(AddUser),
    /// List the users by name
    List {
        /// Print each user as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a user
    Show {
        /// The user's name, in whatever case
        username: String,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Invalidation a user's email address, full name or scopes
    Set(SetUser),
    /// Give a user a new password; asks for it. It ends every session of the user
    Passwd {
        /// The user's name, in whatever case
        username: String,
        /// Where the password comes from
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Disable a user: the password is refused from now on, and every session is ended
    Disable {
        /// The user's name, in whatever case
        username: String,
    },
    /// Enable a disabled user
    Enable {
        /// The user's name, in whatever case
        username: String,
    },
    /// Remove a user for good; asks first
    Remove {
        /// The user's name, in whatever case
        username: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Add many users from a file: all of them, or none
    ///
    /// Each line of a JSON lines file is an object with username, email, full_name, disabled, scopes and
    /// hashed_password; a CSV file has these names as its header. username and hashed_password are needed. Everything
    /// is looked at before anything is written, and each fault is named as FILE:LINE: FIELD: reason.
    Import {
        /// The file; - is standard input
        file: PathBuf,
        /// What the file is [default: by its name, .jsonl or .csv]
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// Print a JSON object when it is done
        #[arg(long)]
        json: bool,
    },
    /// Write all users into a file that import reads, hashes and all
    Export {
        /// The file; - is standard output
        #[arg(default_value = "-")]
        file: PathBuf,
        /// How to write it [default: by the file's name, .jsonl or .csv; otherwise JSON lines]
        #[arg(long, value_enum)]
        format: Option<Format>,
        /// Replace a file that is there without asking
        #[arg(long)]
        yes: bool,
    },
}

/// A user to add.
#[derive(Clone, Debug, Args)]
pub struct AddUser {
    /// The name to sign in with; taken in one case, it is taken in every case
    #[arg(value_parser = sql::username)]
    username: Username,
    /// The email address
    #[arg(long, value_parser = Optional::email)]
    email: Option<Optional>,
    /// The name to show
    #[arg(long, value_parser = Optional::full_name)]
    full_name: Option<Optional>,
    /// What tokens of this user may be used for at the most, separated by spaces
    #[arg(long, value_parser = sql::scopes, default_value_t = Scopes::default(), hide_default_value = true)]
    scopes: Scopes,
    /// Add the user disabled
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    password: PasswordSource,
    /// Print the user as a JSON object
    #[arg(long)]
    json: bool,
}

/// What to change about a user.
#[derive(Clone, Debug, Args)]
pub struct SetUser {
    /// The user's name, in whatever case
    username: String,
    #[command(flatten)]
    fields: SetFields,
    /// Print the user as a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
struct SetFields {
    /// The email address; '' for none
    #[arg(long, value_parser = Optional::email)]
    email: Option<Optional>,
    /// The name to show; '' for none
    #[arg(long, value_parser = Optional::full_name)]
    full_name: Option<Optional>,
    /// What tokens of this user may be used for at the most, separated by spaces; '' for nothing
    #[arg(long, value_parser = sql::scopes)]
    scopes: Option<Scopes>,
}

/// A field that an empty argument empties. (clap takes a plain `Option` for an argument that may be missing.)
#[derive(Clone, Debug)]
struct Optional(Option<String>);

impl Optional {
    fn email(text: &str) -> Result<Self, sql::InvalidField> {
        sql::email(text).map(Self)
    }

    fn full_name(text: &str) -> Result<Self, sql::InvalidField> {
        sql::full_name(text).map(Self)
    }
}

/// Does what the command says.
pub(crate) fn run(command: UsersCommand, settings: &Settings) -> Result<(), Failure> {
    with_database(settings, async |database| {
        let users = SqlUsers::new(database.clone()).audited(whoever_runs_this());
        let now = clock::now();
        match command {
            UsersCommand::Add(user) => add(&users, user, &settings.secure, now).await,
            UsersCommand::List { json } => list(&users, json).await,
            UsersCommand::Show { username, json } => print(&find(&users, &username).await?, json),
            UsersCommand::Set(SetUser { username, fields: SetFields { email, full_name, scopes }, json }) => {
                let (email, full_name) = (email.map(|email| email.0), full_name.map(|name| name.0));
                let change = UserChange { email, full_name, scopes, ..UserChange::default() };
                change_user(&users, &username, change, now, "changed", json).await
            }
            UsersCommand::Passwd { username, password } => {
                let found = find(&users, &username).await?;
                let hash = new_hash(&found.user, password, &settings.secure).await?;
                let change = UserChange { password_hash: Some(hash), ..UserChange::default() };
                change_user(&users, &username, change, now, "gave a new password to", false).await
            }
            UsersCommand::Disable { username } => {
                let change = UserChange { disabled: Some(true), ..UserChange::default() };
                change_user(&users, &username, change, now, "disabled", false).await
            }
            UsersCommand::Enable { username } => {
                let change = UserChange { disabled: Some(false), ..UserChange::default() };
                change_user(&users, &username, change, now, "enabled", false).await
            }
            UsersCommand::Remove { username, yes } => remove(&users, &username, yes, now).await,
            UsersCommand::Import { file, format, json } => {
                import::run(&users, &file, format, json, now).await
            }
            UsersCommand::Export { file, format, yes } => export::run(&users, &file, format, yes).await,
        }
    })
}

async fn add(
    users: &SqlUsers,
    new: AddUser,
    settings: &SecureSettings,
    now: Timestamp,
) -> Result<(), Failure> {
    let username = new.username.as_str().to_owned();
    let taken = || Failure::failed(format!("the username {username} is taken"));
    // Asked before the password is: nobody types one for nothing.
    if users.find(&new.username).await?.is_some() {
        return Err(taken());
    }
    let user = User {
        id: sql::user_id(now, 0, random()?),
        username: username.clone(),
        email: new.email.and_then(|email| email.0),
        full_name: new.full_name.and_then(|name| name.0),
        disabled: new.disabled,
        scopes: new.scopes,
    };
    let password_hash = new_hash(&user, new.password, settings).await?;
    let account = Account { user, password_hash };
    if !users.insert(&account, now).await? {
        return Err(taken());
    }
    let Account { user, password_hash } = account;
    if new.json {
        return print(&StoredUser { user, password_hash, created: now, changed: now }, true);
    }
    say(format!("added {username}"))
}

async fn new_hash(
    user: &User,
    password: PasswordSource,
    settings: &SecureSettings,
) -> Result<PasswordHash, Failure> {
    let password = password.read()?;
    let names: Vec<&str> = [Some(&user.username), user.email.as_ref(), user.full_name.as_ref()]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    hash_new_password(settings, &password, &names).await
}

async fn list(users: &SqlUsers, json: bool) -> Result<(), Failure> {
    let mut output = Output::new();
    let row = |username: &str, email: &str, full_name: &str, state: &str, scopes: &str| {
        format!("{username:<20}  {email:<30}  {full_name:<20}  {state:<8}  {scopes}").trim_end().to_owned()
    };
    if !json {
        output.line(row("USERNAME", "EMAIL", "FULL NAME", "STATE", "SCOPES"))?;
    }
    let mut all = std::pin::pin!(users.all());
    while let Some(stored) = all.try_next().await? {
        if json {
            output.json(&UserObject::from(&stored))?;
            continue;
        }
        let User { username, email, full_name, scopes, .. } = &stored.user;
        output.line(row(
            &shown(username),
            &shown(email.as_deref().unwrap_or("-")),
            &shown(full_name.as_deref().unwrap_or("-")),
            state(&stored.user),
            &scopes.to_string(),
        ))?;
    }
    output.finish()
}

async fn remove(users: &SqlUsers, username: &str, yes: bool, now: Timestamp) -> Result<(), Failure> {
    let user = find(users, username).await?.user;
    let name = shown(&user.username);
    ask::confirm(&format!("Remove {name} for good?"), yes)?;
    if !users.remove(&user.subject(), now).await? {
        return Err(no_such_user(username));
    }
    say(format!("removed {name}"))
}

async fn change_user(
    users: &SqlUsers,
    username: &str,
    change: UserChange,
    now: Timestamp,
    done: &str,
    json: bool,
) -> Result<(), Failure> {
    let subject = find(users, username).await?.user.subject();
    if !users.update(&subject, change, now).await? {
        return Err(no_such_user(username));
    }
    if json {
        return print(&find(users, username).await?, true);
    }
    say(format!("{done} {}", shown(username)))
}

async fn find(users: &SqlUsers, username: &str) -> Result<StoredUser, Failure> {
    users.find(&Username::from(username)).await?.ok_or_else(|| no_such_user(username))
}

fn no_such_user(username: &str) -> Failure {
    Failure::failed(format!("there is no user {}", shown(username)))
}

fn print(stored: &StoredUser, json: bool) -> Result<(), Failure> {
    let mut output = Output::new();
    if json {
        output.json(&UserObject::from(stored))?;
    } else {
        let user = &stored.user;
        output.line(format!("username:   {}", shown(&user.username)))?;
        output.line(format!("email:      {}", shown(user.email.as_deref().unwrap_or("-"))))?;
        output.line(format!("full name:  {}", shown(user.full_name.as_deref().unwrap_or("-"))))?;
        output.line(format!("state:      {}", state(user)))?;
        output.line(format!("scopes:     {}", user.scopes))?;
        output.line(format!("id:         {}", user.id))?;
        output.line(format!("created:    {}", moment(stored.created)))?;
        output.line(format!("changed:    {}", moment(stored.changed)))?;
    }
    output.finish()
}

fn state(user: &User) -> &'static str {
    if user.disabled { "disabled" } else { "enabled" }
}

fn say(line: String) -> Result<(), Failure> {
    let mut output = Output::new();
    output.line(line)?;
    output.finish()
}
