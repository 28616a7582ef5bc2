//! Runs the commands in README.md and compares their output with README.md.

use support::{Example, new_postgres};

#[test]
fn readme_commands_print_the_output_in_the_readme() {
    let Some(database) = new_postgres() else {
        return;
    };
    let variables = [
        ("DATABASE_URL", &*database.url),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let example = Example::start(env!("CARGO_BIN_EXE_sea-orm-example"), &variables);
    example.run_file(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    example.run(OTHER_REQUESTS);
    // The schema `public` contains only the table `users`, because Gatepass's tables are in a schema of their own.
    assert_eq!(
        database.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
        "1"
    );
}

const OTHER_REQUESTS: &str = r#"
```console
$ curl -s -H 'X-Forwarded-For: 203.0.113.7' -d username=johndoe@example.com -d 'password=glacier violin marmalade' http://127.0.0.1:8080/token | jq -r .access_token > forwarded
$ curl -s -H "Authorization: Bearer $(cat forwarded)" http://127.0.0.1:8080/users/me/sessions | jq -c 'map(select(.current).address)'
["203.0.113.7"]
$ curl -s -w ' %{http_code}' --json '{"email": " alice@example.com", "full_name": "Alice", "password": "glacier violin marmalade"}' http://127.0.0.1:8080/users
{"detail":"Invalid name or email address"} 400
$ curl -s -w ' %{http_code}' --json "{\"email\": \"a@$(printf %01023d 1)\", \"full_name\": \"Alice\", \"password\": \"glacier violin marmalade\"}" http://127.0.0.1:8080/users
{"detail":"Json deserialize error: …"} 400
$ curl -s -w ' %{http_code}' --json '{"email": "JohnDoe@example.com", "full_name": "J", "password": "glacier violin marmalade"}' http://127.0.0.1:8080/users
{"detail":"The address is taken"} 409
$ psql "$DATABASE_URL" -c "UPDATE users SET roles = '{admin}' WHERE email = 'johndoe@example.com'"
UPDATE 1
$ TOKEN=$(curl -s -d username=JohnDoe@Example.com -d 'password=glacier violin marmalade' http://127.0.0.1:8080/token | jq -r .access_token)
$ curl -s -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/users
[{"id":1,"email":"johndoe@example.com","full_name":"John Doe","is_active":true,"roles":["admin"]}]
$ curl -s -X DELETE -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/users/me/sessions
204
$ curl -s -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/users
{"detail":"Could not validate credentials"}
```
"#;
