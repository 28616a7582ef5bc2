//! Hashes that were imported from other programs are replaced at the next sign-in.

use serde_json::json;

use crate::{
    secure::{Gatepass, serve},
    support::vectors::{OUTDATED, PASSWORDS},
};

fn stored_hashes(gatepass: &Gatepass) -> Vec<String> {
    let users = gatepass.json_lines(&["users", "export"]);
    users.iter().map(|user| user["hashed_password"].as_str().expect("a hash").to_owned()).collect()
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn sign_in_with_an_imported_hash_rehashes_the_password_with_the_current_parameters() {
    let gatepass = Gatepass::on_sqlite();
    // There is one user per kind of hash. The users alternate between the first and the second password.
    let turn = |number: usize| number % 2;
    let hashes: Vec<_> = (0..OUTDATED.len()).map(|number| OUTDATED[number].hashes[turn(number)]).collect();
    let line = |(number, hash)| {
        let user = json!({
            "username": format!("user{number:02}"), "scopes": ["me"], "hashed_password": hash,
        });
        format!("{user}\n")
    };
    let file = gatepass.folder.write("users.jsonl", hashes.iter().enumerate().map(line).collect::<String>());
    gatepass.done(&["users", "import", &file]);
    let service = serve(&gatepass, &["--argon2-memory=2048", "--argon2-iterations=3", "--hash-threads=1"]);
    let sign_in = |number: usize, password: &str| {
        service.sign_in(&format!("username=user{number:02}&password={password}")).status
    };
    let sign_in_all = || {
        for (number, vector) in OUTDATED.iter().enumerate() {
            let password = percent_encoded(PASSWORDS[turn(number)]);
            assert_eq!(sign_in(number, &password), 200, "{}", vector.kind);
        }
    };

    for number in 0..OUTDATED.len() {
        assert_eq!(sign_in(number, "wrong"), 400);
    }
    assert_eq!(stored_hashes(&gatepass), hashes, "a wrong password should not change any hash");
    sign_in_all();
    let replaced = stored_hashes(&gatepass);
    for (hash, vector) in replaced.iter().zip(OUTDATED.iter()) {
        assert!(hash.starts_with("$argon2id$v=19$m=2048,t=3,p=1$"), "{}: {hash}", vector.kind);
    }
    sign_in_all();
    assert_eq!(stored_hashes(&gatepass), replaced, "a current hash should not be replaced");
}
