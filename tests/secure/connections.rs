//! A PostgreSQL server that becomes read-only or whose tables change while the service is running, and a SQLite file
//! that another user owns.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    time::Instant,
};

use crate::secure::{
    JOHNDOE, SECOND, get, on_postgres, ops::OPS, ops::ops_address, serve, skip, sqlite_with_johndoe,
    wait_until,
};

#[test]
fn service_is_not_ready_and_refuses_sign_ins_while_postgresql_is_read_only() {
    let Some(gatepass) = on_postgres() else { return };
    let service = serve(&gatepass, &OPS);
    let ops = ops_address(&service);
    let is_ready = || get("/health/ready").send(ops).status == 200;
    service.token(JOHNDOE);
    assert!(is_ready());

    // New connections are read-only, as on a standby, and stay read-only after the setting is reset.
    let admin = gatepass.postgres();
    let name = admin.execute("SELECT current_database()");
    admin.execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    wait_until(60 * SECOND, "a sign-in is refused", || service.sign_in(JOHNDOE).status == 503);
    wait_until(60 * SECOND, "the service is not ready", || !is_ready());

    admin.execute(&format!(
        "SET TRANSACTION READ WRITE; ALTER DATABASE {name} RESET default_transaction_read_only"
    ));
    wait_until(60 * SECOND, "a sign-in succeeds", || service.sign_in(JOHNDOE).status == 200);
    wait_until(60 * SECOND, "the service is ready", is_ready);
    // Each connection that is still read-only fails once.
    let statuses: Vec<_> = (0..30).map(|_| service.sign_in(JOHNDOE).status).collect();
    assert!(statuses[20..].iter().all(|status| *status == 200), "{statuses:?}");
}

#[test]
fn sign_in_succeeds_after_a_column_type_changes() {
    let Some(gatepass) = on_postgres() else { return };
    let service = serve(&gatepass, &[]);
    for _ in 0..3 {
        service.token(JOHNDOE);
    }
    gatepass.postgres().execute("ALTER TABLE users ALTER COLUMN full_name TYPE varchar(400)");
    for _ in 0..3 {
        service.token(JOHNDOE);
    }
}

#[test]
fn error_for_a_sqlite_file_owned_by_another_user_names_the_file_and_both_users() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can run a program as another user");
    }
    let gatepass = sqlite_with_johndoe();
    fs::set_permissions(gatepass.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let start = Instant::now();
    let output = gatepass.command(&["users", "list"]).uid(65532).gid(65532).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(start.elapsed() < 5 * SECOND, "{:?}", start.elapsed());
    for words in ["gatepass.db: ", "owned by uid 0; running as uid 65532"] {
        assert!(error.contains(words), "no {words:?} in {error}");
    }
}
