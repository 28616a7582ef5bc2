//! Tests JWT libraries and OAuth clients from other projects with the secure profile. docs/interop.md lists the
//! results.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use rcgen::generate_simple_self_signed;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{
    forge::{base64url, key_files, kid, part, with},
    http::get,
    node,
    program::Gatepass,
    python,
    secure_profile::{JOHNDOE, Service, add_client_with, add_johndoe, free_address, serve, serve_command},
    service::Program,
    skip,
};

const ALGORITHMS: [&str; 4] = ["ES256", "RS256", "EdDSA", "HS256"];

/// Libraries, and the algorithms of the tokens that they verify.
const PYTHON_VERIFIERS: &[(&str, &str)] = &[
    ("PyJWT", "ES256 RS256 EdDSA HS256"),
    ("joserfc", "ES256 RS256 EdDSA HS256"),
    ("jwcrypto", "ES256 RS256 EdDSA HS256"),
    ("python-jose", "ES256 RS256 HS256"),
    ("Authlib", "ES256 RS256 EdDSA HS256"),
    ("Authlib JWTBearerTokenValidator", "ES256 RS256 HS256"),
];
const JAVASCRIPT_VERIFIERS: &[(&str, &str)] = &[
    ("jose", "ES256 RS256 EdDSA HS256"),
    ("jsonwebtoken and jwks-rsa", "ES256 RS256 HS256"),
    ("oauth4webapi", "ES256 RS256 EdDSA"),
    ("express-oauth2-jwt-bearer", "ES256 RS256 EdDSA"),
    ("@fastify/jwt and get-jwks", "ES256 RS256 HS256"),
];

/// Clients, and the steps that they complete; after a colon, the error in the next step.
const PYTHON_CLIENTS: &[(&str, &str)] = &[
    ("oauthlib and requests-oauthlib", "password refresh revoke"),
    ("Authlib", "password refresh revoke client_credentials introspect"),
    ("httpx-auth", "client_credentials password refresh"),
    ("httpx-oauth", "refresh revoke"),
    ("httpx-oauth OpenID", ": KeyError: 'authorization_endpoint'"),
];
const JAVASCRIPT_CLIENTS: &[(&str, &str)] = &[
    ("openid-client", "password refresh userinfo revoke client_credentials introspect"),
    ("oauth4webapi", "client_credentials introspect revoke"),
    ("simple-oauth2", "client_credentials password refresh revoke"),
    (
        "oidc-client-ts",
        "password refresh revoke: Error: Metadata does not contain property authorization_endpoint",
    ),
];

/// The result that a script reports for one library.
#[derive(Debug, Deserialize)]
struct Outcome {
    version: String,
    /// The subjects of the verified tokens.
    #[serde(default)]
    subjects: Vec<Value>,
    /// The steps that a client completed.
    #[serde(default)]
    done: Vec<String>,
    error: Option<String>,
}

/// A script and its interpreter.
struct Script {
    program: PathBuf,
    path: PathBuf,
}

impl Script {
    fn python(name: &str) -> Option<Self> {
        static ENVIRONMENT: python::Environment = python::Environment::of("interop");
        let program = ENVIRONMENT.program("python").inspect_err(|why| skip(why)).ok()?;
        Some(Self { program, path: source(name) })
    }

    fn javascript(name: &str) -> Option<Self> {
        let path = node::install(&source("package.json"), &source(name)).inspect_err(|why| skip(why)).ok()?;
        Some(Self { program: "node".into(), path })
    }

    /// Runs the script with a request, to which the issuer is added, and returns the result of each library.
    fn run(&self, server: &Server, mut request: Value) -> BTreeMap<String, Outcome> {
        request["issuer"] = json!(server.issuer);
        let mut command = Command::new(&self.program);
        command.arg(&self.path).arg(request.to_string()).current_dir(self.path.parent().unwrap());
        for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
            command.env(variable, &server.certificate);
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "*");
        let output = command.output().expect("the script runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let outcomes: BTreeMap<String, Outcome> = serde_json::from_slice(&output.stdout).expect("JSON");
        for (name, Outcome { version, error, .. }) in &outcomes {
            eprintln!("{name} {version}: {error:?}");
        }
        outcomes
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

/// A service with TLS, the user johndoe, the public client `app` and the confidential client `web`.
struct Server {
    gatepass: Gatepass,
    issuer: String,
    certificate: String,
    /// The secret of `web`.
    secret: String,
    /// A service without TLS, with the same issuer, database and keys.
    plain: Service,
    _tls: Program,
}

impl Server {
    fn start(algorithm: &str) -> Self {
        let gatepass = Gatepass::on_sqlite();
        add_johndoe(&gatepass);
        gatepass.done(&["clients", "add", "app", "--public"]);
        let grants = ["--grants", "password refresh_token client_credentials"];
        let scopes = ["--scopes", "me openid offline_access reports:read"];
        let secret = add_client_with(&gatepass, "web", &[grants, scopes].concat());

        let certificate = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = gatepass.folder.write("key.pem", certificate.signing_key.serialize_pem());
        let certificate = gatepass.folder.write("cert.pem", certificate.cert.pem());
        let bind = free_address().to_string();
        let tls = ["--bind", &bind, "--tls-cert", &certificate, "--tls-key", &key, "--algorithm", algorithm];
        let tls = Program::run(&mut serve_command(&gatepass, &tls));
        let issuer = format!("https://{}", tls.address_after("listening on https://"));
        let plain = serve(&gatepass, &["--issuer", &issuer]);
        Self { gatepass, issuer, certificate, secret, plain, _tls: tls }
    }

    /// Returns a request with tokens to verify: one of the default client, one of the public client `app`, and a copy
    /// of the first one with a forged payload. The request contains the URL of the keys and, for HS256, the secret.
    fn tokens(&self, algorithm: &str) -> Value {
        let [token, public] =
            ["", "&client_id=app"].map(|more| self.plain.token(&format!("{JOHNDOE}{more}")));
        let [header, _, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let payload = base64url(with(&part(&token, 1), "sub", json!("2")).to_string());
        let mut request = json!({
            "alg": algorithm, "audience": self.issuer, "forged": format!("{header}.{payload}.{signature}"),
            "jwks_uri": format!("{}/.well-known/jwks.json", self.issuer),
        });
        if let Some((_, secret)) = key_files(&self.gatepass.folder.path().join("keys"), "hs256").first() {
            let kid = part(&token, 0)["kid"].clone();
            let key = json!({ "kty": "oct", "k": secret.trim(), "kid": kid, "alg": "HS256", "use": "sig" });
            request["keys"] = json!({ "keys": [key] });
        }
        request["tokens"] = json!([token, public]);
        request
    }
}

type Expected = &'static [(&'static str, &'static str)];

/// Returns the scripts that can run, and the expected results of all their libraries.
fn runnable(scripts: [(Option<Script>, Expected); 2]) -> (Vec<Script>, BTreeMap<String, String>) {
    let (mut runnable, mut expected) = (Vec::new(), BTreeMap::new());
    for (script, results) in scripts {
        let Some(script) = script else { continue };
        runnable.push(script);
        expected.extend(results.iter().map(|(name, result)| (name.to_string(), result.to_string())));
    }
    (runnable, expected)
}

/// Asserts that jsonwebtoken, a library for Rust, verifies the tokens in a request.
fn verify_with_jsonwebtoken(server: &Server, algorithm: &str, request: &Value) {
    let published = || get("/.well-known/jwks.json").send(server.plain.address).json();
    let keys = request.get("keys").cloned().unwrap_or_else(published);
    let keys: JwkSet = serde_json::from_value(keys).expect("a key set");
    let mut validation = Validation::new(algorithm.parse().expect("an algorithm"));
    validation.set_issuer(&[&server.issuer]);
    validation.set_audience(&[&server.issuer]);
    let verify = |token: &Value| {
        let token = token.as_str().expect("a token");
        let key = DecodingKey::from_jwk(keys.find(&kid(token)).expect("the key")).expect("a supported key");
        jsonwebtoken::decode::<Value>(token, &key, &validation)
    };
    for token in request["tokens"].as_array().expect("tokens") {
        let claims = verify(token).expect("a valid token").claims;
        assert_eq!(claims, part(token.as_str().unwrap(), 1), "{algorithm}");
    }
    assert!(verify(&request["forged"]).is_err(), "{algorithm}");
}

#[test]
fn libraries_verify_tokens_with_the_listed_algorithms() {
    let (scripts, expected) = runnable([
        (Script::python("verify.py"), PYTHON_VERIFIERS),
        (Script::javascript("verify.mjs"), JAVASCRIPT_VERIFIERS),
    ]);
    let mut verified = BTreeMap::<String, String>::new();
    for algorithm in ALGORITHMS {
        let server = Server::start(algorithm);
        let request = server.tokens(algorithm);
        verify_with_jsonwebtoken(&server, algorithm, &request);
        let subject = part(request["tokens"][0].as_str().unwrap(), 1)["sub"].clone();
        for (name, outcome) in scripts.iter().flat_map(|script| script.run(&server, request.clone())) {
            let algorithms = verified.entry(name).or_default();
            if outcome.error.is_none() {
                assert_eq!(outcome.subjects, [subject.clone(), subject.clone()]);
                *algorithms = format!("{algorithms} {algorithm}").trim_start().to_owned();
            }
        }
    }
    assert_eq!(verified, expected);
}

#[test]
fn clients_complete_the_listed_steps() {
    let (scripts, expected) = runnable([
        (Script::python("clients.py"), PYTHON_CLIENTS),
        (Script::javascript("clients.mjs"), JAVASCRIPT_CLIENTS),
    ]);
    let server = Server::start("ES256");
    let request =
        json!({ "secret": server.secret, "username": "johndoe", "password": "johndoe's own passphrase" });
    let outcomes = scripts.iter().flat_map(|script| script.run(&server, request.clone()));
    let completed: BTreeMap<_, _> = outcomes
        .map(|(name, outcome)| {
            let error = outcome.error.map(|error| format!(": {error}")).unwrap_or_default();
            (name, outcome.done.join(" ") + &error)
        })
        .collect();
    assert_eq!(completed, expected);
}
