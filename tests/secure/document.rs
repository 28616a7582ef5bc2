//! The OpenAPI document of the secure profile.

use std::process::Command;

use serde_json::{Value, json};

use crate::{
    secure::{Gatepass, Service, get, outcome, request, serve, skip},
    support::python,
};

fn served_document(service: &Service) -> Value {
    let reply = get("/openapi.json").send(service.address);
    assert_eq!(reply.status, 200);
    reply.json()
}

fn printed_document(gatepass: &Gatepass, arguments: &[&str]) -> Value {
    serde_json::from_str(&gatepass.done(&[&["openapi"], arguments].concat())).expect("JSON")
}

#[test]
fn served_document_matches_the_snapshot_and_the_printed_document() {
    let gatepass = Gatepass::on_sqlite();
    let mut document = served_document(&serve(&gatepass, &[]));
    insta::assert_snapshot!("openapi", serde_json::to_string_pretty(&document).unwrap());

    // The printed document has no member `servers`.
    assert_eq!(document.as_object_mut().unwrap().remove("servers"), Some(json!([{ "url": "." }])));
    let printed = printed_document(&gatepass, &["--profile", "secure"]);
    assert_eq!(printed, document);
    let keys = "/.well-known/jwks.json";
    let hs256 = printed_document(&gatepass, &["--profile", "secure", "--algorithm", "HS256"]);
    assert!(printed["paths"].get(keys).is_some() && hs256 == printed, "{hs256}");
    assert_ne!(
        printed_document(&gatepass, &[]),
        printed,
        "the tutorial profile must have a different document"
    );
}

#[test]
fn document_has_no_password_field_if_the_password_grant_is_off() {
    let gatepass = Gatepass::on_sqlite();
    let off = ["--password-grant", "off"];
    let mut document = served_document(&serve(&gatepass, &off));
    document.as_object_mut().unwrap().remove("servers");
    assert_eq!(printed_document(&gatepass, &[&["--profile", "secure"], &off[..]].concat()), document);
    let form = &document["components"]["schemas"]["TokenRequestForm"]["properties"];
    assert_eq!(form["grant_type"]["pattern"], "^(refresh_token|client_credentials)$");
    assert_eq!(form.get("password"), None);
}

#[test]
fn document_is_valid_openapi_3_1() {
    let validator = match python::program("openapi-spec-validator") {
        Ok(validator) => validator,
        Err(why) => return skip(why),
    };
    let gatepass = Gatepass::on_sqlite();
    let document = printed_document(&gatepass, &["--profile", "secure"]);
    let file = gatepass.folder.write("openapi.json", document.to_string());
    let mut command = Command::new(validator);
    command.args(["--schema", "3.1", "--validation-errors", "all", &file]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn every_documented_operation_exists_and_requires_the_documented_scopes() {
    let gatepass = Gatepass::on_sqlite();
    let service = serve(&gatepass, &[]);
    let document = served_document(&service);
    let flow = &document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"];
    let offered: Vec<_> = flow["scopes"].as_object().unwrap().keys().map(String::as_str).collect();
    // No operation requires the scope `other`, so a token can be issued that has none of the required scopes.
    gatepass.add("johndoe", &["--scopes", &format!("{} other", offered.join(" "))]).done();
    let token = |scopes: &[&str]| {
        let scope = scopes.join("+");
        service.token(&format!("username=johndoe&password=johndoe's+own+passphrase&scope={scope}+other"))
    };

    // The snapshot test ensures that the document contains all operations.
    let mut refusals = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_uppercase();
            let name = format!("{method} {path}");
            // `/login` and `/logout` accept requests only from the service's own pages.
            let request = || request(&method, path).header("Sec-Fetch-Site", "same-origin");
            let send = |token: &str| request().bearer(token).send(service.address);
            let anonymous = request().send(service.address).status;
            assert!(![404, 405].contains(&anonymous), "{name}: {anonymous}");
            let Some(security) = operation.get("security").and_then(Value::as_array) else {
                assert!(
                    ![401, 403].contains(&send(&token(&[])).status),
                    "{name} is documented without security, but refused the request"
                );
                continue;
            };
            assert_eq!(anonymous, 401, "{name}");
            // Client credentials or a session cookie may authenticate the request instead of a token.
            let others = [json!({ "RegisteredClient": [] }), json!({ "SessionCookie": [] })];
            let by_token: Vec<_> =
                security.iter().filter(|requirement| !others.contains(requirement)).collect();
            assert_eq!(security.contains(&others[1]), path != "/introspect", "{name}");
            assert_eq!(by_token.len(), 1, "{name}");
            let required = by_token[0]["OAuth2PasswordBearer"].as_array().expect("scopes");
            let required: Vec<_> = required.iter().map(|scope| scope.as_str().unwrap()).collect();
            assert!(required.iter().all(|scope| offered.contains(scope)), "{name}: {required:?}");
            for missing in &required {
                let others: Vec<_> = required.iter().copied().filter(|scope| scope != missing).collect();
                let challenge = format!(
                    r#"Bearer realm="api", error="insufficient_scope", scope="{}""#,
                    required.join(" ")
                );
                let expected = (403, "Not enough permissions".into(), Some(challenge));
                assert_eq!(outcome(&send(&token(&others))), expected, "{name} without {missing}");
                refusals += 1;
            }
            let status = send(&token(&required)).status;
            assert!(![401, 403].contains(&status), "{name} with {required:?}: {status}");
        }
    }
    assert!(refusals > 0, "no operation requires a scope");
}

#[test]
fn configured_scopes_are_in_the_document_and_the_metadata() {
    let (scopes, gatepass) =
        ("todos:read=Read todos; todos:write = Write todos, and delete them", Gatepass::on_sqlite());
    let service = serve(&gatepass, &["--scope", scopes]);
    let document = served_document(&service);
    let flow = &document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"];
    assert_eq!(flow["scopes"]["todos:read"], "Read todos");
    assert_eq!(flow["scopes"]["todos:write"], "Write todos, and delete them");
    let metadata = get("/.well-known/oauth-authorization-server").send(service.address).json();
    assert!(metadata["scopes_supported"].as_array().unwrap().contains(&json!("todos:write")), "{metadata}");
    gatepass
        .run(&["openapi", "--profile", "secure", "--scope", "todos"])
        .fails(2, &["--scope", "SCOPE=DESCRIPTION"]);
}
