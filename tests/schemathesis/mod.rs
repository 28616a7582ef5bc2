//! schemathesis reads the OpenAPI document of a running service, sends it what the document allows and what it does not,
//! and holds the answers against it.

use std::{net::SocketAddr, process::Command};

use serde_json::Value;

use crate::support::{
    folder::Folder, http::get, left_out, program::Gatepass, python::Environment, secure_profile,
    service::Program,
};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis");

/// Runs every check on every operation, as johndoe with this password.
fn hold_to_its_document(test: &str, service: SocketAddr, password: &str) {
    static ENVIRONMENT: Environment = Environment::of("schemathesis");
    let schemathesis = match ENVIRONMENT.program("schemathesis") {
        Ok(schemathesis) => schemathesis,
        Err(why) => return left_out(test, &why),
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
        // It leaves examples where it runs.
        .current_dir(folder.path())
        .output()
        .expect("schemathesis starts");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");

    let document = get("/openapi.json").send(service).json();
    let paths = document["paths"].as_object().expect("paths").values();
    let operations: usize = paths.filter_map(Value::as_object).map(|methods| methods.len()).sum();
    assert!(said.contains(&format!("Tested: {operations}\n")), "not every operation was asked: {said}");
}

#[test]
fn the_tutorial_answers_as_its_document_says() {
    let program = Program::start(&["--bind", "127.0.0.1:0", "--workers", "1"], &[]);
    hold_to_its_document("the_tutorial_answers_as_its_document_says", program.address(), "secret");
}

#[test]
fn the_secure_profile_answers_as_its_document_says() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("johndoe", &["--scopes", "me tokens:introspect"]).done();
    let service = secure_profile::serve(&gatepass, &[]);
    let test = "the_secure_profile_answers_as_its_document_says";
    hold_to_its_document(test, service.address, "johndoe's own passphrase");
}
