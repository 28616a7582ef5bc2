//! The password policy for new passwords, tested over HTTP.

use crate::{
    secure::{Gatepass, access_token, change_password, serve, sqlite_with_johndoe},
    support::vectors::{OUTDATED, PASSWORDS},
};

/// A list in the format of Pwned Passwords. HASH stands for the SHA-1 hash of `we planted four walnut trees`.
const BREACHED: &str = "0000000000000000000000000000000000000000:2\r\nHASH:17\r\n\
                        FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF:1\r\n";

#[test]
fn change_to_a_weak_password_returns_400_with_the_reason_and_keeps_the_session() {
    let gatepass = sqlite_with_johndoe();
    let list = gatepass
        .folder
        .write("list.txt", BREACHED.replace("HASH", "13CE04C880026AE1E858A6CE15A4F5FCDB5B323B"));
    let service = serve(&gatepass, &["--issuer=https://auth.acme.example", "--password-blocklist", &list]);
    let token = service.token("username=johndoe&password=johndoe's+own+passphrase");
    let change = |new: &str| change_password(&service, &token, "johndoe's+own+passphrase", new);
    for (new, reason) in [
        ("vT9kLm2xQwRz7p", "the password must have at least 15 characters"),
        ("Password@123456", "the password is too common or too easy to guess; choose another one"),
        ("Doe.John.1985!!", "choose a password that does not contain them"),
        ("johndoe@example.com!", "choose a password that does not contain them"),
        ("Gatepass2025!!!", "choose a password that does not contain them"),
        ("acmeacmeacme2025", "choose a password that does not contain them"),
        ("We+planted+four+walnut+trees", "in a list of breached passwords; choose another one"),
        ("johndoe's+own+passphrase", "the new password is the same as the current password"),
        // With a fullwidth letter, which normalization replaces.
        ("johndoe's+own+pas%EF%BD%93phrase", "the new password is the same as the current password"),
    ] {
        let reply = change(new);
        let text = reply.json()["error_description"].as_str().unwrap().to_owned();
        assert_eq!(reply.status, 400, "{new}: {text}");
        assert!(text.starts_with("new_password: ") && text.contains(reason), "{new}: {text}");
    }
    assert_eq!(service.users_me(&token).status, 200);
    assert_eq!(change("purple+teapots+swim+north").status, 204);
    access_token(&service.sign_in("username=johndoe&password=purple+teapots+swim+north"));
}

#[test]
fn unreadable_blocklist_prevents_password_changes_but_not_sign_ins() {
    let gatepass = sqlite_with_johndoe();
    let list = gatepass
        .folder
        .write("list.txt", BREACHED.replace("HASH", "13CE04C880026AE1E858A6CE15A4F5FCDB5B323B"));
    let service = serve(&gatepass, &["--password-blocklist", &list]);
    let token = service.token("username=johndoe&password=johndoe's+own+passphrase");
    std::fs::remove_file(&list).unwrap();
    let reply = change_password(&service, &token, "johndoe's+own+passphrase", "purple+teapots+swim+north");
    assert_eq!(reply.status, 500);
    access_token(&service.sign_in("username=johndoe&password=johndoe's+own+passphrase"));
}

#[test]
fn minimum_length_applies_only_to_new_passwords() {
    let gatepass = Gatepass::on_sqlite();
    let line = format!(r#"{{"username":"johndoe","hashed_password":"{}"}}"#, OUTDATED[0].hashes[0]);
    let file = gatepass.folder.write("users.jsonl", line);
    gatepass.done(&["users", "import", &file]);
    let service = serve(&gatepass, &["--password-min-length=40"]);
    let token = service.token(&format!("username=johndoe&password={}", PASSWORDS[0]));
    let change = |new: &str| change_password(&service, &token, PASSWORDS[0], new);
    let refused = change("purple+teapots+swim+north").text();
    assert!(refused.contains("the password must have at least 40 characters"), "{refused}");
    assert_eq!(change("purple+teapots+swim+north+of+the+old+harbor").status, 204);
}
