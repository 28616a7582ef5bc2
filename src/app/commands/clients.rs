//! `gatepass clients`: manages clients.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    adapters::sql::{self, SqlClients},
    app::{
        audit::operator,
        commands::{
            Missing,
            output::{Output, escaped, print, print_json},
            prompt, with_database,
        },
        failure::Failure,
        settings::DatabaseLocation,
    },
    domain::{client::ClientId, secret::ClientSecret},
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
    /// Register a client and print its secret, which cannot be shown again
    Add {
        /// Client ID
        #[arg(value_parser = sql::client_id)]
        client_id: ClientId,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the clients by ID
    List {
        /// Print each client as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a client permanently, after a confirmation
    Remove {
        /// Client ID
        #[arg(value_parser = sql::client_id)]
        client_id: ClientId,
        /// Skip the confirmation
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) fn run(ClientsArguments { database, command }: ClientsArguments) -> Result<(), Failure> {
    let missing = if matches!(command, ClientsCommand::Add { .. }) { Missing::Create } else { Missing::Fail };
    with_database(&database, missing, async |database| {
        let clients = SqlClients::new(database.clone()).audited(operator());
        match command {
            ClientsCommand::Add { client_id, json } => add(&clients, &client_id, json).await,
            ClientsCommand::List { json } => list(&clients, json).await,
            ClientsCommand::Remove { client_id, yes } => remove(&clients, &client_id, yes).await,
        }
    })
}

async fn add(clients: &SqlClients, client_id: &ClientId, json: bool) -> Result<(), Failure> {
    let secret = ClientSecret::generate()?;
    if !clients.add(client_id, &secret).await? {
        return Err(Failure::failed(format!(
            "client {client_id} is already registered; remove it first to create a new secret"
        )));
    }
    let secret = secret.expose();
    if json {
        return print_json(&json!({ "client_id": client_id.as_str(), "client_secret": secret }));
    }
    print(format!(
        "client_id:      {client_id}\nclient_secret:  {secret}\nStore the secret now: it cannot be shown again."
    ))
}

async fn list(clients: &SqlClients, json: bool) -> Result<(), Failure> {
    let mut output = Output::new();
    if !json {
        output.line(format!("{:<30}  CREATED", "CLIENT"))?;
    }
    for client in clients.all().await? {
        let (client_id, created) = (client.client_id.as_str(), client.created.to_string());
        if json {
            output.json(&json!({ "client_id": client_id, "created": created }))?;
        } else {
            output.line(format!("{:<30}  {created}", escaped(client_id)))?;
        }
    }
    output.finish()
}

async fn remove(clients: &SqlClients, client_id: &ClientId, yes: bool) -> Result<(), Failure> {
    let name = escaped(client_id.as_str());
    let unknown = || {
        Failure::failed(format!("client {name} does not exist; `gatepass clients list` shows all clients"))
    };
    // Checked before the prompt, so that nobody confirms in vain.
    if clients.find(client_id).await?.is_none() {
        return Err(unknown());
    }
    prompt::confirm(&format!("Remove client {name} permanently?"), yes)?;
    if !clients.remove(client_id).await? {
        return Err(unknown());
    }
    print(format!("removed {name}"))
}
