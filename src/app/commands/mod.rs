//! The commands beside `serve`. What they write, a running service reads within a second.

mod ask;
pub mod audit;
pub mod check;
pub mod clients;
mod export;
mod import;
pub mod keys;
mod output;
mod password;
mod record;
pub mod users;

use std::path::Path;

use actix_web::rt::Runtime;
use clap::ValueEnum;

use crate::{
    adapters::sql::{Database, DatabaseSettings},
    app::{failure::Failure, settings::Settings},
};

/// Runs `work` on the database that the settings name.
fn with_database(
    settings: &Settings,
    work: impl AsyncFnOnce(&Database) -> Result<(), Failure>,
) -> Result<(), Failure> {
    Runtime::new()?.block_on(async {
        let patient = DatabaseSettings { has_timeouts: false, ..DatabaseSettings::default() };
        let database = Database::open_with(settings.secure.database_url.expose(), patient).await?;
        let done = work(&database).await;
        database.close().await;
        done
    })
}

/// How users are written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object per line
    Jsonl,
    /// Comma-separated values under a header
    Csv,
}

impl Format {
    /// The format that a file's name ends in, or this one.
    fn of(file: &Path, given: Option<Self>, otherwise: Option<Self>) -> Result<Self, Failure> {
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let by_name = match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        };
        given.or(by_name).or(otherwise).ok_or_else(|| {
            Failure::usage(format!("is {} JSON lines or CSV? Say it with --format", file.display()))
        })
    }
}
