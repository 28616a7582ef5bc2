//! The examples, as a user would run them.

use std::{
    env,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::Instant,
};

use super::service::{PATIENCE, Program};

/// A running example, ended with the test.
pub struct Example {
    pub program: Program,
    pub address: SocketAddr,
}

impl Example {
    /// Cargo builds the examples before it runs the tests, beside the folder of the tests.
    pub fn start(name: &str, folder: &Path, variables: &[(&str, &str)]) -> Self {
        let tests = env::current_exe().unwrap();
        let program = tests.ancestors().nth(2).unwrap().join("examples").join(name);
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(program);
        command.arg(address.to_string()).current_dir(folder).envs(variables.iter().copied());
        let program = Program::run(&mut command);
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "the example does not listen: {}", program.log());
            thread::yield_now();
        }
        Self { program, address }
    }
}
