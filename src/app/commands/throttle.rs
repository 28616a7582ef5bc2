//! `gatepass throttle`: resets login throttling.

use std::net::IpAddr;

use clap::{Args, Subcommand};

use crate::{
    adapters::sql::SqlFailedAttempts,
    app::{
        audit::operator,
        commands::{
            Missing,
            output::{escaped, print},
            with_database,
        },
        failure::Failure,
        settings::DatabaseLocation,
    },
};

/// The arguments of `gatepass throttle`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ThrottleArguments {
    #[command(flatten)]
    database: DatabaseLocation,
    #[command(subcommand)]
    command: ThrottleCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum ThrottleCommand {
    /// Remove the failed attempts for a user, client or address, so that the next attempt does not have to wait
    Clear {
        /// Username, client ID or IP address
        target: String,
    },
}

pub(crate) fn run(ThrottleArguments { database, command }: ThrottleArguments) -> Result<(), Failure> {
    let ThrottleCommand::Clear { target } = command;
    with_database(&database, Missing::Fail, async |database| {
        let (attempts, operator) = (SqlFailedAttempts::new(database.clone()), operator());
        let cleared = match target.parse::<IpAddr>() {
            Ok(address) => attempts.clear_address(address, &operator).await?,
            Err(_) => attempts.clear_account(&target, &operator).await?,
        };
        let target = escaped(&target);
        print(if cleared {
            format!("removed the failed attempts for {target}")
        } else {
            format!("{target} has no failed attempts")
        })
    })
}
