//! Environment variables with an empty, quoted or padded value, which Compose files and env files often set.

use crate::support::{program::Gatepass, service::gatepass};

/// Returns the names of the environment variables of all options of `serve`.
fn variables() -> Vec<String> {
    let help = gatepass(&["serve", "--help"], &[]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let names = help.split("[env: ").skip(1).map(|rest| rest.split(['=', ']']).next().unwrap().to_owned());
    names.collect()
}

#[test]
fn empty_variables_are_treated_as_unset_by_all_options() {
    let names = variables();
    assert!(names.len() > 40, "{names:?}");
    let mut all = gatepass(&["openapi"], &[]);
    all.envs(names.iter().map(|name| (name, "")));
    let output = all.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut service = gatepass(&["serve", "--bind", "127.0.0.1:0"], &[]);
    service.envs(names.iter().map(|name| (name, "")));
    crate::support::service::Program::run(&mut service).address();
}

#[test]
fn error_for_a_quoted_or_padded_value_names_the_variable() {
    let gatepass = Gatepass::on_sqlite();
    for value in
        ["\"sqlite:gatepass.db\"", "'sqlite:gatepass.db'", "sqlite:gatepass.db\r", " sqlite:gatepass.db"]
    {
        let output =
            gatepass.command(&["users", "list"]).env("GATEPASS_DATABASE_URL", value).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{value:?}: {error}");
        assert!(
            error.contains("GATEPASS_DATABASE_URL has quotes or white space around its value"),
            "{error}"
        );
    }
    assert_eq!(gatepass.folder.path().read_dir().unwrap().count(), 0, "expected no new file");
}
