//! What a user does on the first day: add a user, serve, sign in, be recognised.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;

use crate::support::{
    http::{get, request},
    program::Gatepass,
    secure_profile::{JOHNDOE, Service, add_johndoe, free_address, outcome, read, serve, serve_command},
};

#[test]
fn johndoe_signs_in_and_reads_his_profile() {
    Gatepass::on_both("johndoe_signs_in_and_reads_his_profile", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &[]);
        let reply = service.sign_in(JOHNDOE);
        assert_eq!((reply.status, reply.header("cache-control").as_deref()), (200, Some("no-store")));
        assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
        let answer = reply.json();
        let token = answer["access_token"].as_str().unwrap();
        let expected = json!({
            "access_token": token, "token_type": "bearer", "expires_in": 900, "scope": "me users:read",
        });
        assert_eq!(answer, expected);

        let me = service.users_me(token);
        assert_eq!(
            (me.status, me.text().as_str()),
            (
                200,
                r#"{"username":"johndoe","email":"johndoe@example.com","full_name":"John Doe","disabled":false,"scopes":["me","users:read"]}"#
            )
        );
    });
}

#[test]
fn a_token_says_what_rfc_9068_asks_for() {
    Gatepass::on_both("a_token_says_what_rfc_9068_asks_for", |gatepass| {
        add_johndoe(gatepass);
        let address = free_address();
        let service = serve(gatepass, &["--bind", &address.to_string()]);
        assert_eq!(service.address, address);
        let (header, claims) = read(&service.token(&format!("{JOHNDOE}&scope=me")));
        let keys = get("/.well-known/jwks.json").send(address).json();
        assert_eq!(header, json!({ "typ": "at+jwt", "alg": "EdDSA", "kid": keys["keys"][0]["kid"] }));

        let id = gatepass.json(&["users", "show", "johndoe"])["id"].clone();
        assert_eq!(id.as_str().unwrap().chars().nth(14), Some('7'), "a UUIDv7: {id}");
        let (issuer, iat) = (format!("http://{address}"), claims["iat"].as_u64().unwrap());
        let jti = claims["jti"].as_str().unwrap();
        let expected = json!({
            "iss": issuer, "sub": id, "user_kind": "User", "aud": issuer, "exp": iat + 900, "iat": iat, "jti": jti,
            "sid": claims["sid"], "scope": "me",
        });
        assert_eq!(claims, expected);
        assert_eq!(claims["sid"].as_str().unwrap().len(), 22);
        let (_, next) = read(&service.token(JOHNDOE));
        assert_ne!(next["jti"].as_str().unwrap(), jti, "every token has an id of its own");
    });
}

#[test]
fn a_username_is_the_same_in_every_case() {
    Gatepass::on_both("a_username_is_the_same_in_every_case", |gatepass| {
        gatepass.add("Straße", &["--scopes", "me"]).done();
        let service = serve(gatepass, &[]);
        for name in ["Straße", "STRASSE", "stra%C3%9Fe"] {
            let form = format!("username={name}&password=Straße's+own+passphrase");
            let me = service.users_me(&service.token(&form));
            assert_eq!(me.json()["username"], "Straße", "as it was written first");
        }
    });
}

#[test]
fn a_sign_in_gets_what_it_asks_for_as_far_as_the_user_has_it() {
    Gatepass::on_both("a_sign_in_gets_what_it_asks_for_as_far_as_the_user_has_it", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &[]);
        for (asked, granted) in [
            ("", "me users:read"),
            ("&scope=", "me users:read"),
            ("&scope=me", "me"),
            ("&scope=users:read+me", "me users:read"),
            ("&scope=admin+users:read", "users:read"),
        ] {
            let answer = service.sign_in(&format!("{JOHNDOE}{asked}")).json();
            let (_, claims) = read(answer["access_token"].as_str().unwrap());
            assert_eq!((&answer["scope"], &claims["scope"]), (&granted.into(), &granted.into()), "{asked:?}");
        }
    });
}

#[test]
fn a_form_may_be_multipart_too() {
    Gatepass::on_both("a_form_may_be_multipart_too", |gatepass| {
        add_johndoe(gatepass);
        let part = |name, value| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = part("username", "johndoe") + &part("password", "johndoe's own passphrase") + "--b--\r\n";
        let form = request("POST", "/token").header("Content-Type", "multipart/form-data; boundary=b");
        assert_eq!(form.body(body).send(serve(gatepass, &[]).address).status, 200);
    });
}

#[test]
fn without_settings_the_database_and_the_keys_are_made_here_for_their_owner_alone() {
    let gatepass = Gatepass::on_sqlite();
    let mut command = serve_command(&gatepass, &[]);
    for variable in ["GATEPASS_DATABASE_URL", "GATEPASS_ARGON2_MEMORY", "GATEPASS_ARGON2_ITERATIONS"] {
        command.env_remove(variable);
    }
    let service = Service::run(&mut command);
    let folder = gatepass.folder.path();
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    assert_eq!(mode(&folder.join("gatepass.db")), 0o600);
    assert_eq!(mode(&folder.join("keys")), 0o700);
    let keys = fs::read_dir(folder.join("keys")).unwrap().map(|key| key.unwrap().path());
    let keys: Vec<_> = keys.filter(|key| key.extension().is_some_and(|end| end == "pem")).collect();
    assert_eq!(keys.iter().map(|key| mode(key)).collect::<Vec<_>>(), [0o600], "one key");

    // The command, told nothing either, writes to the same database; and what it stores is OWASP's Argon2id.
    add_johndoe(&gatepass);
    let hash = gatepass.hash("johndoe");
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_eq!(service.users_me(&service.token(JOHNDOE)).status, 200);
    assert_eq!(gatepass.hash("johndoe"), hash, "it is of today's parameters, and stays");
    for beside in ["gatepass.db-wal", "gatepass.db-shm"] {
        assert_eq!(mode(&folder.join(beside)), 0o600, "{beside}");
    }
}

#[test]
fn nothing_secret_is_logged() {
    Gatepass::on_both("nothing_secret_is_logged", |gatepass| {
        add_johndoe(gatepass);
        let mut command = serve_command(gatepass, &[]);
        let service = Service::run(command.env("RUST_LOG", "debug"));
        let token = service.token(JOHNDOE);
        assert_eq!(service.users_me(&token).status, 200);
        let wrong = service.sign_in("username=johndoe&password=not+the+passphrase&client_secret=hush");
        assert_eq!(outcome(&wrong).0, 401);
        let log = service.program.end();
        assert!(log.contains("/users/me"), "{log}");
        for secret in [&token, "passphrase", "hush", "$argon2", "PRIVATE KEY"] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    });
}
