//! PostgreSQL that is stopped, killed, slow, full up or silent: 503 in time, and recovery by itself.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    http::{Reply, get, request},
    left_out,
    postgres::{self, Server},
    program::Gatepass,
    secure_profile::{
        JOHNDOE, SECOND, Service, Tokens, add_johndoe, outcome, postgres_behind_proxy, serve, within,
    },
};

/// Nobody waits longer for the database, as docs/PRODUCTION.md says; and a bit for a machine that is busy.
const LIMIT: Duration = Duration::from_secs(12);

/// Every kind of request that needs the database.
const KINDS: [&str; 7] = [
    "a sign-in",
    "a refresh",
    "an unknown token",
    "the sessions",
    "the end of a session",
    "a new password",
    "a revocation",
];

fn ask(service: &Service, kind: &str, tokens: &Tokens, unknown: &str) -> Reply {
    let bearer = |request: crate::support::http::Request| request.bearer(&tokens.access);
    match kind {
        "a sign-in" => service.sign_in(JOHNDOE),
        "a refresh" => service.refresh(&tokens.refresh, ""),
        "an unknown token" => service.users_me(unknown),
        "the sessions" => bearer(get("/users/me/sessions")).send(service.address),
        "the end of a session" => bearer(request("DELETE", "/users/me/sessions/none")).send(service.address),
        "a new password" => {
            let form = "current_password=johndoe's+own+passphrase&new_password=another+own+passphrase";
            let form = bearer(request("PUT", "/users/me/password")).body(form);
            form.header("Content-Type", "application/x-www-form-urlencoded").send(service.address)
        }
        "a revocation" => crate::support::http::post_form("/revoke", format!("token={}", tokens.refresh))
            .send(service.address),
        _ => unreachable!("{kind}"),
    }
}

/// Asks all kinds of things at once: each is answered 503, in JSON and in time. How long the slowest one took.
#[track_caller]
fn expect_unavailable(service: &Service, tokens: &Tokens, unknown: &str) -> Duration {
    let asked: Vec<_> = thread::scope(|scope| {
        let asked = KINDS.map(|kind| {
            scope.spawn(move || {
                let start = Instant::now();
                (kind, ask(service, kind, tokens, unknown), start.elapsed())
            })
        });
        asked.map(|asked| asked.join().unwrap()).into()
    });
    for (kind, reply, after) in &asked {
        assert_eq!(outcome(reply), (503, "Service Unavailable".into(), None), "{kind}");
        assert_eq!(reply.header("retry-after").as_deref(), Some("1"), "{kind}");
        assert_eq!(reply.header("content-type").as_deref(), Some("application/json"), "{kind}");
        assert!(*after < LIMIT, "{kind}: {after:?}");
    }
    asked.iter().map(|(.., after)| *after).max().unwrap()
}

/// Whoever was known is again, and new ones are, within this.
#[track_caller]
fn expect_recovery(service: &Service, tokens: &Tokens, unknown: &str, limit: Duration) {
    let start = Instant::now();
    within(limit, "it is back", || {
        let statuses = [&tokens.access, unknown].map(|token| service.users_me(token).status);
        statuses.iter().all(|status| *status == 200).then_some(())
    });
    eprintln!("recovered after {:?}", start.elapsed());
    let next = service.refreshed(&tokens.refresh);
    assert_eq!(service.users_me(&next.access).status, 200);
    service.token(JOHNDOE);
}

/// The log says what is wrong, not for every request, and not the password.
#[track_caller]
fn expect_few_lines(service: Service, seconds: u64) {
    let log = service.program.end();
    assert!(!log.contains("hush"), "a log without the password");
    let lines = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count();
    assert!(lines as u64 <= 10 + 4 * seconds, "{lines} lines:\n{log}");
}

/// A server that breaks and is mended: a service on it, with a user and tokens.
fn broken(test: &str, breaks: fn(&mut Server), mends: fn(&mut Server)) {
    let mut server = match Server::create() {
        Ok(server) => server,
        Err(why) => return left_out(test, &why),
    };
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url = server.url();
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &["--token-cache-max-staleness", "1"]);
    let (tokens, unknown) = (service.sign_in_offline(), service.token(JOHNDOE));
    assert_eq!(service.users_me(&tokens.access).status, 200);

    breaks(&mut server);
    thread::sleep(2 * SECOND);
    let start = Instant::now();
    let slowest = expect_unavailable(&service, &tokens, &unknown);
    assert_eq!(service.users_me(&tokens.access).status, 503, "what is known is too old");
    eprintln!("{test}: the slowest of all was answered after {slowest:?}");
    // A storm.
    thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| assert_eq!(service.users_me(&unknown).status, 503));
        }
    });
    mends(&mut server);
    expect_recovery(&service, &tokens, &unknown, 5 * SECOND);
    expect_few_lines(service, start.elapsed().as_secs());
}

#[test]
fn a_server_that_is_stopped_and_started_again() {
    let start = |server: &mut Server| server.start("").unwrap();
    broken("a_server_that_is_stopped_and_started_again", Server::stop, start);
}

#[test]
fn a_server_that_is_killed_and_started_again() {
    let start = |server: &mut Server| server.start("").unwrap();
    broken("a_server_that_is_killed_and_started_again", Server::kill, start);
}

#[test]
fn a_server_that_has_no_connections_left() {
    fn take_all(server: &mut Server) {
        server.execute("ALTER ROLE gatepass CONNECTION LIMIT 0");
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gatepass'");
    }
    fn give_back(server: &mut Server) {
        server.execute("ALTER ROLE gatepass CONNECTION LIMIT -1");
    }
    broken("a_server_that_has_no_connections_left", take_all, give_back);
}

#[test]
fn a_server_that_is_slow() {
    let test = "a_server_that_is_slow";
    let database = match postgres::Database::create() {
        Ok(database) => database,
        Err(why) => return left_out(test, &why),
    };
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url.clone_from(&database.url);
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &[]);
    let (tokens, unknown) = (service.sign_in_offline(), service.token(JOHNDOE));
    assert_eq!(service.users_me(&tokens.access).status, 200);
    thread::scope(|scope| {
        let lock = "BEGIN; LOCK users, sessions, revoked_tokens IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(14); COMMIT";
        let lock = scope.spawn(|| database.execute(lock));
        thread::sleep(SECOND);
        let slowest = expect_unavailable(&service, &tokens, &unknown);
        eprintln!("{test}: the slowest of all was answered after {slowest:?}");
        assert_eq!(service.users_me(&tokens.access).status, 200, "who is known waits for nothing");
        lock.join().unwrap();
    });
    expect_recovery(&service, &tokens, &unknown, 5 * SECOND);
    expect_few_lines(service, 15);
}

#[test]
fn a_service_takes_no_more_connections_than_it_may() {
    let database = match postgres::Database::create() {
        Ok(database) => database,
        Err(why) => return left_out("a_service_takes_no_more_connections_than_it_may", &why),
    };
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url.clone_from(&database.url);
    add_johndoe(&gatepass);
    // Those that requests share, and up to four that are for what does not wait.
    for (arguments, most) in [(&["--database-connections", "1"][..], 1 + 4), (&[], 10 + 4)] {
        let service = serve(&gatepass, arguments);
        let tokens = service.sign_in_offline();
        let ask = || get("/users/me/sessions").bearer(&tokens.access).send(service.address).status;
        let asked: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..20).map(|_| scope.spawn(|| [(); 10].map(|()| ask()))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert!(asked.iter().all(|status| *status == 200), "{arguments:?}: {asked:?}");
        let count = "SELECT count(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND application_name = 'gatepass'";
        let count: usize = database.execute(count).trim().parse().unwrap();
        eprintln!("{arguments:?}: {count} connections");
        assert!((2..=most).contains(&count), "{arguments:?}: {count} connections");
    }
}

#[test]
fn connections_that_fall_silent_for_good() {
    let test = "connections_that_fall_silent_for_good";
    let Some((gatepass, way, _database)) = postgres_behind_proxy(test) else { return };
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &["--token-cache-max-staleness", "1"]);
    let (tokens, unknown) = (service.sign_in_offline(), service.token(JOHNDOE));
    let sign_ins = |count: usize| {
        thread::scope(|scope| {
            let sign_in = || {
                let start = Instant::now();
                (service.sign_in(JOHNDOE).status, start.elapsed())
            };
            let asked: Vec<_> = (0..count).map(|_| scope.spawn(sign_in)).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
        })
    };
    // All connections of the pool are there, and lie idle.
    sign_ins(40);
    way.drop_silently();
    let answers = sign_ins(20);
    eprintln!("silent while idle: {answers:?}");
    assert!(
        answers.iter().all(|(status, after)| matches!(status, 200 | 503) && *after < LIMIT),
        "{answers:?}"
    );
    expect_recovery(&service, &tokens, &unknown, 5 * SECOND);

    // In the middle of statements, and of coming back to the pool.
    for _ in 0..2 {
        thread::scope(|scope| {
            let busy = scope.spawn(|| sign_ins(60));
            thread::sleep(Duration::from_millis(150));
            way.drop_silently();
            let answers = busy.join().unwrap();
            let slowest = answers.iter().map(|(_, after)| *after).max().unwrap();
            let refused = answers.iter().filter(|(status, _)| *status == 503).count();
            eprintln!("silent while busy: {refused} of 60 are 503, the slowest after {slowest:?}");
            assert!(slowest < LIMIT, "{slowest:?}");
        });
        let unknown = service.token(JOHNDOE);
        within(3 * SECOND, "it is back", || (service.users_me(&unknown).status == 200).then_some(()));
        assert!(sign_ins(10).iter().all(|(status, _)| *status == 200));
    }
    expect_few_lines(service, 20);
}
