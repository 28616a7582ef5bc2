//! Tests of the change feed of the SQL stores.

use std::{
    future::Future,
    mem, slice,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actix_web::rt::System;
use gatepass::{
    AuthUser, Claims, Client, ClientId, GrantedScopes, PasswordStore, Subject, Timestamp,
    cache::{CacheInvalidator, Invalidation},
    sessions::{SessionId, SessionOwner, SessionStore},
    sql::{Database, SqlClients, SqlSessions, SqlUsers, UserChange},
};

use crate::{
    contract::{
        sql::{NOW, add},
        sql_sessions::{open_at, owner, version},
    },
    support::{folder::Folder, new_postgres, postgres, wait::wait_until},
};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Invalidated(Invalidation),
    Disconnected,
    Reconnected,
}

use Event::{Disconnected, Invalidated, Reconnected};

/// A listener that records the calls from the change feed.
#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl CacheInvalidator for Recorder {
    fn invalidate(&self, change: &Invalidation) {
        self.0.lock().unwrap().push(Invalidated(change.clone()));
    }

    fn synced_until(&self, deadline: Timestamp) {
        assert!(deadline > NOW, "expected a deadline in the future");
    }

    fn disconnected(&self) {
        self.0.lock().unwrap().push(Disconnected);
    }

    fn reconnected(&self) {
        self.0.lock().unwrap().push(Reconnected);
    }
}

impl Recorder {
    async fn watch(database: &Database, max_staleness: Duration) -> Arc<Self> {
        let recorder = Arc::new(Self::default());
        database.watch(Arc::clone(&recorder) as _, max_staleness).await.unwrap();
        recorder
    }

    /// Removes and returns the events so far.
    fn events(&self) -> Vec<Event> {
        mem::take(&mut *self.0.lock().unwrap())
    }

    /// Waits until `event` is the last event. Then removes and returns all events so far.
    #[track_caller]
    fn wait_for(&self, event: &Event, limit: Duration) -> Vec<Event> {
        wait_until(limit, &format!("{event:?}"), || self.0.lock().unwrap().last() == Some(event));
        self.events()
    }
}

fn member(id: &str) -> SessionOwner {
    SessionOwner { user_kind: "Member".into(), subject: Subject::new(id).unwrap() }
}

fn user(id: &str) -> Event {
    Invalidated(Invalidation::User(Subject::new(id).unwrap()))
}

/// Runs a test on a new database of each kind. The test gets the database's URL and a way to run SQL there.
fn on_both<F: Future<Output = ()>>(run: impl Fn(String, Statement) -> F) {
    let folder = Folder::create();
    let sqlite = format!("sqlite:{}", folder.file("gatepass.db"));
    System::new().block_on(run(sqlite.clone(), Statement::Sqlite(sqlite)));
    if let Some(postgres) = new_postgres() {
        System::new().block_on(run(postgres.url.clone(), Statement::Postgres(postgres)));
    }
}

enum Statement {
    Sqlite(String),
    Postgres(postgres::Database),
}

impl Statement {
    /// Runs statements in one transaction.
    async fn run(&self, statements: &str) {
        match self {
            Self::Postgres(database) => drop(database.execute(statements)),
            Self::Sqlite(url) => {
                use sqlx::Connection;
                let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
                let statements = sqlx::AssertSqlSafe(format!("BEGIN IMMEDIATE; {statements}; COMMIT"));
                sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }
}

/// SQL statements that record a change to user 7, as another process would.
const USER_7: &str = "UPDATE change_counter SET number = number + 1;
     INSERT INTO changes (number, kind, name, made) SELECT number, 'user', '7', 0 FROM change_counter";

#[test]
fn change_is_reported_immediately_in_its_process_and_within_a_second_in_other_processes() {
    on_both(async |url, _statement| {
        let [here, there] = [Database::open(&url).await.unwrap(), Database::open(&url).await.unwrap()];
        let local = Recorder::watch(&here, 5 * SECOND).await;
        let remote = Recorder::watch(&there, 5 * SECOND).await;
        let (users, clients) = (SqlUsers::new(here.clone()), SqlClients::new(here.clone()));
        let sessions = SqlSessions::new(here.clone());
        let johndoe = add(&users, "johndoe").await;
        let (subject, owner) = (johndoe.subject(), owner(&johndoe));
        let web = ClientId::new("web").unwrap();
        assert!(clients.add(&Client::public(web.clone()), "").await.unwrap());
        for id in ["a", "b"] {
            let version = version(&sessions, &owner).await;
            assert!(open_at(&sessions, (id, &owner, None), version).await);
        }
        assert_eq!(local.events(), [], "changes that affect no cached token should not be reported");

        let expect = |change: Invalidation| {
            let change = Invalidated(change);
            assert_eq!(local.events().first(), Some(&change), "the change should be reported immediately");
            assert_eq!(remote.wait_for(&change, SECOND), slice::from_ref(&change));
            // This process also reads the change from the table.
            local.wait_for(&change, SECOND);
        };
        let changed = || Invalidation::User(subject.clone());
        let [a, b] = ["a", "b"].map(|id| SessionId::new(id).unwrap());
        assert!(sessions.end(&owner, &a, NOW).await.unwrap());
        expect(Invalidation::Session(a.clone()));
        assert!(!sessions.end(&owner, &a, NOW).await.unwrap());
        let token = Claims {
            session_id: Some(b.clone()),
            token_id: Some("token".into()),
            ..Claims::new(owner.subject.clone(), GrantedScopes::All)
        };
        assert!(sessions.revoke(&owner, &token, NOW).await.unwrap());
        expect(Invalidation::Session(b));
        sessions.end_all(&owner, NOW).await.unwrap();
        expect(changed());
        assert!(users.change_password(&subject, &"hash".into(), &"new".into(), NOW).await.unwrap());
        expect(changed());
        assert!(!users.change_password(&subject, &"hash".into(), &"newer".into(), NOW).await.unwrap());
        assert!(users.update(&subject, UserChange::default()).await.unwrap());
        expect(changed());
        assert!(clients.remove(&web).await.unwrap());
        expect(Invalidation::Client(web.clone()));
        assert!(!clients.remove(&web).await.unwrap());
        assert!(users.remove(&subject).await.unwrap());
        expect(changed());
    });
}

#[test]
fn concurrent_changes_are_all_reported() {
    on_both(async |url, _statement| {
        let [here, there] = [Database::open(&url).await.unwrap(), Database::open(&url).await.unwrap()];
        let remote = Recorder::watch(&there, 5 * SECOND).await;
        let sessions = SqlSessions::new(here);
        let changes = (0..200).map(|number| {
            let (sessions, owner) = (sessions.clone(), member(&number.to_string()));
            actix_web::rt::spawn(async move { sessions.end_all(&owner, NOW).await.unwrap() })
        });
        futures_util::future::join_all(changes).await;
        sessions.end_all(&member("last"), NOW).await.unwrap();
        let mut events = remote.wait_for(&user("last"), SECOND);
        events.pop();
        let mut numbers: Vec<u32> = events
            .iter()
            .map(|event| match event {
                Invalidated(Invalidation::User(subject)) => subject.as_str().parse().unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn lost_change_feed_is_reported_and_missed_changes_precede_the_reconnection() {
    on_both(async |url, statement| {
        let database = Database::open(&url).await.unwrap();
        let max_staleness = Duration::from_millis(500);
        let recorder = Recorder::watch(&database, max_staleness).await;
        statement.run(USER_7).await;
        assert_eq!(recorder.wait_for(&user("7"), SECOND), [user("7")]);

        statement.run("ALTER TABLE changes RENAME TO elsewhere").await;
        let start = Instant::now();
        assert_eq!(recorder.wait_for(&Disconnected, 2 * SECOND), [Disconnected]);
        let after = start.elapsed();
        assert!(after < max_staleness + Duration::from_millis(300), "{after:?}");
        statement.run(&format!("ALTER TABLE elsewhere RENAME TO changes; {USER_7}")).await;
        assert_eq!(recorder.wait_for(&Reconnected, SECOND), [user("7"), Reconnected]);

        // A gap in the change numbers means that changes were missed, so anything may have changed.
        statement.run(&format!("{USER_7}; {USER_7}; DELETE FROM changes WHERE number < 4")).await;
        let everything = Invalidated(Invalidation::Everything);
        assert_eq!(recorder.wait_for(&everything, SECOND), slice::from_ref(&everything));
        statement.run(USER_7).await;
        assert_eq!(recorder.wait_for(&user("7"), SECOND), [user("7")]);
        statement.run("DELETE FROM changes").await;
        let events = recorder.wait_for(&everything, SECOND);
        assert_eq!(
            events,
            slice::from_ref(&everything),
            "an empty table should be treated as a restored backup"
        );
        statement.run(&USER_7.replace("'user'", "'future kind'")).await;
        recorder.wait_for(&everything, SECOND);
    });
}

#[test]
fn change_feed_stops_when_its_database_is_dropped() {
    on_both(async |url, _statement| {
        let database = Database::open(&url).await.unwrap();
        let recorder = Recorder::watch(&database, SECOND).await;
        let weak = Arc::downgrade(&recorder);
        drop(recorder);
        assert!(weak.upgrade().is_some(), "the change feed should keep the recorder alive");
        drop(database);
        wait_until(2 * SECOND, "the change feed ends", || weak.upgrade().is_none());
    });
}

#[test]
fn change_feed_of_a_busy_in_memory_database_is_never_disconnected() {
    System::new().block_on(async {
        let database = Database::open("sqlite::memory:").await.unwrap();
        let recorder = Recorder::watch(&database, Duration::from_millis(500)).await;
        let sessions = SqlSessions::new(database);
        let start = Instant::now();
        while start.elapsed() < SECOND {
            sessions.end_all(&member("7"), NOW).await.unwrap();
        }
        assert!(
            recorder.events().iter().all(|event| *event == user("7")),
            "the change feed should never be disconnected"
        );
    });
}
