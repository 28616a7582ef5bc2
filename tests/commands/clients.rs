//! `gatepass clients …`

use crate::support::program::Gatepass;
use gatepass::{
    ClientRegistry, ClientSecret,
    sql::{Database, SqlClients},
};

fn authenticates(gatepass: &Gatepass, client_id: &str, secret: &str) -> bool {
    actix_web::rt::System::new().block_on(async {
        let clients = SqlClients::new(Database::open(&gatepass.url).await.unwrap());
        clients.authenticate(&client_id.parse().unwrap(), &ClientSecret::from(secret)).await.unwrap()
    })
}

#[test]
fn client_secret_is_printed_once_and_stored_as_a_hash() {
    Gatepass::on_both(|gatepass| {
        let client = gatepass.json(&["clients", "add", "web"]);
        let secret = client["client_secret"].as_str().unwrap();
        assert_eq!((client["client_id"].as_str(), secret.len()), (Some("web"), 43));
        assert!(authenticates(gatepass, "web", secret));
        assert!(!authenticates(gatepass, "web", "another"));

        let text = gatepass.done(&["clients", "add", "app"]);
        let other = text.lines().find_map(|line| line.strip_prefix("client_secret:")).unwrap().trim();
        assert!(authenticates(gatepass, "app", other));
        assert_ne!(other, secret);

        let list = gatepass.done(&["clients", "list", "--json"]);
        let clients = gatepass.json_lines(&["clients", "list", "--json"]);
        let ids: Vec<_> = clients.iter().map(|client| client["client_id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["app", "web"]);
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
    let gatepass = Gatepass::on_sqlite();
    gatepass.done(&["clients", "add", "web"]);
    gatepass.run(&["clients", "add", "web"]).fails(1, &["client web is already registered"]);
    gatepass.run(&["clients", "add", "a:b"]).fails(2, &["CLIENT_ID"]);
    gatepass.run_with(&["clients", "remove", "web"], "y\n").fails(2, &["web", "--yes"]);
    assert_eq!(gatepass.done(&["clients", "remove", "web", "--yes"]), "removed web\n");
    gatepass.run(&["clients", "remove", "web", "--yes"]).fails(1, &["web"]);
    assert_eq!(gatepass.done(&["clients", "list", "--json"]), "");
}
