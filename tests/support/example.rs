//! The programs in `examples/`, started as a user would start them.

use std::{env, net::SocketAddr, path::Path, process::Command};

use super::{secure_profile::free_address, service::Program};

/// A running example, killed on drop.
pub struct Example {
    _program: Program,
    pub address: SocketAddr,
}

impl Example {
    /// Starts an example that has been built. `cargo test` builds the examples, but `cargo test --test …` does not.
    pub fn start(name: &str, folder: &Path, variables: &[(&str, &str)]) -> Self {
        let tests = env::current_exe().unwrap();
        let program = tests.ancestors().nth(2).unwrap().join("examples").join(name);
        let address = free_address();
        let mut command = Command::new(program);
        command.env("BIND", address.to_string()).current_dir(folder).envs(variables.iter().copied());
        let mut program = Program::run(&mut command);
        program.wait_until_listening(address);
        Self { _program: program, address }
    }
}
