//! Tests of `gatepass config`, the configuration file, and files with secrets.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    http::get,
    program::{Gatepass, Run},
    service::{Program, gatepass},
};

/// Runs `gatepass config` with these arguments and variables.
fn config(gatepass: &Gatepass, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = gatepass.command(&[&["config"], arguments].concat());
    command.env_remove("GATEPASS_DATABASE_URL").envs(variables.iter().copied());
    Run::from(command.output().unwrap())
}

/// Returns the settings that `gatepass config --json` prints.
fn settings(gatepass: &Gatepass, arguments: &[&str], variables: &[(&str, &str)]) -> Vec<Value> {
    let out = config(gatepass, &[arguments, &["--json"]].concat(), variables).done();
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[track_caller]
fn expect(settings: &[Value], name: &str, value: Value, source: &[(&str, Value)]) {
    let found = settings.iter().find(|setting| setting["setting"] == name).expect("the setting");
    assert_eq!(found["value"], value, "{found}");
    for (member, expected) in source {
        assert_eq!(found[member], *expected, "{found}");
    }
}

#[test]
fn setting_is_read_from_flag_then_variable_then_file_then_default() {
    let gatepass = Gatepass::on_sqlite();
    let file = gatepass.folder.write(
        "gatepass.toml",
        "# A comment\nworkers = 3\nissuer = \"https://file.example.com\"\nrequire_client = true\n\
         login-throttle = false\ncors-origin = [\"https://a.example.com\", \"https://b.example.com\"]\n\
         database-url = \"postgres://gatepass:hush-hush@db/gatepass?sslmode=require\"\nhash-queue = 7\n\
         scope = [\"todos:read=Read todos, all of them\", \"todos:write=Change todos\"]\n",
    );
    let variables = [("GATEPASS_CONFIG", file.as_str()), ("GATEPASS_ISSUER", "https://variable.example.com")];
    let arguments = ["--workers=5", "--hash-queue", "8"];
    let found = settings(&gatepass, &arguments, &variables);
    expect(&found, "workers", json!("5"), &[("source", json!("flag"))]);
    let variable = [("source", json!("environment")), ("variable", json!("GATEPASS_ISSUER"))];
    expect(&found, "issuer", json!("https://variable.example.com"), &variable);
    let in_file = |line: u32| [("source", json!("file")), ("file", json!(file)), ("line", json!(line))];
    expect(&found, "require-client", json!("true"), &in_file(4));
    expect(&found, "login-throttle", json!("off"), &in_file(5));
    expect(&found, "cors-origin", json!("https://a.example.com,https://b.example.com"), &in_file(6));
    let url = "postgres://gatepass:REDACTED@db/gatepass?sslmode=require";
    expect(&found, "database-url", json!(url), &in_file(7));
    expect(&found, "bind", json!("127.0.0.1:8000"), &[("source", json!("default"))]);
    let default = [("source", json!("default")), ("default", json!("one per core"))];
    expect(&found, "hash-threads", Value::Null, &default);

    let scopes = "todos:read=Read todos, all of them;todos:write=Change todos";
    expect(&found, "scope", json!(scopes), &in_file(9));

    let text = config(&gatepass, &arguments, &variables).done();
    assert!(!text.contains("hush") && text.lines().count() == found.len(), "{text}");
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(
        line("workers ").ends_with("--workers") && line("issuer ").ends_with("GATEPASS_ISSUER"),
        "{text}"
    );
    assert!(line("require-client ").ends_with("gatepass.toml line 4") && line("bind ").ends_with("default"));
}

#[test]
fn service_and_commands_use_the_configuration_file() {
    let gatepass = Gatepass::on_sqlite();
    let content = format!("bind = \"127.0.0.1:0\"\nworkers = 1\ndatabase-url = \"{}\"\n", gatepass.url);
    let file = gatepass.folder.write("gatepass.toml", content);
    let mut command = self::gatepass(&["serve", "--config", &file], &[]);
    let program = Program::run(command.current_dir(gatepass.folder.path()));
    assert_eq!(get("/users/me").bearer("johndoe").send(program.address()).status, 200);
    // Commands ignore those settings in the file that they do not use.
    let mut command = self::gatepass(&["users", "list", "--config", &file], &[]);
    Run::from(command.output().unwrap()).fails(1, &["gatepass.db does not exist"]);
    gatepass.add("johndoe", &[]).done();
    assert!(Run::from(command.output().unwrap()).done().contains("johndoe"));
    let mut command = self::gatepass(&["users", "show", "--config", &file, "--", "johndoe"], &[]);
    assert!(Run::from(command.output().unwrap()).done().contains("johndoe"));
}

#[test]
fn error_in_the_configuration_file_names_file_line_and_key() {
    let gatepass = Gatepass::on_sqlite();
    let file = gatepass.folder.file("gatepass.toml");
    for (content, words) in [
        (
            "bind = \"127.0.0.1:0\"\nisuer = \"x\"",
            &["line 2", "unknown setting \"isuer\"", "did you mean \"issuer\"?"][..],
        ),
        ("config = \"other.toml\"", &["line 1", "unknown setting \"config\""]),
        ("\nworkers = \"4\"", &["line 2", "\"workers\" must be a whole number"]),
        ("workers = 4.5", &["line 1", "\"workers\" must be a whole number"]),
        ("workers = 0", &["line 1", "'0'", "--workers"]),
        ("audit-log = true", &["line 1", "\"audit-log\" must be a string"]),
        ("require-client = \"yes\"", &["line 1", "\"require-client\" must be true or false"]),
        ("cors-origin = [1]", &["line 1", "array of strings"]),
        ("[server]\nbind = \"x\"", &["line 1", "unknown setting \"server\""]),
        ("bind = \"a\"\nbind = \"b\"", &["line 2", "duplicate key"]),
        ("keys-dir = \"a\"\nkeys_dir = \"b\"", &["line 2", "\"keys-dir\" is set twice"]),
        ("bind = \"127.0.0.1:0\"\nbind", &["line 2"]),
        (&"#".repeat(70_000), &["larger than 65536 bytes"]),
    ] {
        fs::write(&file, content).unwrap();
        let words = [&["gatepass.toml", "gatepass config --help"], words].concat();
        config(&gatepass, &["--config", &file], &[]).fails(2, &words);
    }
    config(&gatepass, &["--config", "missing.toml"], &[])
        .fails(2, &["cannot read missing.toml", "No such file"]);
}

#[test]
fn secret_is_read_from_the_file_that_a_variable_names() {
    let gatepass = Gatepass::on_sqlite();
    let path = gatepass.folder.write("url", format!("{}\n", gatepass.url));
    gatepass.add("johndoe", &[]).done();
    let mut command = gatepass.command(&["users", "list"]);
    command.env_remove("GATEPASS_DATABASE_URL").env("GATEPASS_DATABASE_URL_FILE", &path);
    assert!(Run::from(command.output().unwrap()).done().contains("johndoe"));

    let variables = [("GATEPASS_DATABASE_URL_FILE", path.as_str())];
    let source = [("variable", json!("GATEPASS_DATABASE_URL_FILE")), ("file", json!(path))];
    expect(&settings(&gatepass, &[], &variables), "database-url", json!(gatepass.url), &source);
    let flag = settings(&gatepass, &["--database-url=sqlite:flag.db"], &variables);
    expect(&flag, "database-url", json!("sqlite:flag.db"), &[("source", json!("flag"))]);

    let both = [variables[0], ("GATEPASS_DATABASE_URL", "sqlite:x.db")];
    let names = ["GATEPASS_DATABASE_URL and GATEPASS_DATABASE_URL_FILE are both set"];
    config(&gatepass, &[], &both).fails(2, &names);
    config(&gatepass, &[], &[variables[0], ("GATEPASS_DATABASE_URL", "")]).done();
    config(&gatepass, &[], &[("GATEPASS_DATABASE_URL_FILE", "")]).done();
    for (content, words) in [("", "must contain one line"), ("a\nb\n", "must contain one line")] {
        fs::write(&path, content).unwrap();
        config(&gatepass, &[], &variables).fails(2, &[&path, "GATEPASS_DATABASE_URL_FILE", words]);
    }
    let missing = [("GATEPASS_DATABASE_URL_FILE", "/run/secrets/missing")];
    config(&gatepass, &[], &missing)
        .fails(2, &["/run/secrets/missing (GATEPASS_DATABASE_URL_FILE): No such file"]);
    config(&gatepass, &[], &[("GATEPASS_DATABASE_URL_FILE", "'x'")])
        .fails(2, &["GATEPASS_DATABASE_URL_FILE has quotes"]);
}

#[test]
fn unknown_variables_are_logged_with_a_suggestion_at_startup() {
    let variables = [
        ("GATEPASS_WORKER", "1"),
        ("GATEPASS_KEYS_DIR_FILE", "x"),
        ("GATEPASS_BIND", "127.0.0.1:0"),
        ("GATEPASS_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("GATEPASS_SERVICE_HOST", "10.0.0.1"),
    ];
    let program = Program::start(&["serve"], &variables);
    program.wait_for("listening on");
    program.wait_for(
        "ignoring the unknown environment variable GATEPASS_WORKER; did you mean GATEPASS_WORKERS?",
    );
    program.wait_for("GATEPASS_KEYS_DIR_FILE; did you mean GATEPASS_KEYS_DIR?");
    assert_eq!(program.end().matches("ignoring").count(), 2);
    for command in ["config", "check"] {
        let run = Run::from(gatepass(&[command], &[variables[0]]).output().unwrap());
        assert!(run.err.starts_with("gatepass: warning: ignoring the unknown"), "{run:?}");
    }
}
