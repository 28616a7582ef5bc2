//! `gatepass clients …`

use serde_json::json;

use crate::support::program::Gatepass;
use gatepass::{
    ClientSecret, Timestamp,
    sql::{Database, SqlClients},
};

fn authenticates(gatepass: &Gatepass, client_id: &str, secret: &str) -> bool {
    actix_web::rt::System::new().block_on(async {
        let clients = SqlClients::new(Database::open(&gatepass.url).await.unwrap());
        let found = clients.find(&client_id.parse().unwrap()).await.unwrap().expect("a client");
        found.client.accepts(Some(&ClientSecret::from(secret)), Timestamp::now())
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
fn client_id_can_be_registered_only_once_and_removal_needs_confirmation() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.done(&["clients", "add", "web"]);
    gatepass.run(&["clients", "add", "web"]).fails(1, &["client web is already registered"]);
    gatepass.run(&["clients", "add", "a:b"]).fails(2, &["CLIENT_ID"]);
    gatepass.run_with(&["clients", "remove", "web"], "y\n").fails(2, &["web", "--yes"]);
    assert_eq!(gatepass.done(&["clients", "remove", "web", "--yes"]), "removed web\n");
    gatepass.run(&["clients", "remove", "web", "--yes"]).fails(1, &["web"]);
    assert_eq!(gatepass.done(&["clients", "list", "--json"]), "");
}

#[test]
fn clients_update_changes_only_the_given_fields_and_clients_list_shows_them() {
    let gatepass = Gatepass::on_sqlite();
    let added =
        gatepass.json(&["clients", "add", "app", "--public", "--name", "App", "--scopes", "me users:read"]);
    assert_eq!(added.get("client_secret"), None);
    let limits = ["--audiences", "https://api.example.com https://files.example.com", "--grants", "password"];
    gatepass.done(&[&["clients", "update", "app"], &limits[..]].concat());
    let expected = json!({
        "client_id": "app", "name": "App", "public": true, "grants": ["password"], "scopes": ["me", "users:read"],
        "audiences": ["https://api.example.com", "https://files.example.com"], "introspect_all": false,
        "created": added["created"], "secrets": [],
    });
    assert_eq!(gatepass.json_lines(&["clients", "list", "--json"]), [expected]);
    let all =
        gatepass.json(&["clients", "update", "app", "--name", "", "--scopes", "all", "--audiences", "all"]);
    assert_eq!((&all["name"], &all["scopes"], &all["audiences"]), (&json!(""), &json!(null), &json!(null)));
    let row = "app     public  password  all     ";
    assert!(gatepass.done(&["clients", "list"]).contains(row));

    let web = gatepass.json(&["clients", "add", "web", "--introspect-all"]);
    assert_eq!((&web["public"], &web["introspect_all"]), (&json!(false), &json!(true)));
    let rotated = gatepass.json(&["clients", "rotate-secret", "web"]);
    let [current, old] = &rotated["secrets"].as_array().unwrap()[..] else { panic!("{rotated}") };
    assert_eq!((&current["expires"], &old["created"]), (&json!(null), &web["created"]));
    let off = gatepass.json(&["clients", "update", "web", "--introspect-all=off"]);
    assert_eq!((&off["introspect_all"], &off["secrets"]), (&json!(false), &rotated["secrets"]));
    let events = gatepass.json_lines(&["audit", "list", "--event", "client_changed", "--json"]);
    let details: Vec<_> = events.iter().map(|event| event["detail"].as_str().unwrap()).collect();
    assert_eq!(details.iter().filter(|detail| **detail == "new secret").count(), 1, "{details:?}");
    assert!(details.contains(&"grants, audiences") && details.contains(&"introspect_all"), "{details:?}");
}

#[test]
fn invalid_client_commands_fail_with_the_reason() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.done(&["clients", "add", "app", "--public"]);
    for (arguments, code, messages) in [
        (&["update", "app"][..], 2, &["nothing to change", "--scopes"][..]),
        (
            &["update", "app", "--grants", "implicit"],
            2,
            &["implicit is not a grant", "password, refresh_token, client_credentials"],
        ),
        (&["update", "app", "--audiences", "a\u{e9}"], 2, &["--audiences"]),
        (&["update", "app", "--introspect-all"], 2, &["public client cannot introspect"]),
        (&["add", "web", "--public", "--introspect-all"], 2, &["public client cannot introspect"]),
        (
            &["update", "app", "--grants", "client_credentials"],
            2,
            &["public client cannot use client_credentials"],
        ),
        (&["add", "web", "--grants", "client_credentials"], 2, &["client_credentials needs --scopes"]),
        (&["add", "app"], 1, &["app is already registered", "gatepass clients update app"]),
        (&["rotate-secret", "app"], 1, &["app is public"]),
        (&["rotate-secret", "app", "--revoke-old"], 1, &["app has no old secret"]),
        (&["rotate-secret", "web"], 1, &["web does not exist", "gatepass clients list"]),
        (&["update", "web", "--name", "Web"], 1, &["web does not exist", "gatepass clients list"]),
    ] {
        gatepass.run(&[&["clients"], arguments].concat()).fails(code, messages);
    }
}
