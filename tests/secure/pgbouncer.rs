//! PostgreSQL behind PgBouncer, in session and in transaction mode.

use std::{collections::BTreeSet, thread};

use crate::{
    secure::{
        Gatepass, ISSUER, JOHNDOE, SECOND, add_johndoe, concurrently, expect_503, get, new_postgres,
        post_form, revoke, serve, skip, wait_until, with_locked_tables,
    },
    support::{
        pgbouncer::PgBouncer,
        postgres::{Database, psql},
    },
};

/// A query for the settings of a session and the number of its prepared statements. Prepared statements that PgBouncer
/// 1.21 or later creates are not counted.
const SETTINGS: &str = "SELECT pg_backend_pid(), current_setting('statement_timeout'), \
                        current_setting('lock_timeout'), count(name) \
                        FROM pg_sleep(0.05) \
                        LEFT JOIN pg_prepared_statements ON name NOT LIKE 'PGBOUNCER%'";

/// Creates a database behind a PgBouncer with these settings, and returns the program that uses it. If PostgreSQL or
/// PgBouncer is missing, reports the test as skipped and returns `None`.
fn behind(settings: &str) -> Option<(Gatepass, PgBouncer, Database)> {
    let database = new_postgres()?;
    let bouncer = PgBouncer::start(&database, settings).inspect_err(|why| skip(why)).ok()?;
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url = bouncer.url(&database);
    Some((gatepass, bouncer, database))
}

/// Sends requests to two replicas. In transaction mode, the replicas open more connections to PgBouncer than PgBouncer
/// opens to the server.
fn exercise(gatepass: &Gatepass) {
    let arguments = [&ISSUER[..], &["--hash-max-wait", "30000"]].concat();
    let (status, replicas) = thread::scope(|scope| {
        // Both replicas migrate the new database at the same time.
        let replicas = [(); 2].map(|()| scope.spawn(|| serve(gatepass, &arguments)));
        let replicas = replicas.map(|replica| replica.join().unwrap());
        add_johndoe(gatepass);
        (gatepass.run(&["check"]).code, replicas)
    });
    assert_eq!(status, Some(0));
    let [one, other] = &replicas;
    let access = concurrently(6, |_| {
        let tokens = other.refreshed(&one.sign_in_offline().refresh);
        assert_eq!(one.users_me(&tokens.access).status, 200);
        assert_eq!(get("/users/me/sessions").bearer(&tokens.access).send(other.address).status, 200);
        assert_eq!(one.sign_in(&JOHNDOE.replace("passphrase", "mistake")).status, 400);
        assert_eq!(revoke(one, &tokens.refresh, "").status, 200);
        tokens.access
    });
    for token in access {
        wait_until(SECOND, "the revocation reaches the other replica", || {
            other.users_me(&token).status == 401
        });
    }
    gatepass.done(&["users", "remove", "johndoe", "--yes"]);
}

/// Asserts that no client left settings, prepared statements or locks in a PostgreSQL session behind PgBouncer.
fn expect_clean_sessions(url: &str, database: &Database) {
    let mut sessions = BTreeSet::new();
    concurrently(20, |_| psql(url, SETTINGS)).into_iter().for_each(|row| {
        let row = row.unwrap();
        let (session, settings) = row.split_once('|').unwrap();
        sessions.insert(session.to_owned());
        assert_eq!(settings, "0|0|0");
    });
    assert!((2..=3).contains(&sessions.len()), "{sessions:?}");
    // Only locks of this database are counted, because other tests migrate databases on the same server.
    let locks = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database \
                 WHERE locktype = 'advisory' AND datname = current_database()";
    assert_eq!(database.execute(locks), "0");
}

#[test]
fn database_url_without_a_host_uses_pghost() {
    let Some(database) = new_postgres() else { return };
    let Some((_, folder)) = database.url.split_once("?host=") else { return skip("no Unix socket") };
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url = format!("postgres:///{}?user=postgres", database.execute("SELECT current_database()"));
    let listed = gatepass.command(&["users", "list"]).env("PGHOST", folder).output().unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
}

#[test]
fn service_works_behind_pgbouncer_in_session_mode() {
    let Some((gatepass, _bouncer, _database)) = behind("pool_mode = session\ndefault_pool_size = 60") else {
        return;
    };
    exercise(&gatepass);
}

#[test]
fn service_works_behind_pgbouncer_in_transaction_mode() {
    for settings in ["", "ignore_startup_parameters = options,extra_float_digits"] {
        let settings = format!("pool_mode = transaction\ndefault_pool_size = 3\n{settings}");
        let Some((gatepass, _bouncer, database)) = behind(&settings) else { return };
        exercise(&gatepass);
        expect_clean_sessions(&gatepass.url, &database);
    }
}

#[test]
fn service_works_behind_an_undetected_pooler_with_a_statement_cache_capacity_of_zero() {
    // Gatepass cannot detect the pooler, because the database itself has the setting whose absence would reveal it.
    let settings = "pool_mode = transaction\ndefault_pool_size = 3\nignore_startup_parameters = options";
    let Some(database) = new_postgres() else { return };
    let name = database.execute("SELECT current_database()");
    database.execute(&format!("ALTER DATABASE {name} SET gatepass.session = 'on'"));
    let bouncer = match PgBouncer::start(&database, settings) {
        Ok(bouncer) => bouncer,
        Err(why) => return skip(why),
    };
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url = format!("{}&statement-cache-capacity=0", bouncer.url(&database));
    exercise(&gatepass);
    expect_clean_sessions(&bouncer.url(&database), &database);
}

#[test]
fn statements_behind_pgbouncer_have_time_limits() {
    let Some((mut gatepass, bouncer, database)) = behind("pool_mode = transaction") else { return };
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &[]);
    let token = service.token(JOHNDOE);
    assert_eq!(service.users_me(&token).status, 200);
    gatepass.url = database.url.clone();
    with_locked_tables(&gatepass, "LOCK TABLE users, sessions", || {
        expect_503(&post_form("/token", JOHNDOE).send(service.address), "sign-in");
        assert_eq!(service.users_me(&token).status, 200);
    });
    service.token(JOHNDOE);
    drop(bouncer);
    expect_503(&post_form("/token", JOHNDOE).send(service.address), "sign-in without PgBouncer");
}
