//! The program: the service and the other commands.

mod audit;
mod cli;
mod commands;
mod connection;
mod core_dump;
mod cors;
mod document;
pub mod failure;
mod healthcheck;
mod logging;
mod metrics;
pub mod ops;
mod pipeline;
pub mod profile;
pub mod server;
pub mod settings;
mod signals;
mod tls;

use std::process::ExitCode;

use crate::app::{
    cli::Command,
    commands::{audit as audit_commands, check, clients, keys, throttle, users},
    failure::Failure,
    settings::Settings,
};

/// Runs the command line. Exit codes: 0 for success, 1 for a failure, 2 for an invalid argument or setting.
pub fn run() -> ExitCode {
    core_dump::disable();
    let command = match cli::parse() {
        Ok(command) => command,
        Err(exit_code) => return exit_code,
    };
    let result = match command {
        Command::Serve(settings) => serve(&settings),
        Command::Users(arguments) => users::run(arguments),
        Command::Clients(arguments) => clients::run(arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Throttle(arguments) => throttle::run(arguments),
        Command::Audit(arguments) => audit_commands::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Openapi(arguments) => document::print(arguments.profile.profile, arguments.api),
        Command::Healthcheck(arguments) => healthcheck::run(&arguments.listen),
    };
    result.map_or_else(Failure::report, |()| ExitCode::SUCCESS)
}

fn serve(settings: &Settings) -> Result<(), Failure> {
    logging::start();
    actix_web::rt::System::new().block_on(async {
        let server = profile::server(settings).await?;
        server.announce();
        Ok(server.run().await?)
    })
}
