//! Tests the OpenAPI document with a validator and with a client generator.

use std::{env, path::PathBuf, process::Command};

use crate::support::{folder::Folder, http::get, python, service::tutorial, skip};

/// Writes the OpenAPI document to a new folder. Returns `None`, which skips the test, if Python is missing.
fn document() -> Option<(Folder, String)> {
    python::program("python").inspect_err(|why| skip(why)).ok()?;
    let folder = Folder::create();
    let document = folder.write("openapi.json", get("/openapi.json").send(tutorial()).body);
    Some((folder, document))
}

/// Returns a command for a program in the Python virtual environment, with the environment's programs first in `PATH`.
fn program(name: &str) -> Command {
    let program = python::program(name).unwrap();
    let others = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let path = env::join_paths(program.parent().map(PathBuf::from).into_iter().chain(others)).unwrap();
    let mut command = Command::new(program);
    command.env("PATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Runs a command, which must succeed, and returns its output.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let output_text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {output_text}");
    output_text
}

#[test]
fn openapi_document_is_valid_openapi_3_1() {
    let Some((_folder, document)) = document() else { return };
    run(program("openapi-spec-validator")
        .args(["--schema", "3.1", "--validation-errors", "all"])
        .arg(document));
}

#[test]
fn client_generated_from_the_openapi_document_can_sign_in() {
    let Some((folder, document)) = document() else {
        return;
    };
    let output_text = run(program("openapi-python-client")
        .args(["generate", "--meta", "none", "--fail-on-warning", "--path"])
        .arg(document)
        .arg("--output-path")
        .arg(folder.file("gatepass_client")));
    assert!(!output_text.to_lowercase().contains("warning"), "{output_text}");
    run(program("python")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fastapi/generated_client.py"))
        .arg(folder.path())
        .arg(format!("http://{}", tutorial())));
}
