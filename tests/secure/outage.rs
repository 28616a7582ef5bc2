//! A database out of reach: who is known is recognised for a while, and then nobody.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    http::request,
    postgres_proxy::PostgresProxy,
    program::Gatepass,
    secure_profile::{
        JOHNDOE, SECOND, Service, add_johndoe, outcome, postgres_behind_proxy, read, serve, serve_command,
        within,
    },
};

const ISSUER: [&str; 2] = ["--issuer", "https://auth.example.com"];

/// How old what is known may be.
const MAX_STALENESS: Duration = Duration::from_secs(2);

/// How much later than that it may be noticed.
const SLACK: Duration = Duration::from_millis(300);

/// What a token was answered from the outage on.
#[derive(Debug)]
struct Seen {
    /// The last request that was answered 200 was sent so long after the outage began.
    last_good: Duration,
    first_bad: Duration,
}

/// Asks until the answer is 503.
fn watch(service: &Service, token: &str, cut: Instant) -> Seen {
    let mut last_good = Duration::ZERO;
    within(MAX_STALENESS + 2 * SECOND, "nobody is recognised", || {
        let asked = cut.elapsed();
        let reply = service.users_me(token);
        if reply.status == 200 {
            last_good = asked;
            return None;
        }
        assert_eq!(outcome(&reply), (503, "Service Unavailable".into(), None));
        assert_eq!(reply.header("retry-after").as_deref(), Some("1"));
        assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
        Some(Seen { last_good, first_bad: asked })
    })
}

fn an_outage(test: &str, kind: &str, begin: fn(&PostgresProxy)) {
    let Some((by_the_way, way, database)) = postgres_behind_proxy(test) else { return };
    let mut direct = Gatepass::on_sqlite();
    direct.url.clone_from(&database.url);
    add_johndoe(&direct);
    let reachable = serve(&direct, &ISSUER);
    // The same keys by another way.
    let mut command = serve_command(&direct, &[&ISSUER[..], &["--token-cache-max-staleness", "2"]].concat());
    let cut_off =
        Service::run(command.env("GATEPASS_DATABASE_URL", &by_the_way.url).env("GATEPASS_WORKERS", "4"));

    let [token, doomed, unknown] = [(); 3].map(|()| reachable.token(JOHNDOE));
    for token in [&token, &doomed] {
        assert_eq!(cut_off.users_me(token).status, 200);
    }

    begin(&way);
    let cut = Instant::now();
    let one = format!("/users/me/sessions/{}", session_id(&doomed));
    let ended = request("DELETE", &one).bearer(&token).send(reachable.address);
    assert_eq!(ended.status, 204);
    assert_eq!(reachable.users_me(&doomed).status, 401, "at once where it was done");
    thread::scope(|scope| {
        // Who is not known is told soon that nobody can say, and is not let in.
        let asked = scope.spawn(|| (cut_off.users_me(&unknown).status, cut.elapsed()));
        let seen = [&token, &doomed].map(|token| scope.spawn(|| watch(&cut_off, token, cut)));
        for seen in seen.map(|seen| seen.join().unwrap()) {
            eprintln!("{kind}: {seen:?}");
            assert!(seen.first_bad > MAX_STALENESS - SECOND, "too early: {seen:?}");
            assert!(seen.last_good < MAX_STALENESS + SLACK, "too late: {seen:?}");
        }
        let (status, after) = asked.join().unwrap();
        eprintln!("{kind}: an unknown token: {status} after {after:?}");
        assert_eq!(status, 503);
        // TIMEOUT of the pool, and a bit.
        assert!(after < 7 * SECOND, "{after:?}");
    });

    // It stays so until the database is back, however long that takes.
    for token in [&token, &doomed, &unknown] {
        assert_eq!(cut_off.users_me(token).status, 503);
    }
    way.open();
    let opened = Instant::now();
    within(5 * SECOND, "the database is back", || {
        let (dead, alive) = (cut_off.users_me(&doomed).status, cut_off.users_me(&token).status);
        assert!(matches!(dead, 401 | 503), "{dead}: a dead token came back to life");
        assert!(matches!(alive, 200 | 503), "{alive}");
        (alive == 200).then_some(())
    });
    eprintln!("{kind}: back after {:?}", opened.elapsed());
    assert_eq!(cut_off.users_me(&doomed).status, 401);
    assert_eq!(cut_off.users_me(&unknown).status, 200);
    cut_off.token(JOHNDOE);
    let log = cut_off.program.end();
    assert!(!log.contains("hush"), "a log without the password");
    assert_eq!(log.matches("lost the change feed").count(), 1, "{log}");
    assert_eq!(log.matches("the change feed is back").count(), 1, "{log}");
}

fn session_id(token: &str) -> String {
    read(token).1["sid"].as_str().unwrap().to_owned()
}

#[test]
fn a_database_that_refuses_is_503_once_what_is_known_is_too_old() {
    let test = "a_database_that_refuses_is_503_once_what_is_known_is_too_old";
    an_outage(test, "refused", PostgresProxy::close);
}

#[test]
fn a_database_that_never_answers_is_503_once_what_is_known_is_too_old() {
    let test = "a_database_that_never_answers_is_503_once_what_is_known_is_too_old";
    an_outage(test, "silent", PostgresProxy::block);
}

#[test]
fn an_outage_that_ends_soon_is_not_noticed() {
    let test = "an_outage_that_ends_soon_is_not_noticed";
    let Some((gatepass, way, _database)) = postgres_behind_proxy(test) else { return };
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &[]);
    let token = service.token(JOHNDOE);
    assert_eq!(service.users_me(&token).status, 200);
    for outage in [PostgresProxy::close, PostgresProxy::block] {
        outage(&way);
        let start = Instant::now();
        while start.elapsed() < 2 * SECOND {
            assert_eq!(service.users_me(&token).status, 200, "after {:?}", start.elapsed());
        }
        way.open();
    }
    // It hears again what others write.
    gatepass.done(&["users", "remove", "johndoe", "--yes"]);
    within(SECOND, "johndoe is gone", || (service.users_me(&token).status == 401).then_some(()));
}

#[test]
fn a_service_that_was_stopped_for_long_takes_no_dead_token_when_it_goes_on() {
    let test = "a_service_that_was_stopped_for_long_takes_no_dead_token_when_it_goes_on";
    Gatepass::on_both(test, |gatepass| {
        add_johndoe(gatepass);
        let reachable = serve(gatepass, &ISSUER);
        let stopped = serve(gatepass, &[&ISSUER[..], &["--token-cache-max-staleness", "1"]].concat());
        let [token, doomed] = [(); 2].map(|()| reachable.token(JOHNDOE));
        for token in [&token, &doomed] {
            assert_eq!(stopped.users_me(token).status, 200);
        }
        stopped.program.signal("STOP");
        let one = format!("/users/me/sessions/{}", session_id(&doomed));
        let ended = request("DELETE", &one).bearer(&token).send(reachable.address);
        assert_eq!(ended.status, 204);
        thread::sleep(2 * SECOND + SLACK);
        thread::scope(|scope| {
            // They lie there when it goes on.
            let asked = [(); 8].map(|()| scope.spawn(|| stopped.users_me(&doomed).status));
            thread::sleep(SLACK);
            stopped.program.signal("CONT");
            let statuses = asked.map(|asked| asked.join().unwrap());
            assert!(statuses.iter().all(|status| matches!(status, 401 | 503)), "{statuses:?}");
        });
        within(SECOND, "it goes on", || (stopped.users_me(&token).status == 200).then_some(()));
        assert_eq!(stopped.users_me(&doomed).status, 401);
    });
}
