//! The service: settings, start, stop. What `gatepass` does when it runs.

pub mod healthcheck;
pub mod logging;
pub mod profile;
pub mod server;
pub mod settings;
mod signals;

use std::{fmt::Display, process::ExitCode};

use crate::app::settings::{Command, Settings};

/// Runs what the command line asks for. Its exit code: 0 for done, 1 for failed, 2 for a wrong setting.
pub fn run() -> ExitCode {
    let (command, settings) = match Settings::from_command_line() {
        Ok(parsed) => parsed,
        Err(exit) => return exit,
    };
    let done = match command {
        Command::Serve => serve(&settings),
        Command::Healthcheck => healthcheck::healthcheck(settings.bind).map_err(complain),
    };
    done.err().unwrap_or(ExitCode::SUCCESS)
}

fn serve(settings: &Settings) -> Result<(), ExitCode> {
    logging::start();
    actix_web::rt::System::new().block_on(async {
        let server = profile::server(settings).map_err(complain)?;
        server.announce();
        server.run().await.map_err(complain)
    })
}

fn complain(error: impl Display) -> ExitCode {
    eprintln!("gatepass: {error}");
    ExitCode::FAILURE
}
