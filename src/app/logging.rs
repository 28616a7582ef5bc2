//! The log, written by env_logger. Panics are logged too.

use std::{env, panic};

use env_logger::DEFAULT_FILTER_ENV;

/// The default filter. It excludes Actix's start messages, a line for each malformed request, PostgreSQL's notices about
/// existing tables, and sqlx's line for each failed query, which Gatepass logs itself at most once a second.
const DEFAULT_FILTER: &str =
    "info,actix_server=warn,actix_http=off,sqlx=error,sqlx_core=error,sqlx::postgres::notice=warn";

/// Starts logging to standard error with the filter in RUST_LOG; without one, at level `info`.
pub(super) fn start() {
    let filter = env::var(DEFAULT_FILTER_ENV).ok().filter(|filter| !filter.trim().is_empty());
    env_logger::Builder::new().parse_filters(filter.as_deref().unwrap_or(DEFAULT_FILTER)).init();
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
}
