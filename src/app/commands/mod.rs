//! The commands other than `serve`. Running services apply their changes within a second.

pub(crate) mod audit;
pub(crate) mod check;
pub(crate) mod clients;
pub(crate) mod config;
mod export;
pub(crate) mod generated;
mod import;
pub(crate) mod keys;
mod output;
mod password;
mod prompt;
mod record;
pub(crate) mod sessions;
pub(crate) mod throttle;
pub(crate) mod users;

use std::path::Path;

use actix_web::rt::Runtime;
use clap::ValueEnum;

use crate::{
    adapters::sql::{Database, DatabaseSettings},
    app::{failure::Failure, settings::DatabaseLocation},
};

/// The action if a SQLite database does not exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Create,
    Fail,
}

/// Opens the database, runs `work` on it, and closes it.
fn with_database(
    DatabaseLocation { database_url }: &DatabaseLocation,
    missing: Missing,
    work: impl AsyncFnOnce(&Database) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let url = database_url.expose();
    if missing == Missing::Fail
        && let Some(file) = Database::missing_file(url)
    {
        let file = file.display();
        let hint = "create it with `gatepass users add`, or set --database-url";
        return Err(Failure::failed(format!("database {file} does not exist: {hint}")));
    }
    Runtime::new()?.block_on(async {
        let without_timeouts = DatabaseSettings { has_timeouts: false, ..DatabaseSettings::default() };
        let database = Database::open_with(url, without_timeouts).await?;
        let result = work(&database).await;
        database.close().await;
        result
    })
}

/// A text, or `None` to remove it. With this alias, clap does not treat the `Option` as an optional argument.
type RemovableText = std::option::Option<String>;

/// The format of a file of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object per line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
}

impl Format {
    /// Returns the given format, otherwise that of the file extension, otherwise the default.
    fn of(file: &Path, given: Option<Self>, default: Option<Self>) -> Result<Self, Failure> {
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let by_name = match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        };
        given.or(by_name).or(default).ok_or_else(|| {
            let file = file.display();
            Failure::usage(format!("{file} does not end in .jsonl or .csv: set --format"))
        })
    }
}
