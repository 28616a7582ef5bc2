//! Runs the commands of each chapter in README.md and compares their output with README.md.

use support::Example;

fn run_section(title: &str, program: &str) {
    let readme = include_str!("../README.md");
    let section = readme
        .split("\n## ")
        .find(|section| section.starts_with(title));
    let secret = [(
        "SECRET_KEY",
        "not a secret, only for the tests of this example",
    )];
    let example = Example::start(program, &secret);
    example.run(section.expect("a section"));
    example.run(DOCUMENT);
}

const DOCUMENT: &str = r#"
```console
$ curl -s http://127.0.0.1:8080/openapi.json | jq -c '.components.securitySchemes.OAuth2PasswordBearer.flows.password.tokenUrl, .paths["/token"].post.operationId'
"token"
"sign_in"
$ curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/docs
200
```
"#;

#[test]
fn chapter_003_prints_the_output_in_the_readme() {
    run_section("Chapter 003", env!("CARGO_BIN_EXE_tutorial003"));
}

#[test]
fn chapter_004_prints_the_output_in_the_readme() {
    run_section("Chapter 004", env!("CARGO_BIN_EXE_tutorial004"));
}

#[test]
fn chapter_005_prints_the_output_in_the_readme() {
    run_section("Chapter 005", env!("CARGO_BIN_EXE_tutorial005"));
}

#[test]
fn chapters_have_no_more_lines_than_in_fastapi() {
    let code = |source: &str| {
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        source.lines().filter(is_code).count()
    };
    assert!(code(include_str!("../src/bin/tutorial003.rs")) <= 68);
    assert!(code(include_str!("../src/bin/tutorial004.rs")) <= 111);
    assert!(code(include_str!("../src/bin/tutorial005.rs")) <= 141);
}
