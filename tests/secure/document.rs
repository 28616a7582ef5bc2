//! The OpenAPI document of the secure profile.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    http::{get, request},
    left_out,
    program::Gatepass,
    python,
    secure_profile::{Service, outcome, serve},
};

fn served(service: &Service) -> Value {
    let reply = get("/openapi.json").send(service.address);
    assert_eq!(reply.status, 200);
    reply.json()
}

/// The scopes of a security requirement.
fn scopes(requirement: &Value) -> Vec<&str> {
    let scopes = requirement["OAuth2PasswordBearer"].as_array().expect("the scheme's scopes");
    scopes.iter().map(|scope| scope.as_str().unwrap()).collect()
}

#[test]
fn the_document_is_the_one_on_record_and_the_one_that_is_printed() {
    let gatepass = Gatepass::on_sqlite();
    let mut document = served(&serve(&gatepass, &[]));
    insta::assert_snapshot!("openapi", serde_json::to_string_pretty(&document).unwrap());

    let printed: Value = serde_json::from_str(&gatepass.done(&["openapi", "--profile", "secure"])).unwrap();
    assert_eq!(printed.get("servers"), None, "who prints it knows where it will be");
    assert_eq!(
        document.as_object_mut().unwrap().remove("servers"),
        Some(serde_json::json!([{ "url": "." }]))
    );
    assert_eq!(printed, document);
    let keys = "/.well-known/jwks.json";
    let hs256 = &["openapi", "--profile", "secure", "--algorithm", "HS256"];
    let hs256: Value = serde_json::from_str(&gatepass.done(hs256)).unwrap();
    assert!(printed["paths"].get(keys).is_some() && hs256["paths"].get(keys).is_none(), "{hs256}");
    let tutorial: Value = serde_json::from_str(&gatepass.done(&["openapi"])).unwrap();
    assert_ne!(tutorial, printed, "the tutorial's is another");
}

#[test]
fn printed_document_with_the_password_grant_off_is_the_served_one() {
    let gatepass = Gatepass::on_sqlite();
    let off = ["--password-grant", "off"];
    let mut document = served(&serve(&gatepass, &off));
    document.as_object_mut().unwrap().remove("servers");
    let printed = gatepass.done(&[&["openapi", "--profile", "secure"], &off[..]].concat());
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), document);
    let form = &document["components"]["schemas"]["TokenRequestForm"]["properties"];
    assert_eq!(
        (form["grant_type"]["pattern"].as_str(), &form["password"]),
        (Some("^(refresh_token)$"), &Value::Null)
    );
}

#[test]
fn the_document_is_valid_openapi_3_1() {
    let validator = match python::program("openapi-spec-validator") {
        Ok(validator) => validator,
        Err(why) => return left_out("the_document_is_valid_openapi_3_1", &why),
    };
    let gatepass = Gatepass::on_sqlite();
    let document = gatepass.folder.write("openapi.json", served(&serve(&gatepass, &[])).to_string());
    let mut command = Command::new(validator);
    command.args(["--schema", "3.1", "--validation-errors", "all", &document]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn every_path_of_the_document_is_there() {
    let gatepass = Gatepass::on_sqlite();
    let service = serve(&gatepass, &[]);
    let document = served(&service);
    let mut described = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            let status = request(&method, path).send(service.address).status;
            assert!(![404, 405].contains(&status), "{method} {path} is described and not there");
            described.push(format!("{method} {path}"));
        }
    }
    described.sort();
    let expected = [
        "DELETE /users/me/sessions",
        "DELETE /users/me/sessions/{id}",
        "GET /.well-known/jwks.json",
        "GET /.well-known/oauth-authorization-server",
        "GET /users/me",
        "GET /users/me/sessions",
        "POST /introspect",
        "POST /revoke",
        "POST /token",
        "PUT /users/me/password",
    ];
    assert_eq!(described, expected);
}

/// The document says which scopes an operation needs, and its handler's type does: that they say the same is seen
/// from outside.
#[test]
fn the_scopes_in_the_document_are_those_that_are_asked_for() {
    Gatepass::on_both("the_scopes_in_the_document_are_those_that_are_asked_for", |gatepass| {
        let service = serve(gatepass, &[]);
        let document = served(&service);
        let flow = &document["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"];
        let offered: Vec<_> = flow["scopes"].as_object().unwrap().keys().map(String::as_str).collect();
        // `other` is what no operation needs: a token can be issued that has nothing of what one does.
        let every = format!("{} other", offered.join(" "));
        gatepass.add("johndoe", &["--scopes", &every]).done();
        let token = |scopes: &[&str]| {
            let scope = scopes.join("+");
            service.token(&format!("username=johndoe&password=johndoe's+own+passphrase&scope={scope}+other"))
        };

        let mut seen = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let ask =
                    |token: &str| request(&method.to_uppercase(), path).bearer(token).send(service.address);
                let Some(security) = operation.get("security").and_then(Value::as_array) else {
                    let status = ask(&token(&[])).status;
                    assert!(![401, 403].contains(&status), "{method} {path} needs no token by its document");
                    continue;
                };
                // A client may prove itself in the form instead: then it is no way of this document.
                let by_token: Vec<_> = security.iter().filter(|way| **way != json!({})).collect();
                assert_eq!(by_token.len(), 1, "{method} {path}: one way to be let in by a token");
                let needed = scopes(by_token[0]);
                assert!(needed.iter().all(|scope| offered.contains(scope)), "{needed:?} can be ticked");
                for missing in &needed {
                    let others: Vec<_> = needed.iter().copied().filter(|scope| scope != missing).collect();
                    let challenge =
                        format!(r#"Bearer error="insufficient_scope", scope="{}""#, needed.join(" "));
                    let expected = (403, "Not enough permissions".into(), Some(challenge));
                    assert_eq!(outcome(&ask(&token(&others))), expected, "{method} {path} without {missing}");
                    seen += 1;
                }
                let status = ask(&token(&needed)).status;
                assert!(![401, 403].contains(&status), "{method} {path} with {needed:?}: {status}");
                let anonymous = request(&method.to_uppercase(), path).send(service.address);
                assert_eq!(anonymous.status, 401, "{method} {path} without a token");
            }
        }
        assert!(seen > 0, "no operation needs a scope");
    });
}
