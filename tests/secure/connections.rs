//! Connections to a PostgreSQL server that becomes read-only, or whose tables change, while the service runs; and databases
//! that cannot be opened.

use std::time::Duration;

use crate::support::{
    http::get,
    new_postgres,
    program::Gatepass,
    secure_profile::{JOHNDOE, SECOND, access_token, add_johndoe, serve},
    wait::wait_until,
};

#[test]
fn service_is_not_ready_and_refuses_sign_ins_while_postgresql_is_read_only() {
    let Some(database) = new_postgres() else { return };
    let name = database.execute("SELECT current_database()").trim().to_owned();
    let disconnect = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    let gatepass = Gatepass::on_postgres(database);
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &["--ops-bind", "127.0.0.1:0"]);
    let ops = service.program.address_after("health checks and metrics on http://");
    let is_ready = || get("/health/ready").send(ops).status == 200;
    access_token(&service.sign_in(JOHNDOE));
    assert!(is_ready());

    // New connections are read-only, as on a standby, and stay read-only after the setting is reset.
    let admin = gatepass.postgres();
    admin.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    admin.execute(&disconnect);
    wait_until(60 * SECOND, "a refused sign-in", || service.sign_in(JOHNDOE).status == 503);
    wait_until(60 * SECOND, "the service is not ready", || !is_ready());

    admin.execute(&format!(
        "SET TRANSACTION READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only"
    ));
    wait_until(60 * SECOND, "a sign-in", || service.sign_in(JOHNDOE).status == 200);
    wait_until(60 * SECOND, "the service is ready", is_ready);
    // Each connection that is still read-only fails once.
    let statuses: Vec<_> = (0..30).map(|_| service.sign_in(JOHNDOE).status).collect();
    assert!(statuses[20..].iter().all(|status| *status == 200), "{statuses:?}");
}

#[test]
fn sign_in_succeeds_after_the_type_of_a_column_changed() {
    let Some(database) = new_postgres() else { return };
    let gatepass = Gatepass::on_postgres(database);
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &[]);
    for _ in 0..3 {
        access_token(&service.sign_in(JOHNDOE));
    }
    gatepass.postgres().execute("ALTER TABLE users ALTER COLUMN full_name TYPE varchar(400)");
    for _ in 0..3 {
        access_token(&service.sign_in(JOHNDOE));
    }
}

#[test]
fn error_for_an_unreachable_postgresql_server_names_host_and_port() {
    let mut gatepass = Gatepass::on_sqlite();
    let address = crate::support::secure_profile::free_address();
    gatepass.url = format!("postgres://gatepass:hush@{address}/gatepass");
    gatepass
        .run(&["users", "list"])
        .fails(1, &[&format!("cannot open the database gatepass at {address}: ")]);
}

#[test]
#[cfg(unix)]
fn error_for_a_sqlite_file_of_another_user_names_file_and_users() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    if !rustix::process::geteuid().is_root() {
        return crate::support::skip("only root can run a program as another user");
    }
    let gatepass = Gatepass::on_sqlite();
    add_johndoe(&gatepass);
    std::fs::set_permissions(gatepass.folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let start = std::time::Instant::now();
    let output = gatepass.command(&["users", "list"]).uid(65532).gid(65532).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    for words in ["gatepass.db: ", "owned by uid 0; running as uid 65532"] {
        assert!(error.contains(words), "no {words:?} in {error}");
    }
}
