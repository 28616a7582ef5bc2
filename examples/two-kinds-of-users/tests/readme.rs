//! The commands of README.md print what README.md shows.

use support::Example;

#[test]
fn commands_of_the_readme_print_what_it_shows() {
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
{"detail":"Not an email address"} 400
$ curl -s -w ' %{http_code}' http://127.0.0.1:8080/staff/customers
{"detail":"Not authenticated"} 401
$ curl -s -w ' %{http_code}' -H "Authorization: Bearer $JOHNDOE" http://127.0.0.1:8080/staff/unknown
{"detail":"Not authenticated"} 401
$ curl -s -w ' %{http_code}' http://127.0.0.1:8080/unknown
{"detail":"Not Found"} 404
```
"#;
