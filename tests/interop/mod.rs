//! JWT libraries of other languages verify our tokens of each algorithm: docs/INTEROP.md.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use gatepass::jwt::SigningAlgorithm;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    support::{
        forge::{base64url, key_files, part, with},
        node, python, skip,
    },
    tokens::service::{ISSUER, Tokens, now, serve, sign_in},
};

/// The result of a library.
#[derive(Debug, Deserialize)]
struct Outcome {
    version: String,
    sub: Option<String>,
    error: Option<String>,
}

/// The libraries that have no EdDSA.
const WITHOUT_EDDSA: [&str; 2] = ["python-jose", "jsonwebtoken and jwks-rsa"];

/// A signed token, the same with another payload, and the keys.
fn request(tokens: &Tokens, algorithm: SigningAlgorithm) -> Value {
    let address = serve(&tokens.tokens);
    let token = sign_in(address);
    let [header, _, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let payload = base64url(with(&part(&token, 1), "sub", json!("2")).to_string());
    let mut request = json!({
        "alg": algorithm.name(), "issuer": ISSUER, "audience": ISSUER, "token": token,
        "forged": format!("{header}.{payload}.{signature}"),
        "jwks_uri": format!("http://{address}/.well-known/jwks.json"),
    });
    if let Some((_, secret)) = key_files(&tokens.keys_dir, "hs256").first() {
        let kid = part(&token, 0)["kid"].clone();
        let key = json!({ "kty": "oct", "k": secret.trim(), "kid": kid, "alg": "HS256", "use": "sig" });
        request["keys"] = json!({ "keys": [key] });
    }
    request
}

/// Runs a script on a token of each algorithm.
fn verify(program: &Path, script: &Path) {
    for algorithm in
        [SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::EdDsa, SigningAlgorithm::Hs256]
    {
        let tokens = Tokens::open(algorithm, now());
        let request = request(&tokens, algorithm).to_string();
        let mut command = Command::new(program);
        command.arg(script).arg(request).env("PYTHONDONTWRITEBYTECODE", "1");
        let output = command.current_dir(script.parent().unwrap()).output().expect("the script runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let results: BTreeMap<String, Outcome> = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(results.len() >= 2);
        for (library, result) in results {
            let has_algorithm =
                algorithm != SigningAlgorithm::EdDsa || !WITHOUT_EDDSA.contains(&library.as_str());
            eprintln!("{} {library} {}: {:?}", algorithm.name(), result.version, result.error);
            assert_eq!(
                result.sub.as_deref(),
                has_algorithm.then_some("1"),
                "{algorithm:?} {library}: {result:?}"
            );
        }
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

#[test]
fn python_libraries_verify_our_tokens() {
    static ENVIRONMENT: python::Environment = python::Environment::of("interop");
    match ENVIRONMENT.program("python") {
        Ok(python) => verify(&python, &script("verify.py")),
        Err(why) => skip(why),
    }
}

#[test]
fn javascript_libraries_verify_our_tokens() {
    match node::install(&script("package.json"), &script("verify.mjs")) {
        Ok(script) => verify("node".as_ref(), &script),
        Err(why) => skip(why),
    }
}
