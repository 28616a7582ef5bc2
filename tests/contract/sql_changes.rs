//! What changed in a database, as those hear of it who listen.

use std::{
    future::Future,
    mem, slice,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use actix_web::rt::System;
use gatepass::{
    AuthUser, CacheInvalidator, Invalidation, PasswordStore, SessionStore, Timestamp,
    sql::{Database, SqlClients, SqlSessions, SqlUsers, UserChange, client_secret},
};

use crate::{
    sessions::Beginning,
    sql::{NOW, add},
    support::{folder::Folder, left_out, postgres},
};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Changed(Invalidation),
    Lost,
    Found,
}

use Event::{Changed, Found, Lost};

/// Writes down what it hears.
#[derive(Default)]
struct Ear(Mutex<Vec<Event>>);

impl CacheInvalidator for Ear {
    fn invalidate(&self, change: &Invalidation) {
        self.0.lock().unwrap().push(Changed(change.clone()));
    }

    fn synced_until(&self, until: Timestamp) {
        assert!(until > NOW, "later than the clock says");
    }

    fn disconnected(&self) {
        self.0.lock().unwrap().push(Lost);
    }

    fn reconnected(&self) {
        self.0.lock().unwrap().push(Found);
    }
}

impl Ear {
    async fn on(database: &Database, max_age: Duration) -> Arc<Self> {
        let ear = Arc::new(Self::default());
        database.watch(Arc::clone(&ear) as _, max_age, || NOW).await.unwrap();
        ear
    }

    /// What was heard since it was asked last.
    fn events(&self) -> Vec<Event> {
        mem::take(&mut *self.0.lock().unwrap())
    }

    /// Waits until the last thing heard is this one, and says all that was.
    #[track_caller]
    fn hears(&self, event: &Event, limit: Duration) -> Vec<Event> {
        let start = Instant::now();
        while self.0.lock().unwrap().last() != Some(event) {
            assert!(start.elapsed() < limit, "no {event:?} within {limit:?}: {:?}", self.events());
            thread::park_timeout(Duration::from_millis(5));
        }
        self.events()
    }
}

/// Runs a test on the URL of a new database of each kind, and a way to run any statement there.
fn on_both<F: Future<Output = ()>>(test: &str, run: impl Fn(String, Statement) -> F) {
    let folder = Folder::create();
    let sqlite = format!("sqlite:{}", folder.file("gatepass.db"));
    System::new().block_on(run(sqlite.clone(), Statement::Sqlite(sqlite)));
    match postgres::Database::create() {
        Ok(postgres) => System::new().block_on(run(postgres.url.clone(), Statement::Postgres(postgres))),
        Err(why) => left_out(test, &format!("on PostgreSQL: {why}")),
    }
}

enum Statement {
    Sqlite(String),
    Postgres(postgres::Database),
}

impl Statement {
    /// Runs statements, all at once.
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

/// Writes that `subject` changed, as a process elsewhere does.
const USER_7: &str = "UPDATE change_counter SET number = number + 1;
     INSERT INTO changes (number, kind, name, made) SELECT number, 'user', '7', 0 FROM change_counter";

#[test]
fn a_change_is_heard_at_once_where_it_is_made_and_within_a_second_elsewhere() {
    let test = "a_change_is_heard_at_once_where_it_is_made_and_within_a_second_elsewhere";
    on_both(test, async |url, _statement| {
        let [here, there] = [Database::open(&url).await.unwrap(), Database::open(&url).await.unwrap()];
        let (ear, far) = (Ear::on(&here, 5 * SECOND).await, Ear::on(&there, 5 * SECOND).await);
        let (users, clients) = (SqlUsers::new(here.clone()), SqlClients::new(here.clone()));
        // Through a clone.
        let sessions = SqlSessions::new(here.clone());
        let subject = add(&users, "johndoe").await.subject();
        let web = "web".into();
        assert!(clients.add(&web, &client_secret([1; 32]), NOW).await.unwrap());
        let whose = (subject.clone(), "hash".into());
        for id in ["a", "b"] {
            assert!(Beginning::of(id, &whose).begin(&sessions).await);
        }
        assert_eq!(ear.events(), [], "nobody was recognised by these before");

        let expect = |change: Invalidation| {
            let change = Changed(change);
            assert_eq!(ear.events().first(), Some(&change), "at once");
            assert_eq!(far.hears(&change, SECOND), slice::from_ref(&change));
            // Here it is heard again, from the table.
            ear.hears(&change, SECOND);
        };
        let user = || Invalidation::User(subject.clone());
        assert!(sessions.end(&subject, &"a".into(), NOW).await.unwrap());
        expect(Invalidation::Session("a".into()));
        assert!(!sessions.end(&subject, &"a".into(), NOW).await.unwrap());
        let mut claims = gatepass::Claims::new(subject.clone(), gatepass::GrantedScopes::All);
        (claims.session_id, claims.token_id) = (Some("b".into()), Some("token".into()));
        sessions.revoke(&claims, NOW).await.unwrap();
        expect(Invalidation::Session("b".into()));
        sessions.end_all(&subject, NOW).await.unwrap();
        expect(user());
        assert!(users.change_password(&subject, &"hash".into(), &"new".into(), NOW).await.unwrap());
        expect(user());
        assert!(!users.change_password(&subject, &"hash".into(), &"newer".into(), NOW).await.unwrap());
        assert!(users.update(&subject, UserChange::default(), NOW).await.unwrap());
        expect(user());
        assert!(clients.remove(&web, NOW).await.unwrap());
        expect(Invalidation::Client(web.clone()));
        assert!(!clients.remove(&web, NOW).await.unwrap());
        assert!(users.remove(&subject, NOW).await.unwrap());
        expect(user());
    });
}

#[test]
fn many_changes_are_heard_in_their_order_and_none_is_missed() {
    on_both("many_changes_are_heard_in_their_order_and_none_is_missed", async |url, _statement| {
        let [here, there] = [Database::open(&url).await.unwrap(), Database::open(&url).await.unwrap()];
        let far = Ear::on(&there, 5 * SECOND).await;
        let sessions = SqlSessions::new(here);
        let made = (0..200).map(|number| {
            let (sessions, subject) = (sessions.clone(), format!("{number}").into());
            actix_web::rt::spawn(async move { sessions.end_all(&subject, NOW).await.unwrap() })
        });
        futures_util::future::join_all(made).await;
        let last = Changed(Invalidation::User("last".into()));
        sessions.end_all(&"last".into(), NOW).await.unwrap();
        let mut heard = far.hears(&last, SECOND);
        assert_eq!(heard.pop(), Some(last));
        let mut numbers: Vec<u32> = heard
            .iter()
            .map(|event| match event {
                Changed(Invalidation::User(subject)) => subject.as_str().parse().unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    });
}

#[test]
fn who_hears_nothing_is_lost_and_found_after_all_that_was_missed() {
    let test = "who_hears_nothing_is_lost_and_found_after_all_that_was_missed";
    on_both(test, async |url, statement| {
        let database = Database::open(&url).await.unwrap();
        let max_age = Duration::from_millis(500);
        let ear = Ear::on(&database, max_age).await;
        statement.run(USER_7).await;
        let user = Changed(Invalidation::User("7".into()));
        assert_eq!(ear.hears(&user, SECOND), slice::from_ref(&user));

        statement.run("ALTER TABLE changes RENAME TO elsewhere").await;
        let start = Instant::now();
        assert_eq!(ear.hears(&Lost, 2 * SECOND), [Lost]);
        let after = start.elapsed();
        assert!(after < max_age + Duration::from_millis(300), "{after:?}");
        statement.run(&format!("ALTER TABLE elsewhere RENAME TO changes; {USER_7}")).await;
        assert_eq!(ear.hears(&Found, SECOND), [user.clone(), Found], "first what was missed");

        // Without the changes between nobody knows what they were.
        statement.run(&format!("{USER_7}; {USER_7}; DELETE FROM changes WHERE number < 4")).await;
        let everything = Changed(Invalidation::Everything);
        assert_eq!(ear.hears(&everything, SECOND), slice::from_ref(&everything));
        statement.run(USER_7).await;
        assert_eq!(ear.hears(&user, SECOND), slice::from_ref(&user));
        statement.run("DELETE FROM changes").await;
        assert_eq!(ear.hears(&everything, SECOND), slice::from_ref(&everything), "a backup was restored");
        statement.run(&USER_7.replace("'user'", "'of tomorrow'")).await;
        ear.hears(&everything, SECOND);
    });
}

#[test]
fn who_listens_is_no_reason_for_a_database_to_stay() {
    on_both("who_listens_is_no_reason_for_a_database_to_stay", async |url, _statement| {
        let database = Database::open(&url).await.unwrap();
        let ear = Ear::on(&database, SECOND).await;
        let weak = Arc::downgrade(&ear);
        drop(ear);
        assert!(weak.upgrade().is_some(), "it is told of changes");
        drop(database);
        let start = Instant::now();
        while weak.upgrade().is_some() {
            assert!(start.elapsed() < 2 * SECOND, "the thread goes on");
            thread::park_timeout(Duration::from_millis(5));
        }
    });
}

#[test]
fn a_database_in_memory_is_listened_to() {
    System::new().block_on(async {
        let database = Database::open("sqlite::memory:").await.unwrap();
        let ear = Ear::on(&database, Duration::from_millis(500)).await;
        let sessions = SqlSessions::new(database);
        let user = Changed(Invalidation::User("7".into()));
        let start = Instant::now();
        while start.elapsed() < SECOND {
            sessions.end_all(&"7".into(), NOW).await.unwrap();
        }
        assert!(ear.events().iter().all(|event| *event == user), "never lost");
    });
}
