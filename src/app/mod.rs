//! The program: the service and the other commands.

mod audit;
mod cli;
mod commands;
mod connection;
mod core_dump;
mod cors;
mod document;
pub mod failure;
mod file_modes;
mod healthcheck;
mod logging;
mod memory;
mod metrics;
pub mod ops;
mod pages;
mod pipeline;
pub mod profile;
pub mod server;
pub mod settings;
mod signals;
mod sources;
mod tls;

use std::process::ExitCode;

pub use crate::app::cli::command_line;
use crate::app::{
    cli::Command,
    commands::{audit as audit_commands, check, clients, config, generated, keys, sessions, throttle, users},
    failure::Failure,
    logging::LogFormat,
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
        Command::Sessions(arguments) => sessions::run(arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Throttle(arguments) => throttle::run(arguments),
        Command::Audit(arguments) => audit_commands::run(arguments),
        Command::Check(arguments) => {
            print_warnings();
            check::run(&arguments)
        }
        Command::Config(arguments) => {
            print_warnings();
            config::run(&arguments)
        }
        Command::Openapi(arguments) => document::print(arguments.profile.profile, arguments.api),
        Command::Healthcheck(listen) => healthcheck::run(&listen),
        Command::Completions(arguments) => generated::completions(&arguments),
        Command::Man(arguments) => generated::man(&arguments),
    };
    result.map_or_else(Failure::report, |()| ExitCode::SUCCESS)
}

/// Prints the warnings about environment variables that `serve` logs.
fn print_warnings() {
    cli::unknown_variables().iter().for_each(|warning| eprintln!("gatepass: warning: {warning}"));
}

fn serve(settings: &Settings) -> Result<(), Failure> {
    let format = settings.operations.log_format;
    logging::start(format);
    cli::unknown_variables().iter().for_each(|warning| log::warn!("{warning}"));
    let result = actix_web::rt::System::new().block_on(async {
        let server = profile::server(settings).await?;
        log::info!("gatepass {} with {}", env!("CARGO_PKG_VERSION"), settings.describe());
        file_modes::warnings(settings).iter().for_each(|warning| log::warn!("{warning}"));
        server.announce();
        let _memory = memory::return_free_memory();
        Ok(server.run().await?)
    });
    match format {
        LogFormat::Json => result.map_err(Failure::logged),
        LogFormat::Text => result,
    }
}
