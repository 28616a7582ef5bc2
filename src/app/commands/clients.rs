//! `gatepass clients …`

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    adapters::sql::{self, SqlClients},
    app::{
        audit::whoever_runs_this,
        commands::{
            ask,
            output::{Output, shown},
            with_database,
        },
        failure::Failure,
        settings::Settings,
    },
    domain::client::ClientId,
    http::{clock, moment::moment, random::random},
};

/// What to do with clients.
#[derive(Clone, Debug, Subcommand)]
pub enum ClientsCommand {
    /// Register a client and show its secret, once: only a hash of it is kept
    Add(AddClient),
    /// List the clients by name
    List {
        /// Print each client as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a client for good; asks first
    Remove {
        /// The client's name
        client_id: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// A client to register.
#[derive(Clone, Debug, Args)]
pub struct AddClient {
    /// The client's name (client_id)
    #[arg(value_parser = sql::client_id)]
    client_id: ClientId,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct NewClient<'a> {
    client_id: &'a str,
    client_secret: &'a str,
}

#[derive(Serialize)]
struct ListedClient<'a> {
    client_id: &'a str,
    created: String,
}

/// Does what the command says.
pub(crate) fn run(command: ClientsCommand, settings: &Settings) -> Result<(), Failure> {
    with_database(settings, async |database| {
        let clients = SqlClients::new(database.clone()).audited(whoever_runs_this());
        match command {
            ClientsCommand::Add(client) => add(&clients, client).await,
            ClientsCommand::List { json } => list(&clients, json).await,
            ClientsCommand::Remove { client_id, yes } => remove(&clients, &client_id.into(), yes).await,
        }
    })
}

async fn add(clients: &SqlClients, AddClient { client_id, json }: AddClient) -> Result<(), Failure> {
    let secret = sql::client_secret(random()?);
    if !clients.add(&client_id, &secret, clock::now()).await? {
        return Err(Failure::failed(format!("the client {client_id} is registered already")));
    }
    let mut output = Output::new();
    if json {
        output.json(&NewClient { client_id: client_id.as_str(), client_secret: secret.expose() })?;
    } else {
        output.line(format!("client_id:      {client_id}"))?;
        output.line(format!("client_secret:  {}", secret.expose()))?;
        output.line("Keep the secret now: it is not shown again.")?;
    }
    output.finish()
}

async fn list(clients: &SqlClients, json: bool) -> Result<(), Failure> {
    let mut output = Output::new();
    if !json {
        output.line(format!("{:<30}  CREATED", "CLIENT"))?;
    }
    for client in clients.all().await? {
        let (client_id, created) = (client.client_id.as_str(), moment(client.created));
        if json {
            output.json(&ListedClient { client_id, created })?;
        } else {
            output.line(format!("{:<30}  {created}", shown(client_id)))?;
        }
    }
    output.finish()
}

async fn remove(clients: &SqlClients, client_id: &ClientId, yes: bool) -> Result<(), Failure> {
    let name = shown(client_id.as_str());
    let unknown = || Failure::failed(format!("there is no client {name}"));
    // Nobody is asked about a client that is not there.
    if clients.find(client_id).await?.is_none() {
        return Err(unknown());
    }
    ask::confirm(&format!("Remove the client {name} for good?"), yes)?;
    if !clients.remove(client_id, clock::now()).await? {
        return Err(unknown());
    }
    let mut output = Output::new();
    output.line(format!("removed {name}"))?;
    output.finish()
}
