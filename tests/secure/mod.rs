//! Tests for the secure profile. They send requests to running services and run commands of the program.

mod audiences;
mod audit;
mod client_credentials;
mod clients;
mod concurrent_refresh;
mod connections;
mod containers;
mod cookies;
mod crash_recovery;
mod database_outages;
mod disk_faults;
mod document;
mod errors;
mod flood;
mod forward_auth;
mod input;
mod introspection;
mod login_throttle;
mod logs;
mod memory;
mod metadata;
mod openid;
mod ops;
mod origins;
mod pages;
mod password_policy;
mod pgbouncer;
mod refresh;
mod rehash;
mod resource_server;
mod revocation;
mod revocation_latency;
mod sessions;
mod sign_in;
mod startup_errors;
mod third_party_clients;

use std::{
    fs::{self, Permissions},
    io::Write,
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    sync::LazyLock,
    thread,
};

use sqlx::{Connection, PgConnection};

// The test modules import these items from this module.
use crate::support::{
    http::{
        Reply, Request, connect, connect_from, get, post_form, read_reply, request, send_incomplete_sign_in,
    },
    new_postgres,
    postgres_proxy::PostgresProxy,
    program::Gatepass,
    secure_profile::{
        JOHNDOE, JOHNDOE_OFFLINE, SECOND, Service, Tokens, access_token, add_client, add_client_with,
        add_johndoe, basic, expect_missing, expect_oauth2_error, free_address, outcome, proxied_postgres,
        read, rows, serve, serve_command,
    },
    service::{Program, TIMEOUT},
    skip,
    wait::{throughout, wait_until, within},
};

/// The arguments that set one issuer for services that share a database but have different addresses.
const ISSUER: [&str; 2] = ["--issuer", "https://auth.example.com"];

/// Runs a test on SQLite and on PostgreSQL, each with the user johndoe.
fn on_both(test: impl Fn(&Gatepass)) {
    test(&sqlite_with_johndoe());
    if let Some(gatepass) = on_postgres() {
        test(&gatepass);
    }
}

/// Runs a test on SQLite and on PostgreSQL, each with the user johndoe and a service started with these arguments.
fn with_service(arguments: &[&str], test: impl Fn(&Gatepass, Service)) {
    on_both(|gatepass| test(gatepass, serve(gatepass, arguments)));
}

/// Returns the program with a new SQLite database that contains the user johndoe. The database is a copy, because
/// migrations and password hashing take time.
fn sqlite_with_johndoe() -> Gatepass {
    static DATABASE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let gatepass = Gatepass::on_sqlite();
        add_johndoe(&gatepass);
        fs::read(gatepass.folder.file("gatepass.db")).unwrap()
    });
    let gatepass = Gatepass::on_sqlite();
    let file = gatepass.folder.write("gatepass.db", &*DATABASE);
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    gatepass
}

/// Starts a service on a new SQLite database with the user johndoe.
fn on_sqlite(arguments: &[&str]) -> (Gatepass, Service) {
    let gatepass = sqlite_with_johndoe();
    let service = serve(&gatepass, arguments);
    (gatepass, service)
}

/// Creates a PostgreSQL database and adds the user johndoe. If PostgreSQL is missing, reports the test as skipped and
/// returns `None`.
fn on_postgres() -> Option<Gatepass> {
    let gatepass = Gatepass::on_postgres(new_postgres()?);
    add_johndoe(&gatepass);
    Some(gatepass)
}

fn replicas(gatepass: &Gatepass, arguments: &[&str]) -> [Service; 2] {
    [(); 2].map(|()| serve(gatepass, &[&ISSUER[..], arguments].concat()))
}

/// Runs a test while another connection to PostgreSQL holds the locks that the statement `lock` takes.
fn with_locked_tables(gatepass: &Gatepass, lock: &'static str, test: impl FnOnce()) {
    let system = actix_web::rt::System::new();
    let mut other = system.block_on(PgConnection::connect(&gatepass.url)).unwrap();
    let mut transaction = system.block_on(other.begin()).unwrap();
    system.block_on(sqlx::query(lock).execute(&mut *transaction)).unwrap();
    test();
    system.block_on(transaction.rollback()).unwrap();
}

/// Stops the service and returns its log. The service writes all audit entries before it exits.
fn stop(mut service: Service) -> String {
    service.program.signal("TERM");
    assert_eq!(service.program.wait(), Some(0));
    service.program.end()
}

/// Makes `calls` concurrent calls, passes each its number, and returns the results.
fn concurrently<T: Send>(calls: usize, call: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let call = &call;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..calls).map(|number| scope.spawn(move || call(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[track_caller]
fn expect_503(reply: &Reply, what: &str) {
    assert_eq!(outcome(reply), (503, "Service Unavailable".into(), None), "{what}");
    assert_eq!(reply.header("retry-after").as_deref(), Some("1"), "{what}");
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"), "{what}");
}

fn password_change(token: &str, current: &str, new: &str) -> Request {
    request("PUT", "/users/me/password")
        .bearer(token)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(format!("current_password={current}&new_password={new}"))
}

fn change_password(service: &Service, token: &str, current: &str, new: &str) -> Reply {
    password_change(token, current, new).send(service.address)
}

fn end_session(service: &Service, token: &str, session: &str) -> Reply {
    request("DELETE", &format!("/users/me/sessions/{session}")).bearer(token).send(service.address)
}

fn end_all_sessions(service: &Service, token: &str) -> Reply {
    request("DELETE", "/users/me/sessions").bearer(token).send(service.address)
}

fn session_id(access_token: &str) -> String {
    read(access_token).1["sid"].as_str().expect("a session").to_owned()
}

/// Returns the cookie `name` that a response sets, as `NAME=VALUE`. Its name may have the prefix `__Host-`.
#[track_caller]
fn cookie_named(name: &str, reply: &Reply) -> String {
    let cookies = reply.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case("set-cookie"));
    let mut pairs = cookies.filter_map(|(_, value)| value.split(';').next());
    let is_named = |pair: &&str| pair.trim_start_matches("__Host-").starts_with(&format!("{name}="));
    pairs.find(is_named).unwrap_or_else(|| panic!("no {name}: {reply:?}")).to_owned()
}

/// Posts to /revoke. `more` contains further form fields, such as `&client_id=web`.
fn revoke(service: &Service, token: &str, more: &str) -> Reply {
    post_form("/revoke", format!("token={token}{more}")).send(service.address)
}

/// Returns the form fields with which a client authenticates.
fn client_fields(client_id: &str, secret: &str) -> String {
    format!("&client_id={client_id}&client_secret={secret}")
}

/// Sends a request from `source`, an address in the loopback network.
fn send_from(source: &str, request: &Request, service: &Service) -> Reply {
    let mut stream = TcpStream::from(connect_from(source, service.address));
    stream.write_all(&request.bytes()).unwrap();
    read_reply(&mut stream).expect("a response")
}

/// Returns the token with a wrong signature.
fn with_wrong_signature(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    format!("{signed}.{}", signature.chars().rev().collect::<String>())
}
