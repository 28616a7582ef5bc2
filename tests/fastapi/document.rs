//! The OpenAPI document as others read it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{http::get, left_out, python, service::tutorial};

/// The document of the running service, in a folder that is the test's own; none where `test` is left out.
fn document(test: &str) -> Option<(PathBuf, PathBuf)> {
    if let Err(why) = python::program("python") {
        left_out(test, &format!("there is no Python to read the document: {why}"));
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let document = folder.join("openapi.json");
    fs::write(&document, get("/openapi.json").send(tutorial()).body).unwrap();
    Some((folder, document))
}

/// A program of the environment, which finds the others there too.
fn program(name: &str) -> Command {
    let program = python::program(name).unwrap();
    let others = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let path = env::join_paths(program.parent().map(PathBuf::from).into_iter().chain(others)).unwrap();
    let mut command = Command::new(program);
    command.env("PATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What the program says, once it has succeeded.
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

#[test]
fn the_document_is_valid_openapi_3_1() {
    let Some((_, document)) = document("the_document_is_valid_openapi_3_1") else { return };
    succeed(
        program("openapi-spec-validator")
            .args(["--schema", "3.1", "--validation-errors", "all"])
            .arg(document),
    );
}

#[test]
fn a_client_that_is_generated_from_the_document_signs_in() {
    let Some((folder, document)) = document("a_client_that_is_generated_from_the_document_signs_in") else {
        return;
    };
    let said = succeed(
        program("openapi-python-client")
            .args(["generate", "--meta", "none", "--fail-on-warning", "--path"])
            .arg(document)
            .arg("--output-path")
            .arg(folder.join("gatepass_client")),
    );
    assert!(!said.to_lowercase().contains("warning"), "{said}");
    succeed(
        program("python")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fastapi/generated_client.py"))
            .arg(folder)
            .arg(format!("http://{}", tutorial())),
    );
}
