//! The `gatepass` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatepass::app::run()
}
