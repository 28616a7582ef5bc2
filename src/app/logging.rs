//! The log: env_logger, and panics in it.

use std::panic;

use env_logger::Env;

/// Starts logging to standard error, by RUST_LOG or from `info` up.
pub fn start() {
    env_logger::Builder::from_env(Env::default().default_filter_or("info,actix_server=warn")).init();
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
}
