//! examples/own_user.rs, as a user would run it.

use std::{
    env, fs,
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command},
    time::Instant,
};

use crate::support::{
    http::{get, post_form},
    service::PATIENCE,
};

struct Example {
    process: Child,
    address: SocketAddr,
}

impl Example {
    /// Cargo builds the examples before it runs the tests, beside the folder of the tests.
    fn start(name: &str) -> Self {
        let tests = env::current_exe().unwrap();
        let program = tests.ancestors().nth(2).unwrap().join("examples").join(name);
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process =
            Command::new(program).arg(address.to_string()).spawn().expect("cargo built the example");
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "the example does not listen");
            std::thread::yield_now();
        }
        Self { process, address }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn members_of_the_example_sign_in_and_are_greeted() {
    let Example { address, .. } = &Example::start("own_user");
    let reply = post_form("/token", "username=alice@example.com&password=secret2").send(*address);
    assert_eq!(reply.text(), r#"{"access_token":"7","token_type":"bearer"}"#);
    assert_eq!(get("/greeting").bearer("7").send(*address).text(), "Hello, member 7 (alice@example.com)");
    assert_eq!(get("/greeting").bearer("8").send(*address).status, 401);
}

#[test]
fn the_example_is_short_enough_to_copy() {
    let source = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/own_user.rs")).unwrap();
    assert!(source.lines().count() <= 60);
}
