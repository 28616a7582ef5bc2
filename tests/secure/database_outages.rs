//! Outages of PostgreSQL: the server is stopped, killed, unreachable or out of connections, or its tables are locked.
//! Requests return 503 within the documented time, cached tokens are accepted for a limited time, and the service
//! recovers without a restart.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    secure::{
        Gatepass, ISSUER, JOHNDOE, PostgresProxy, Request, SECOND, Service, Tokens, add_johndoe,
        concurrently, end_session, expect_503, get, on_postgres, on_sqlite, password_change, post_form,
        proxied_postgres, request, rows, serve, serve_command, session_id, skip, throughout, wait_until,
        with_locked_tables, within,
    },
    support::postgres::Server,
};

/// The maximum wait for the database according to docs/reliability.md, plus a tolerance for a busy machine.
const LIMIT: Duration = Duration::from_secs(12);

/// Returns one request of each kind that needs the database.
fn requests(tokens: &Tokens, uncached: &str) -> [(&'static str, Request); 7] {
    let bearer = |request: Request| request.bearer(&tokens.access);
    let change = password_change(&tokens.access, "johndoe's+own+passphrase", "another+own+passphrase");
    let refresh = format!("grant_type=refresh_token&refresh_token={}", tokens.refresh);
    [
        ("sign-in", post_form("/token", JOHNDOE)),
        ("refresh", post_form("/token", refresh)),
        ("uncached token", get("/users/me").bearer(uncached)),
        ("list of sessions", bearer(get("/users/me/sessions"))),
        ("end of a session", bearer(request("DELETE", "/users/me/sessions/none"))),
        ("password change", change),
        ("revocation", post_form("/revoke", format!("token={}", tokens.refresh))),
    ]
}

/// Sends all kinds of requests concurrently, and asserts that each returns 503 within [`LIMIT`].
#[track_caller]
fn expect_unavailable(service: &Service, tokens: &Tokens, uncached: &str) {
    let slowest = thread::scope(|scope| {
        let sent = requests(tokens, uncached).map(|(kind, request)| {
            scope.spawn(move || {
                let start = Instant::now();
                expect_503(&request.send(service.address), kind);
                start.elapsed()
            })
        });
        sent.map(|thread| thread.join().unwrap()).into_iter().max().unwrap()
    });
    eprintln!("all kinds of requests got 503 within {slowest:.1?}");
    assert!(slowest < LIMIT, "expected all responses within {LIMIT:?}, but the slowest took {slowest:?}");
}

/// Asserts that tokens are accepted again within five seconds and that sign-ins and refreshes succeed. Returns the
/// refreshed tokens.
#[track_caller]
fn expect_recovery(service: &Service, tokens: &Tokens, uncached: &str) -> Tokens {
    let start = Instant::now();
    wait_until(5 * SECOND, "the service recovers", || {
        [&tokens.access, uncached].iter().all(|token| service.users_me(token).status == 200)
    });
    eprintln!("recovered after {:.1?}", start.elapsed());
    service.token(JOHNDOE);
    service.refreshed(&tokens.refresh)
}

/// Asserts that the log is short and does not contain the database password.
#[track_caller]
fn expect_short_log(service: Service, since: Instant) {
    let log = service.program.end();
    assert!(!log.contains("hush"), "{log}");
    let lines = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count();
    assert!(lines as u64 <= 10 + 4 * since.elapsed().as_secs(), "{lines} lines:\n{log}");
}

/// The name of a fault, and the functions that begin and end it.
type Fault = (&'static str, fn(&mut Server), fn(&mut Server));

#[test]
fn requests_return_503_while_postgresql_is_stopped_or_killed_or_out_of_connections() {
    fn limit_connections(server: &mut Server) {
        server.execute("ALTER ROLE gatepass CONNECTION LIMIT 0");
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gatepass'");
    }
    let mut server = match Server::create() {
        Ok(server) => server,
        Err(why) => return skip(why),
    };
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url = server.url();
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &["--token-cache-max-staleness", "1"]);
    let (mut tokens, start) = (service.sign_in_offline(), Instant::now());
    let restart: fn(&mut Server) = |server| server.start("").unwrap();
    let faults: [Fault; 3] = [
        ("stopped", Server::stop, restart),
        ("killed", Server::kill, restart),
        ("out of connections", limit_connections, |server| {
            server.execute("ALTER ROLE gatepass CONNECTION LIMIT -1");
        }),
    ];
    for (fault, begin, end) in faults {
        let uncached = service.token(JOHNDOE);
        assert_eq!(service.users_me(&tokens.access).status, 200);
        begin(&mut server);
        wait_until(4 * SECOND, fault, || service.users_me(&tokens.access).status == 503);
        expect_unavailable(&service, &tokens, &uncached);
        concurrently(30, |_| assert_eq!(service.users_me(&uncached).status, 503));
        end(&mut server);
        tokens = expect_recovery(&service, &tokens, &uncached);
    }
    expect_short_log(service, start);
}

#[test]
fn requests_return_503_while_tables_are_locked_but_cached_tokens_are_accepted() {
    let Some(mut gatepass) = on_postgres() else { return };
    gatepass.url.push_str("&options[lock_timeout]=1s");
    let service = serve(&gatepass, &["--workers", "2"]);
    let (tokens, uncached) = (service.sign_in_offline(), service.token(JOHNDOE));
    assert_eq!(service.users_me(&tokens.access).status, 200);
    let start = Instant::now();
    with_locked_tables(&gatepass, "LOCK TABLE users, clients, sessions, revoked_tokens", || {
        thread::scope(|scope| {
            let waiting = scope.spawn(|| expect_unavailable(&service, &tokens, &uncached));
            for _ in 0..50 {
                assert_eq!(service.users_me(&tokens.access).status, 200);
            }
            assert!(!waiting.is_finished(), "requests with cached tokens waited for the database");
            waiting.join().unwrap();
        });
    });
    expect_recovery(&service, &tokens, &uncached);
    expect_short_log(service, start);
}

#[test]
fn service_opens_at_most_three_more_connections_than_configured() {
    let Some(gatepass) = on_postgres() else { return };
    // The change feed, the audit trail and `/health/ready` have connections of their own.
    for (arguments, most) in [(&["--database-connections", "1"][..], 1 + 3), (&[], 10 + 3)] {
        let service = serve(&gatepass, arguments);
        let tokens = service.sign_in_offline();
        concurrently(20, |_| {
            for _ in 0..5 {
                let reply = get("/users/me/sessions").bearer(&tokens.access).send(service.address);
                assert_eq!(reply.status, 200, "{arguments:?}");
            }
        });
        let query = "SELECT pid::text FROM pg_stat_activity \
                     WHERE datname = current_database() AND application_name = 'gatepass'";
        let count = rows(&gatepass, query).len();
        assert!((2..=most).contains(&count), "{arguments:?}: {count} connections");
    }
}

const MAX_STALENESS: Duration = Duration::from_secs(2);

/// The maximum delay until the service notices that its token cache is too old.
const TOLERANCE: Duration = Duration::from_millis(300);

/// Sends a cached token until the service returns 503. Returns how long after `start` the last request that returned
/// 200 and the first request that returned 503 were sent.
fn watch(service: &Service, token: &str, start: Instant) -> [Duration; 2] {
    let mut last_200 = Duration::ZERO;
    within(MAX_STALENESS + 2 * SECOND, "cached tokens are refused", || {
        let sent = start.elapsed();
        let reply = service.users_me(token);
        if reply.status == 200 {
            last_200 = sent;
            return None;
        }
        expect_503(&reply, "cached token");
        Some([last_200, sent])
    })
}

fn check_outage(begin: fn(&PostgresProxy)) {
    let Some((gatepass, proxy, database)) = proxied_postgres() else { return };
    add_johndoe(&gatepass);
    let mut direct = serve_command(&gatepass, &ISSUER);
    let reachable = Service::run(direct.env("GATEPASS_DATABASE_URL", &database.url));
    let cut_off =
        serve(&gatepass, &[&ISSUER[..], &["--token-cache-max-staleness", "2", "--workers", "4"]].concat());
    let [token, revoked, uncached] = [(); 3].map(|()| reachable.token(JOHNDOE));
    for token in [&token, &revoked] {
        assert_eq!(cut_off.users_me(token).status, 200);
    }

    begin(&proxy);
    let start = Instant::now();
    assert_eq!(end_session(&reachable, &token, &session_id(&revoked)).status, 204);
    assert_eq!(reachable.users_me(&revoked).status, 401);
    thread::scope(|scope| {
        let unknown = scope.spawn(|| (cut_off.users_me(&uncached).status, start.elapsed()));
        let cached = [&token, &revoked].map(|token| scope.spawn(|| watch(&cut_off, token, start)));
        for [last_200, first_503] in cached.map(|thread| thread.join().unwrap()) {
            eprintln!("last 200 after {last_200:.2?}, first 503 after {first_503:.2?}");
            assert!(
                first_503 > MAX_STALENESS - SECOND,
                "cached tokens were refused too early: {first_503:?}"
            );
            assert!(
                last_200 < MAX_STALENESS + TOLERANCE,
                "cached tokens were accepted for too long: {last_200:?}"
            );
        }
        let (status, after) = unknown.join().unwrap();
        assert!(
            status == 503 && after < 7 * SECOND,
            "expected 503 for an uncached token, got {status} after {after:?}"
        );
    });
    for token in [&token, &revoked, &uncached] {
        assert_eq!(cut_off.users_me(token).status, 503);
    }

    proxy.open();
    wait_until(5 * SECOND, "the service recovers", || {
        let [revoked, active] = [&revoked, &token].map(|token| cut_off.users_me(token).status);
        assert!(matches!(revoked, 401 | 503), "{revoked}: a revoked token was accepted");
        assert!(matches!(active, 200 | 503), "{active}");
        active == 200
    });
    assert_eq!(cut_off.users_me(&revoked).status, 401);
    assert_eq!(cut_off.users_me(&uncached).status, 200);
    cut_off.token(JOHNDOE);
    let log = cut_off.program.end();
    assert!(!log.contains("hush"), "{log}");
    assert_eq!(log.matches("lost the change feed").count(), 1, "{log}");
    assert_eq!(log.matches("reconnected to the change feed").count(), 1, "{log}");
}

#[test]
fn cached_tokens_are_accepted_until_max_staleness_while_the_database_refuses_connections() {
    check_outage(PostgresProxy::close);
}

#[test]
fn cached_tokens_are_accepted_until_max_staleness_while_the_database_does_not_respond() {
    check_outage(PostgresProxy::block);
}

#[test]
fn outage_shorter_than_max_staleness_does_not_affect_cached_tokens() {
    let Some((gatepass, proxy, _database)) = proxied_postgres() else { return };
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &[]);
    let token = service.token(JOHNDOE);
    assert_eq!(service.users_me(&token).status, 200);
    for outage in [PostgresProxy::close, PostgresProxy::block] {
        outage(&proxy);
        throughout(SECOND, || assert_eq!(service.users_me(&token).status, 200));
        proxy.open();
    }
    // The change feed works again.
    gatepass.done(&["users", "remove", "johndoe", "--yes"]);
    wait_until(SECOND, "johndoe is removed", || service.users_me(&token).status == 401);
}

#[test]
fn service_resumed_after_max_staleness_accepts_no_revoked_token() {
    let (gatepass, running) = on_sqlite(&ISSUER);
    let paused = serve(&gatepass, &[&ISSUER[..], &["--token-cache-max-staleness", "1"]].concat());
    let [token, revoked] = [(); 2].map(|()| running.token(JOHNDOE));
    for token in [&token, &revoked] {
        assert_eq!(paused.users_me(token).status, 200);
    }
    paused.program.signal("STOP");
    assert_eq!(end_session(&running, &token, &session_id(&revoked)).status, 204);
    thread::scope(|scope| {
        // These requests are queued when the service resumes.
        let queued = [(); 8].map(|()| scope.spawn(|| paused.users_me(&revoked).status));
        // Cache deadlines are rounded up to a full second.
        throughout(2 * SECOND + TOLERANCE, || assert_eq!(running.users_me(&revoked).status, 401));
        paused.program.signal("CONT");
        let statuses = queued.map(|thread| thread.join().unwrap());
        assert!(statuses.iter().all(|status| matches!(status, 401 | 503)), "{statuses:?}");
    });
    wait_until(SECOND, "the service resumes", || paused.users_me(&token).status == 200);
    assert_eq!(paused.users_me(&revoked).status, 401);
}
