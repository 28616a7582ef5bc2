//! schemathesis generates valid and invalid requests from the OpenAPI document of a running service, and checks that
//! the responses match the document.

use std::{net::SocketAddr, process::Command};

use serde_json::Value;

use crate::support::{
    folder::Folder, http::get, program::Gatepass, python::Environment, secure_profile, service::Program, skip,
};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis");

/// Runs schemathesis on every operation, as johndoe with this password.
fn check_responses(service: SocketAddr, password: &str) {
    static ENVIRONMENT: Environment = Environment::of("schemathesis");
    let schemathesis = match ENVIRONMENT.program("schemathesis") {
        Ok(schemathesis) => schemathesis,
        Err(why) => return skip(why),
    };
    let folder = Folder::create();
    let url = format!("http://{service}");
    let output = Command::new(schemathesis)
        .args(["--config-file", &format!("{HERE}/schemathesis.toml"), "run", "--no-color"])
        .args(["--continue-on-failure", &format!("{url}/openapi.json")])
        .env("SCHEMATHESIS_HOOKS", format!("{HERE}/hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("GATEPASS_TEST_URL", url)
        .env("GATEPASS_TEST_USERNAME", "johndoe")
        .env("GATEPASS_TEST_PASSWORD", password)
        // schemathesis writes examples to its working directory.
        .current_dir(folder.path())
        .output()
        .expect("schemathesis starts");
    let printed =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{printed}");

    let document = get("/openapi.json").send(service).json();
    let paths = document["paths"].as_object().expect("paths").values();
    let operations: usize = paths.filter_map(Value::as_object).map(|methods| methods.len()).sum();
    assert!(
        printed.contains(&format!("Tested: {operations}\n")),
        "not every operation was tested: {printed}"
    );
}

#[test]
fn responses_of_the_tutorial_profile_match_its_document() {
    let program = Program::start(&["--bind", "127.0.0.1:0", "--workers", "1"], &[]);
    check_responses(program.address(), "secret");
}

#[test]
fn responses_of_the_secure_profile_match_its_document() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("johndoe", &["--scopes", "me tokens:introspect"]).done();
    let service = secure_profile::serve(&gatepass, &[]);
    check_responses(service.address, "johndoe's own passphrase");
}
