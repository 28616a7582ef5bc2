//! PostgreSQL outages: every call ends in time while the database does not respond or refuses connections, and the pool
//! recovers afterwards.

use std::time::{Duration, Instant};

use actix_web::rt::{System, spawn};
use futures_util::future::join_all;
use gatepass::{
    Username,
    events::EventKind,
    sql::{Actor, Database, SqlAudit, SqlUsers},
};

use crate::{
    contract::sql::{account, add},
    support::{postgres_proxy::PostgresProxy, secure_profile::proxied_postgres, wait::eventually},
};

const SECOND: Duration = Duration::from_secs(1);
/// The time within which every call must end, with a margin for a busy machine.
const LIMIT: Duration = Duration::from_secs(12);

/// Runs a test with a database behind a proxy.
fn through_proxy(run: impl AsyncFn(Database, &PostgresProxy)) {
    if let Some((gatepass, proxy, _database)) = proxied_postgres() {
        System::new().block_on(async { run(Database::open(&gatepass.url).await.unwrap(), &proxy).await });
    }
}

/// Adds and finds a user `count` times concurrently, and returns the number of successes. Asserts that all calls end in
/// time, and that all errors are temporary.
async fn call(users: &SqlUsers, count: usize) -> usize {
    let calls = (0..count).map(|_| {
        let users = users.clone();
        spawn(async move {
            let start = Instant::now();
            let results = [
                users.insert(&account("johndoe")).await.map(drop),
                users.find(&Username::new("johndoe").unwrap()).await.map(drop),
            ];
            assert!(start.elapsed() < 2 * LIMIT, "{:?}", start.elapsed());
            results.into_iter().all(|result| match result {
                Ok(()) => true,
                Err(error) => {
                    assert!(error.is_temporary(), "{error}");
                    false
                }
            })
        })
    });
    join_all(calls).await.into_iter().filter(|succeeded| *succeeded.as_ref().unwrap()).count()
}

async fn wait_for_activity(proxy: &PostgresProxy, before: usize) {
    let is_active = || if proxy.activity() > before { Ok(()) } else { Err("no calls are in progress") };
    eventually("calls reach the proxy", async || is_active()).await;
}

async fn expect_recovery(users: &SqlUsers) {
    let start = Instant::now();
    while users.find(&Username::new("johndoe").unwrap()).await.is_err() {
        assert!(start.elapsed() < 5 * SECOND, "the pool did not recover within 5 s");
    }
    assert_eq!(call(users, 20).await, 20);
}

#[test]
fn idle_connections_that_stopped_responding_are_replaced() {
    through_proxy(async |database, proxy| {
        let users = SqlUsers::new(database);
        add(&users, "johndoe").await;
        call(&users, 40).await;
        proxy.drop_silently();
        let start = Instant::now();
        assert_eq!(call(&users, 20).await, 20);
        assert!(start.elapsed() < 5 * SECOND, "{:?}", start.elapsed());
        expect_recovery(&users).await;
    });
}

#[test]
fn connections_that_stop_responding_during_use_are_replaced() {
    through_proxy(async |database, proxy| {
        let users = SqlUsers::new(database);
        add(&users, "johndoe").await;
        for _ in 0..2 {
            let before = proxy.activity();
            let busy = spawn({
                let users = users.clone();
                async move { call(&users, 100).await }
            });
            wait_for_activity(proxy, before + 20).await;
            proxy.drop_silently();
            eprintln!("{} of 100 calls succeeded", busy.await.unwrap());
            expect_recovery(&users).await;
        }
    });
}

#[test]
fn calls_return_temporary_errors_while_the_database_is_unreachable() {
    through_proxy(async |database, proxy| {
        let users = SqlUsers::new(database.clone());
        let audit = SqlAudit::new(database.clone()).writer();
        add(&users, "johndoe").await;
        for outage in [PostgresProxy::close, PostgresProxy::block] {
            database.ping(SECOND).await.unwrap();
            outage(proxy);
            assert_eq!(call(&users, 20).await, 0);
            let start = Instant::now();
            assert!(database.ping(SECOND).await.unwrap_err().is_temporary());
            assert!(start.elapsed() < 2 * SECOND);
            let entries = [Actor::new("test").entry(EventKind::UserAdded)];
            assert!(audit.append(&entries, SECOND).await.unwrap_err().is_temporary());
            proxy.open();
            expect_recovery(&users).await;
            database.ping(2 * SECOND).await.unwrap();
            audit.append(&entries, 2 * SECOND).await.unwrap();
        }
    });
}

#[test]
fn canceled_calls_leave_the_pool_usable() {
    through_proxy(async |database, proxy| {
        let users = SqlUsers::new(database);
        add(&users, "johndoe").await;
        call(&users, 40).await;
        for _ in 0..5 {
            proxy.block();
            let before = proxy.activity();
            let canceled = (0..30).map(|_| {
                let users = users.clone();
                spawn(async move { users.insert(&account("johndoe")).await.is_ok() })
            });
            let canceled: Vec<_> = canceled.collect();
            wait_for_activity(proxy, before).await;
            canceled.iter().for_each(|call| call.abort());
            proxy.open();
            expect_recovery(&users).await;
        }
    });
}
