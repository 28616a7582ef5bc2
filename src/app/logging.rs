//! The log: env_logger, and panics in it.

use std::{env, panic};

use env_logger::DEFAULT_FILTER_ENV;

/// Excludes Actix's own start, a line for each malformed request, PostgreSQL's notices about existing tables, and a line of
/// sqlx for each failed query: Gatepass logs these errors once a second.
const DEFAULT_FILTER: &str =
    "info,actix_server=warn,actix_http=off,sqlx=error,sqlx_core=error,sqlx::postgres::notice=warn";

/// Starts logging to standard error, as RUST_LOG specifies; if that is empty or not set, from `info` up.
pub(super) fn start() {
    let filter = env::var(DEFAULT_FILTER_ENV).ok().filter(|filter| !filter.trim().is_empty());
    env_logger::Builder::new().parse_filters(filter.as_deref().unwrap_or(DEFAULT_FILTER)).init();
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
}
