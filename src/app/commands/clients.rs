//! `gatepass clients`: manages clients.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    adapters::sql::{self, ClientChange, RegisteredClient, SqlClients},
    app::{
        audit::operator,
        commands::{
            Missing, RemovableText,
            output::{List, PLAIN, escaped, print, print_json},
            prompt, with_database,
        },
        failure::Failure,
        settings::{DatabaseLocation, audience, on_or_off, seconds},
    },
    auth::grants::GrantType,
    domain::{
        claims::Audience,
        client::{Client, ClientId, ClientSecretHash},
        scope::GrantedScopes,
        secret::ClientSecret,
        time::Timestamp,
    },
};

/// The arguments of `gatepass clients`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ClientsArguments {
    #[command(flatten)]
    database: DatabaseLocation,
    #[command(subcommand)]
    command: ClientsCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum ClientsCommand {
    /// Register a client; the secret of a confidential client is printed once and cannot be shown again
    Add {
        /// Client ID
        #[arg(value_parser = sql::client_id)]
        client_id: ClientId,
        /// Register a client without a secret, such as a web page or a mobile app
        #[arg(long)]
        public: bool,
        #[command(flatten)]
        fields: ClientFields,
        /// Print the client as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// List clients, sorted by client ID
    List {
        /// Print each client as a line of JSON; null scopes or audiences mean all
        #[arg(long)]
        json: bool,
    },
    /// Change the name or the permissions of a client
    Update {
        /// Client ID
        #[arg(value_parser = sql::client_id)]
        client_id: ClientId,
        #[command(flatten)]
        fields: ClientFields,
        /// Print the client as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Create a new secret; the old one stays valid for the --grace period, and sessions stay active
    RotateSecret {
        /// Client ID
        #[arg(value_parser = sql::client_id)]
        client_id: ClientId,
        /// Remaining lifetime of the old secret in seconds; the default is 7 days
        #[arg(long, value_name = "SECONDS", default_value = "604800", value_parser = seconds)]
        grace: Duration,
        /// Revoke the old secret now instead of creating a new one
        #[arg(long, conflicts_with = "grace")]
        revoke_old: bool,
        /// Print the client and its new secret as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove a client permanently, after confirmation
    Remove {
        /// Client ID
        #[arg(value_parser = sql::client_id)]
        client_id: ClientId,
        /// Skip the confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Clone, Debug, Args)]
struct ClientFields {
    /// Display name; '' for none
    #[arg(long, value_parser = sql::full_name)]
    name: Option<RemovableText>,
    /// Grants that the client may use, separated by spaces [default for new clients: password refresh_token]
    #[arg(long, value_parser = grants)]
    grants: Option<Grants>,
    /// Scopes that the client's tokens may have, separated by spaces, or 'all' [default for new clients: all]
    #[arg(long, value_parser = scopes)]
    scopes: Option<GrantedScopes>,
    /// Audiences that the client's tokens may have, separated by spaces, or 'all'; the client may introspect tokens for
    /// the listed audiences [default for new clients: all]
    #[arg(long, value_parser = audiences)]
    audiences: Option<Audiences>,
    /// Let the client introspect the tokens of all clients [default for new clients: off]
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on", hide_possible_values = true, value_parser = on_or_off())]
    introspect_all: Option<bool>,
}

// With these aliases, clap treats neither a `Vec` as a repeated argument nor an inner `Option` as an optional value.
type Grants = std::vec::Vec<String>;
type Audiences = std::option::Option<Vec<Audience>>;

/// Parses the names of grants.
fn grants(text: &str) -> Result<Vec<String>, String> {
    let known: Vec<_> = GrantType::ALL.iter().map(|grant| grant.name()).collect();
    match text.split_whitespace().find(|name| !known.contains(name)) {
        Some(unknown) => Err(format!("{unknown} is not a grant: choose from {}", known.join(", "))),
        None => Ok(text.split_whitespace().map(str::to_owned).collect()),
    }
}

/// Parses scopes, or `all`.
fn scopes(text: &str) -> Result<GrantedScopes, sql::InvalidScopes> {
    if text == "all" { Ok(GrantedScopes::All) } else { sql::scopes(text).map(GrantedScopes::Only) }
}

/// Parses audiences, or `all`.
fn audiences(text: &str) -> Result<Option<Vec<Audience>>, String> {
    (text != "all").then(|| text.split_whitespace().map(audience).collect()).transpose()
}

impl ClientFields {
    fn change(self) -> ClientChange {
        let Self { name, grants, scopes, audiences, introspect_all } = self;
        ClientChange { name: name.map(Option::unwrap_or_default), grants, scopes, audiences, introspect_all }
    }
}

pub(crate) fn run(ClientsArguments { database, command }: ClientsArguments) -> Result<(), Failure> {
    let missing = if matches!(command, ClientsCommand::Add { .. }) { Missing::Create } else { Missing::Fail };
    with_database(&database, missing, async |database| {
        let clients = SqlClients::new(database.clone()).audited(operator());
        match command {
            ClientsCommand::Add { client_id, public, fields, json } => {
                add(&clients, client_id, public, fields.change(), json).await
            }
            ClientsCommand::List { json } => list(&clients, json).await,
            ClientsCommand::Update { client_id, fields, json } => {
                update(&clients, &client_id, fields.change(), json).await
            }
            ClientsCommand::RotateSecret { client_id, revoke_old: true, .. } => {
                revoke_old_secret(&clients, &client_id).await
            }
            ClientsCommand::RotateSecret { client_id, grace, json, .. } => {
                rotate_secret(&clients, &client_id, grace, json).await
            }
            ClientsCommand::Remove { client_id, yes } => remove(&clients, &client_id, yes).await,
        }
    })
}

async fn add(
    clients: &SqlClients,
    id: ClientId,
    is_public: bool,
    change: ClientChange,
    json: bool,
) -> Result<(), Failure> {
    let secret = if is_public { None } else { Some(ClientSecret::generate()?) };
    let client = match &secret {
        None => Client::public(id),
        Some(secret) => Client::confidential(id, [ClientSecretHash::of(secret)]),
    };
    let client = changed(client, &change);
    check(&client, &change)?;
    if !clients.add(&client, change.name.as_deref().unwrap_or_default()).await? {
        return Err(Failure::failed(format!(
            "client {0} is already registered; change it with `gatepass clients update {0}`, or create a new secret \
             with `gatepass clients rotate-secret {0}`",
            client.id
        )));
    }
    if json {
        let mut object = object(&find(clients, &client.id).await?);
        if let Some(secret) = &secret {
            object["client_secret"] = secret.expose().into();
        }
        return print_json(&object);
    }
    match &secret {
        Some(secret) => print_secret(&client.id, secret),
        None => print(format!("client_id:      {}\nThe client is public: it has no secret.", client.id)),
    }
}

fn print_secret(client_id: &ClientId, secret: &ClientSecret) -> Result<(), Failure> {
    print(format!(
        "client_id:      {client_id}\nclient_secret:  {}\nStore the secret now: it cannot be shown again.",
        secret.expose()
    ))
}

/// Returns the client with a change applied.
fn changed(client: Client, change: &ClientChange) -> Client {
    Client {
        grants: change.grants.clone().unwrap_or(client.grants),
        scopes: change.scopes.clone().unwrap_or(client.scopes),
        audiences: change.audiences.clone().unwrap_or(client.audiences),
        introspect_all: change.introspect_all.unwrap_or(client.introspect_all),
        ..client
    }
}

/// Checks that the permissions of a client are allowed for its kind.
fn check(client: &Client, change: &ClientChange) -> Result<(), Failure> {
    if client.allows_grant(GrantType::ClientCredentials.name()) {
        if client.is_public() {
            let message = "a public client cannot use client_credentials, since anyone can send its ID: register a confidential client";
            return Err(Failure::usage(message));
        }
        if change.grants.is_some() && client.scopes == GrantedScopes::All && change.scopes.is_none() {
            let message = "the grant client_credentials needs --scopes, since no user limits the scopes of the client's tokens";
            return Err(Failure::usage(message));
        }
        let too_long = "the ID of a client with the grant client_credentials must not exceed 248 bytes";
        client.id.subject().map_err(|_| Failure::usage(too_long))?;
    }
    if client.is_public() && client.introspect_all {
        let message = "a public client cannot introspect tokens, since anyone can send its ID: register a confidential client";
        return Err(Failure::usage(message));
    }
    Ok(())
}

async fn list(clients: &SqlClients, json: bool) -> Result<(), Failure> {
    let mut list = List::new(json, ["CLIENT", "KIND", "GRANTS", "SCOPES", "CREATED"]);
    for registered in clients.all().await? {
        list.item(|| object(&registered), || (PLAIN, columns(&registered)))?;
    }
    list.finish()
}

fn columns(RegisteredClient { client, created, .. }: &RegisteredClient) -> [String; 5] {
    let kind = if client.is_public() { "public" } else { "confidential" };
    let scopes = client.scopes.scope().unwrap_or("all".into());
    let id = escaped(client.id.as_str());
    [id, kind.to_owned(), client.grants.join(" "), scopes.to_string(), created.to_string()]
}

/// Returns a client as JSON.
fn object(registered: &RegisteredClient) -> Value {
    let RegisteredClient { client, name, created, secret_created, old_secret } = registered;
    let text = |time: &Timestamp| time.to_string();
    let current = secret_created.map(|created| json!({ "created": text(&created), "expires": null }));
    let old = old_secret.map(|old| json!({ "created": text(&old.created), "expires": text(&old.expires) }));
    let scopes = match &client.scopes {
        GrantedScopes::All => None,
        GrantedScopes::Only(scopes) => Some(scopes),
    };
    let audiences: Option<Vec<_>> =
        client.audiences.as_ref().map(|audiences| audiences.iter().map(Audience::as_str).collect());
    json!({
        "client_id": client.id.as_str(),
        "name": name,
        "public": client.is_public(),
        "grants": client.grants,
        "scopes": scopes,
        "audiences": audiences,
        "introspect_all": client.introspect_all,
        "created": text(created),
        "secrets": current.into_iter().chain(old).collect::<Vec<_>>(),
    })
}

async fn update(
    clients: &SqlClients,
    id: &ClientId,
    change: ClientChange,
    json: bool,
) -> Result<(), Failure> {
    if change == ClientChange::default() {
        let message = "nothing to change: set --name, --grants, --scopes, --audiences or --introspect-all";
        return Err(Failure::usage(message));
    }
    check(&changed(find(clients, id).await?.client, &change), &change)?;
    if !clients.update(id, change).await? {
        return Err(unknown(id));
    }
    if json {
        return print_json(&object(&find(clients, id).await?));
    }
    print(format!("changed {}", escaped(id.as_str())))
}

async fn rotate_secret(
    clients: &SqlClients,
    id: &ClientId,
    grace: Duration,
    json: bool,
) -> Result<(), Failure> {
    if find(clients, id).await?.client.is_public() {
        return Err(Failure::failed(format!("client {id} is public: it has no secret")));
    }
    let secret = ClientSecret::generate()?;
    if !clients.rotate_secret(id, &secret, grace).await? {
        return Err(Failure::failed(format!(
            "client {id} already has two secrets; revoke the old one with `gatepass clients rotate-secret {id} \
             --revoke-old`, or replace both with --grace 0"
        )));
    }
    if json {
        let mut object = object(&find(clients, id).await?);
        object["client_secret"] = secret.expose().into();
        return print_json(&object);
    }
    print_secret(id, &secret)?;
    print(match grace.as_secs() {
        0 => "The old secret is no longer valid.".to_owned(),
        _ => format!("The old secret is valid until {}.", Timestamp::now() + grace),
    })
}

async fn revoke_old_secret(clients: &SqlClients, id: &ClientId) -> Result<(), Failure> {
    find(clients, id).await?;
    if !clients.revoke_old_secret(id).await? {
        return Err(Failure::failed(format!("client {id} has no old secret")));
    }
    print(format!("revoked the old secret of {id}"))
}

async fn remove(clients: &SqlClients, id: &ClientId, yes: bool) -> Result<(), Failure> {
    // Checked before the prompt, so that nobody confirms the removal of an unknown client.
    find(clients, id).await?;
    let name = escaped(id.as_str());
    prompt::confirm(&format!("Remove client {name} permanently?"), yes)?;
    if !clients.remove(id).await? {
        return Err(unknown(id));
    }
    print(format!("removed {name}"))
}

async fn find(clients: &SqlClients, id: &ClientId) -> Result<RegisteredClient, Failure> {
    clients.find(id).await?.ok_or_else(|| unknown(id))
}

fn unknown(id: &ClientId) -> Failure {
    let id = escaped(id.as_str());
    Failure::failed(format!("client {id} does not exist; `gatepass clients list` shows all clients"))
}
