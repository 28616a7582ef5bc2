//! The log: env_logger, and panics in it.

use std::panic;

use env_logger::Env;

/// Without the servers' own start, and without a line for all that is no HTTP.
const DEFAULT_FILTER: &str = "info,actix_server=warn,actix_http=off";

/// Starts logging to standard error, by RUST_LOG or from `info` up.
pub fn start() {
    env_logger::Builder::from_env(Env::default().default_filter_or(DEFAULT_FILTER)).init();
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
}
