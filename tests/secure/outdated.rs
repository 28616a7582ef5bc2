//! Hashes that other programs made are taken, and replaced at the next sign-in.

use serde_json::{Value, json};

use crate::support::{
    program::Gatepass,
    secure_profile::serve,
    vectors::{OUTDATED, PASSWORDS},
};

/// What hashes are made with from now on.
const TODAYS: [&str; 2] = ["--argon2-memory=2048", "--argon2-iterations=3"];

fn hashes(gatepass: &Gatepass) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let user = |line| {
        let user: Value = serde_json::from_str(line).expect("JSON");
        (text(&user["username"]), text(&user["hashed_password"]))
    };
    gatepass.done(&["users", "export"]).lines().map(user).collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn who_was_imported_with_an_outdated_hash_has_todays_after_a_sign_in() {
    Gatepass::on_both("who_was_imported_with_an_outdated_hash_has_todays_after_a_sign_in", |gatepass| {
        // A user for each kind of hash, its number in the name; each with another of the passwords.
        let user = |number: usize| {
            let position = number % PASSWORDS.len();
            (format!("user{number:02}"), PASSWORDS[position], OUTDATED[number].hashes[position])
        };
        let users: Vec<_> = (0..OUTDATED.len()).map(user).collect();
        let line = |(username, _, hash): &(String, _, &str)| {
            json!({ "username": username, "scopes": ["me"], "hashed_password": hash }).to_string() + "\n"
        };
        let file = gatepass.folder.write("users.jsonl", users.iter().map(line).collect::<String>());
        gatepass.done(&["users", "import", &file]);
        let service = serve(gatepass, &[TODAYS[0], TODAYS[1], "--hash-threads=1"]);

        for ((username, password, hash), vector) in users.iter().zip(OUTDATED.iter()) {
            let wrong = service.sign_in(&format!("username={username}&password=wrong"));
            assert_eq!(wrong.status, 400, "{}", vector.kind);
            let stored = hashes(gatepass);
            let stored = stored.iter().find(|(name, _)| name == username).unwrap();
            assert_eq!(stored.1, *hash, "{}: a wrong password changes nothing", vector.kind);
            let form = format!("username={username}&password={}", percent(password));
            let reply = service.sign_in(&form);
            assert_eq!(reply.status, 200, "{}: {}", vector.kind, reply.text());
        }
        let replaced = hashes(gatepass);
        assert_eq!(replaced.len(), OUTDATED.len());
        for ((_, hash), vector) in replaced.iter().zip(OUTDATED.iter()) {
            assert!(hash.starts_with("$argon2id$v=19$m=2048,t=3,p=1$"), "{}: {hash}", vector.kind);
        }
        // Signed in again, by the hash that took the place, which stays.
        for (username, password, _) in &users {
            service.token(&format!("username={username}&password={}", percent(password)));
        }
        assert_eq!(hashes(gatepass), replaced);
    });
}
