//! The service: settings, start, stop. What `gatepass` does when it runs.

mod audit;
pub mod commands;
mod connection;
mod core_dump;
pub mod cors;
mod document;
pub mod failure;
pub mod healthcheck;
pub mod logging;
mod metrics;
pub mod ops;
mod optional;
mod outermost;
pub mod profile;
pub mod server;
pub mod settings;
mod signals;
mod tick;
pub mod tls;

use std::process::ExitCode;

use crate::app::{
    commands::{audit as audit_commands, check, clients, keys, users},
    failure::Failure,
    settings::{Command, Settings},
};

/// Runs what the command line asks for. Its exit code: 0 for done, 1 for failed, 2 for a wrong setting.
pub fn run() -> ExitCode {
    core_dump::forbid();
    let (command, settings) = match Settings::from_command_line() {
        Ok(parsed) => parsed,
        Err(exit) => return exit,
    };
    let done = match command {
        Command::Serve => serve(&settings),
        Command::Healthcheck => healthcheck::healthcheck(&settings),
        Command::Users(command) => users::run(command, &settings),
        Command::Clients(command) => clients::run(command, &settings),
        Command::Keys(arguments) => keys::run(&arguments, &settings),
        Command::Audit(command) => audit_commands::run(command, &settings),
        Command::Check { json } => check::run(json, &settings),
        Command::Openapi => document::print(&settings),
    };
    done.map_or_else(Failure::report, |()| ExitCode::SUCCESS)
}

fn serve(settings: &Settings) -> Result<(), Failure> {
    logging::start();
    actix_web::rt::System::new().block_on(async {
        let server = profile::server(settings).await?;
        server.announce();
        Ok(server.run().await?)
    })
}
