//! The `gatepass` service.

use std::process::ExitCode;

fn main() -> ExitCode {
    gatepass::app::run()
}
