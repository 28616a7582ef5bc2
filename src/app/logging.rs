//! The log: env_logger, and panics in it.

use std::{env, panic};

use env_logger::DEFAULT_FILTER_ENV;

/// Without the servers' own start, without a line for all that is no HTTP, without PostgreSQL's notices that a table is
/// there already, and without sqlx's line for each request that meets a fault: our own says it once a second.
const DEFAULT_FILTER: &str =
    "info,actix_server=warn,actix_http=off,sqlx=error,sqlx_core=error,sqlx::postgres::notice=warn";

/// Starts logging to standard error, by RUST_LOG or, where that is not set or empty, from `info` up.
pub fn start() {
    let filter = env::var(DEFAULT_FILTER_ENV).ok().filter(|filter| !filter.trim().is_empty());
    env_logger::Builder::new().parse_filters(filter.as_deref().unwrap_or(DEFAULT_FILTER)).init();
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
}
