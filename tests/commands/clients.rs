//! `gatepass clients …`

use gatepass::{
    ClientRegistry, ClientSecret,
    sql::{Database, SqlClients},
};
use serde_json::Value;

use crate::support::program::Gatepass;

fn is_genuine(gatepass: &Gatepass, client_id: &str, secret: &str) -> bool {
    actix_web::rt::System::new().block_on(async {
        let clients = SqlClients::new(Database::open(&gatepass.url).await.unwrap());
        clients.authenticate(&client_id.parse().unwrap(), &ClientSecret::from(secret)).await.unwrap()
    })
}

#[test]
fn client_secret_is_printed_once_and_stored_as_a_hash() {
    Gatepass::on_both("client_secret_is_printed_once_and_stored_as_a_hash", |gatepass| {
        let client = gatepass.json(&["clients", "add", "web"]);
        let secret = client["client_secret"].as_str().unwrap();
        assert_eq!((client["client_id"].as_str(), secret.len()), (Some("web"), 43));
        assert!(is_genuine(gatepass, "web", secret));
        assert!(!is_genuine(gatepass, "web", "another"));

        let text = gatepass.done(&["clients", "add", "app"]);
        let other = text.lines().find_map(|line| line.strip_prefix("client_secret:")).unwrap().trim();
        assert!(is_genuine(gatepass, "app", other));
        assert_ne!(other, secret);

        let list = gatepass.done(&["clients", "list", "--json"]);
        let ids: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            (&ids[0]["client_id"], &ids[1]["client_id"], ids.len()),
            (&"app".into(), &"web".into(), 2)
        );
        let text = gatepass.done(&["clients", "list"]);
        for shown in [&list, &text] {
            assert!(!shown.contains(secret) && !shown.contains(other));
        }
        if let Some(file) = gatepass.url.strip_prefix("sqlite:") {
            let bytes = std::fs::read(file).unwrap();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    });
}

#[test]
fn client_is_registered_once_and_removed_after_confirmation() {
    Gatepass::on_both("client_is_registered_once_and_removed_after_confirmation", |gatepass| {
        gatepass.done(&["clients", "add", "web"]);
        gatepass.run(&["clients", "add", "web"]).fails(1, &["client web is already registered"]);
        gatepass.run_with(&["clients", "remove", "web"], "y\n").fails(2, &["web", "--yes"]);
        assert_eq!(gatepass.done(&["clients", "remove", "web", "--yes"]), "removed web\n");
        gatepass.run(&["clients", "remove", "web", "--yes"]).fails(1, &["web"]);
        assert_eq!(gatepass.done(&["clients", "list", "--json"]), "");
    });
}

#[test]
fn invalid_client_ids_are_usage_errors() {
    let gatepass = Gatepass::on_sqlite();
    for wrong in ["", "a b", "a:b", "a+b", "a%20b", "é"] {
        gatepass.run(&["clients", "add", wrong]).fails(2, &["CLIENT_ID"]);
    }
}
