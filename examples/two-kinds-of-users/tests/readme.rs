//! Runs the commands in README.md and compares their output with README.md.

use support::Example;

#[test]
fn readme_commands_print_the_output_in_the_readme() {
    let staff = [
        ("FIRST_STAFF_EMAIL", "alice@example.com"),
        ("FIRST_STAFF_PASSWORD", "harbour tuba peppermint"),
    ];
    let example = Example::start(env!("CARGO_BIN_EXE_two-kinds-of-users"), &staff);
    example.run_file(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    example.run(OTHER_REQUESTS);
}

const OTHER_REQUESTS: &str = r#"
```console
$ stat -c %a app.db
600
$ curl -s -w ' %{http_code}' --json '{"email": "johndoe@example.com ", "password": "glacier violin marmalade"}' http://127.0.0.1:8080/customers
{"detail":"Invalid email address"} 400
$ curl -s -w ' %{http_code}' http://127.0.0.1:8080/staff/customers
{"detail":"Not authenticated"} 401
$ curl -s -w ' %{http_code}' -H "Authorization: Bearer $JOHNDOE" http://127.0.0.1:8080/staff/unknown
{"detail":"Not authenticated"} 401
$ curl -s -w ' %{http_code}' http://127.0.0.1:8080/unknown
{"detail":"Not Found"} 404
```
"#;
