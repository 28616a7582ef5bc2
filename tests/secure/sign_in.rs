//! The first steps: add a user, start the service, sign in, and read the profile.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;

use crate::secure::{
    Gatepass, JOHNDOE, Service, free_address, get, on_sqlite, read, serve_command, with_service,
};

#[test]
fn sign_in_returns_a_token_that_can_read_the_profile() {
    with_service(&[], |_, service| {
        let reply = service.sign_in(JOHNDOE);
        assert_eq!((reply.status, reply.header("cache-control").as_deref()), (200, Some("no-store")));
        assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
        let response = reply.json();
        let token = response["access_token"].as_str().unwrap();
        let expected = json!({
            "access_token": token, "token_type": "bearer", "expires_in": 900, "scope": "me users:read",
        });
        assert_eq!(response, expected);

        let me = service.users_me(token);
        let id = read(token).1["sub"].as_str().unwrap().to_owned();
        let profile = format!(
            r#"{{"id":"{id}","username":"johndoe","email":"johndoe@example.com","full_name":"John Doe","disabled":false,"scopes":["me","users:read"]}}"#
        );
        assert_eq!((me.status, me.text()), (200, profile));
        assert_eq!(me.header("cache-control").as_deref(), Some("no-store"));
    });
}

#[test]
fn token_has_the_claims_of_rfc_9068() {
    let address = free_address();
    let (gatepass, service) = on_sqlite(&["--bind", &address.to_string()]);
    assert_eq!(service.address, address);
    let (header, claims) = read(&service.token(&format!("{JOHNDOE}&scope=me")));
    let keys = get("/.well-known/jwks.json").send(address).json();
    assert_eq!(header, json!({ "typ": "at+jwt", "alg": "ES256", "kid": keys["keys"][0]["kid"] }));

    let id = gatepass.json(&["users", "show", "johndoe"])["id"].clone();
    assert_eq!(id.as_str().unwrap().chars().nth(14), Some('7'), "expected a UUIDv7, got {id}");
    let (issuer, iat) = (format!("http://{address}"), claims["iat"].as_u64().unwrap());
    let jti = claims["jti"].as_str().unwrap();
    let expected = json!({
        "iss": issuer, "sub": id, "user_kind": "User", "aud": issuer, "exp": iat + 900, "iat": iat, "jti": jti,
        "sid": claims["sid"], "sid_seq": 0, "client_id": "gatepass", "scope": "me",
    });
    assert_eq!(claims, expected);
    assert_eq!(claims["sid"].as_str().unwrap().len(), 22);
    let (_, next) = read(&service.token(JOHNDOE));
    assert_ne!(next["jti"].as_str().unwrap(), jti, "two tokens have the same ID");
}

#[test]
fn service_with_default_settings_creates_private_files_and_uses_the_argon2_parameters_from_owasp() {
    let gatepass = Gatepass::on_sqlite();
    let mut command = serve_command(&gatepass, &[]);
    for variable in ["GATEPASS_DATABASE_URL", "GATEPASS_ARGON2_MEMORY", "GATEPASS_ARGON2_ITERATIONS"] {
        command.env_remove(variable);
    }
    let service = Service::run(&mut command);
    let folder = gatepass.folder.path();
    let mode = |path: &Path| fs::metadata(path).expect("the file exists").permissions().mode() & 0o7777;
    assert_eq!(mode(&folder.join("gatepass.db")), 0o600);
    assert_eq!(mode(&folder.join("keys")), 0o700);
    let keys = fs::read_dir(folder.join("keys")).unwrap().map(|key| key.unwrap().path());
    let keys: Vec<_> = keys.filter(|key| key.extension().is_some_and(|end| end == "pem")).collect();
    assert_eq!(keys.iter().map(|key| mode(key)).collect::<Vec<_>>(), [0o600], "expected one private key");

    // By default, commands use the same database.
    let add = ["users", "add", "johndoe", "--scopes=me users:read", "--password-stdin"];
    gatepass.run_with(&add, "johndoe's own passphrase\n").done();
    let hash = gatepass.hash("johndoe");
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_eq!(service.users_me(&service.token(JOHNDOE)).status, 200);
    assert_eq!(gatepass.hash("johndoe"), hash, "a hash with the current parameters should not be replaced");
    for name in ["gatepass.db-wal", "gatepass.db-shm"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}
