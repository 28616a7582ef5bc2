//! Runs the commands in README.md and compares their output with README.md.

use support::Example;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

#[test]
fn readme_commands_print_the_output_in_the_readme() {
    let example = Example::start(
        env!("CARGO_BIN_EXE_sqlx-sqlite-example"),
        &[("FRONTEND", "https://app.example.com")],
    );
    example.run_file(README);
    example.run(OTHER_REQUESTS);
}

const OTHER_REQUESTS: &str = r#"
```console
$ curl -s -w ' %{http_code}' --json '{"email": " alice@example.com", "full_name": "Alice", "password": "glacier violin marmalade"}' http://127.0.0.1:8080/api/v1/users
{"detail":"Invalid name or email address"} 400
$ curl -s -w ' %{http_code}' --json "{\"email\": \"a@$(printf %01023d 1)\", \"full_name\": \"Alice\", \"password\": \"glacier violin marmalade\"}" http://127.0.0.1:8080/api/v1/users
{"detail":"Json deserialize error: …"} 400
$ curl -s http://127.0.0.1:8080/api/v1/openapi.json | jq -c '.components.securitySchemes.OAuth2PasswordBearer.flows.password, .servers, (.paths | keys)'
{"tokenUrl":"token","scopes":{"me":"Read your account","users:read":"Read all accounts"}}
[{"url":"."}]
["/.well-known/jwks.json","/token","/users","/users/me"]
$ curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/api/v1/docs
200
$ curl -s -w ' %{http_code}' http://127.0.0.1:8080/api/v1/users/me
{"detail":"Not authenticated"} 401
$ curl -s -w ' %{http_code}' --json '{"email": "alice@example.com", "full_name": "Alice", "password": "short"}' http://127.0.0.1:8080/api/v1/users
{"detail":[{…}],"error":"invalid_request",…} 400
$ curl -s -w ' %{http_code}' --json '{"email": "alice", "full_name": "Alice", "password": "glacier violin marmalade"}' http://127.0.0.1:8080/api/v1/users
{"detail":"Invalid name or email address"} 400
$ curl -s -o /dev/null -w '%{http_code}' --json '{"email": "johndoe@example.com", "full_name": "J", "password": "glacier violin marmalade"}' http://127.0.0.1:8080/api/v1/users
409
$ curl -s -D - -o /dev/null -X OPTIONS -H 'Origin: https://app.example.com' -H 'Access-Control-Request-Method: GET' -H 'Access-Control-Request-Headers: authorization' http://127.0.0.1:8080/api/v1/users/me | grep -i allow-origin
access-control-allow-origin: https://app.example.com
$ curl -s -D - -o /dev/null -X OPTIONS -H 'Origin: http://localhost:5173' -H 'Access-Control-Request-Method: GET' http://127.0.0.1:8080/api/v1/users/me | grep -c -i allow-origin
0
$ stat -c %a app.db
600
$ curl -s -d username=johndoe@example.com -d 'password=glacier violin marmalade' http://127.0.0.1:8080/api/v1/token
{"detail":"Inactive user","error":"invalid_grant",…}
```
"#;
