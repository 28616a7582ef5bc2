//! Tokens signed by PyJWT. The module `interop` verifies the tokens of Gatepass with PyJWT.

use std::process::Command;

use gatepass::{ClientId, GrantedScopes, jwt::SigningAlgorithm};
use serde_json::{Value, json};

use crate::{
    support::{forge::key_files, python, skip},
    tokens::service::{ISSUER, Tokens, now, verify},
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tokens/pyjwt.py");

/// Returns the output of the script, or `None`, which skips the test, if Python is missing.
fn run_script(request: &Value) -> Option<Value> {
    let python = python::program("python").inspect_err(|why| skip(why)).ok()?;
    let output = Command::new(python).arg(SCRIPT).arg(request.to_string()).output().expect("the script runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn token_signed_by_pyjwt_is_accepted() {
    for (algorithm, alg, extension) in
        [(SigningAlgorithm::EdDsa, "EdDSA", "pem"), (SigningAlgorithm::Hs256, "HS256", "hs256")]
    {
        let tokens = Tokens::open(algorithm, now());
        let (name, key) = key_files(&tokens.keys_dir, extension).remove(0);
        let now = now();
        let claims = json!({
            "iss": ISSUER, "sub": "1", "aud": ISSUER, "exp": now.as_unix() + 60, "iat": now.as_unix(), "jti": "x",
            "scope": "me items:read", "client_id": "web", "user_kind": "Member",
        });
        let kid = name.split_once('-').unwrap().1;
        let request = json!({ "alg": alg, "key": key, "kid": kid, "claims": claims });
        let Some(output) = run_script(&request) else { return };
        let claims = verify(&tokens.tokens, output["token"].as_str().unwrap(), now).expect("a genuine token");
        assert_eq!(claims.granted_scopes, GrantedScopes::Only("me items:read".parse().unwrap()));
        assert_eq!(claims.client_id, Some(ClientId::new("web").unwrap()));
    }
}
