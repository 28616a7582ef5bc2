//! The service: settings, start, stop. What `gatepass` does when it runs.

mod document;
pub mod healthcheck;
pub mod logging;
pub mod profile;
pub mod server;
pub mod settings;
mod signals;

use std::{fmt::Display, process::ExitCode};

use crate::app::{
    server::StartError,
    settings::{Command, Settings},
};

/// Runs what the command line asks for. Its exit code: 0 for done, 1 for failed, 2 for a wrong setting.
pub fn run() -> ExitCode {
    let (command, settings) = match Settings::from_command_line() {
        Ok(parsed) => parsed,
        Err(exit) => return exit,
    };
    let done = match command {
        Command::Serve => serve(&settings),
        Command::Healthcheck => healthcheck::healthcheck(settings.bind).map_err(|error| fail(1, error)),
    };
    done.err().unwrap_or(ExitCode::SUCCESS)
}

fn serve(settings: &Settings) -> Result<(), ExitCode> {
    logging::start();
    actix_web::rt::System::new().block_on(async {
        let server = profile::server(settings).map_err(|error| match error {
            StartError::InsecureExposure(_) => fail(2, error),
            _ => fail(1, error),
        })?;
        server.announce();
        server.run().await.map_err(|error| fail(1, error))
    })
}

/// Says in one line what went wrong.
fn fail(exit_code: u8, error: impl Display) -> ExitCode {
    eprintln!("gatepass: {error}");
    ExitCode::from(exit_code)
}
