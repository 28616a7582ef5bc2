//! The sessions in SQL: the contract, and what ends them besides, on SQLite and on PostgreSQL alike.

use actix_web::rt::{System, spawn};
use futures_util::future::join_all;
use gatepass::{
    AuthUser, BearerStore, Claims, ClientId, PasswordHash, PasswordStore, RefreshTokenStore, SessionStore,
    Subject, UserStore,
    sql::{Database, SqlClients, SqlSessions, SqlUsers, UserChange, client_secret},
};

use crate::{
    sessions::{self, Beginning, People},
    sql::{NOW, account, add, on_both},
    support::{left_out, postgres},
};

/// Fills a database with two active users, a disabled one and a client.
async fn people(database: &Database) -> People {
    let users = SqlUsers::new(database.clone());
    let [one, other] = [add(&users, "johndoe").await, add(&users, "alice").await];
    let mut disabled = account("mallory");
    disabled.user.disabled = true;
    assert!(users.insert(&disabled, NOW).await.unwrap());
    let client_id = ClientId::from("web");
    let clients = SqlClients::new(database.clone());
    assert!(clients.add(&client_id, &client_secret([1; 32]), NOW).await.unwrap());
    let whose = |subject| (subject, PasswordHash::from("hash"));
    People {
        one: whose(one.subject()),
        other: whose(other.subject()),
        inactive: whose(disabled.user.subject()),
        client_id,
    }
}

async fn ids(store: &SqlSessions, subject: &Subject) -> Vec<String> {
    let sessions = store.list(subject, NOW).await.unwrap();
    sessions.into_iter().map(|session| session.id.to_string()).collect()
}

#[test]
fn sql_sessions_keep_the_contract() {
    on_both("sql_sessions_keep_the_contract", async |database| {
        sessions::hold(&SqlSessions::new(database.clone()), &people(&database).await).await;
    });
}

#[test]
fn sql_refresh_tokens_keep_the_contract() {
    on_both("sql_refresh_tokens_keep_the_contract", async |database| {
        sessions::refresh_tokens_hold(&SqlSessions::new(database.clone()), &people(&database).await).await;
    });
}

/// Whatever a token says, the one question has the answer of the two.
#[test]
fn a_bearer_is_what_the_user_and_the_session_are() {
    on_both("a_bearer_is_what_the_user_and_the_session_are", async |database| {
        let People { one, other, inactive, .. } = &people(&database).await;
        let (users, store) = (SqlUsers::new(database.clone()), SqlSessions::new(database));
        for (id, whose) in [("s", one), ("t", other)] {
            assert!(Beginning::of(id, whose).begin(&store).await);
        }
        let revoked = sessions::claims(&one.0, "s", "revoked");
        assert!(store.revoke(&revoked, NOW).await.unwrap());
        let nobody = Subject::from("00000000-0000-7000-8000-000000000000");
        let mut seen = [0; 3];
        for subject in [&one.0, &other.0, &inactive.0, &nobody, &"".into(), &"\0".into(), &"johndoe".into()] {
            for session_id in [None, Some("s"), Some("t"), Some("u"), Some(""), Some("\0")] {
                for token_id in [None, Some("token"), Some("revoked"), Some(""), Some("\0")] {
                    let claims = Claims {
                        session_id: session_id.map(Into::into),
                        token_id: token_id.map(Into::into),
                        ..sessions::claims(subject, "", "")
                    };
                    let user = users.find_by_subject(subject).await.unwrap();
                    let is_live = store.is_live(&claims).await.unwrap();
                    let found = users.find_bearer(&claims).await.unwrap();
                    assert_eq!(found, user.map(|user| (user, is_live)), "{claims:?}");
                    seen[found.map_or(0, |(_, is_live)| 1 + usize::from(is_live))] += 1;
                }
            }
        }
        assert!(seen.iter().all(|&times| times > 0), "{seen:?}");
    });
}

#[test]
fn sessions_end_with_what_they_began_with() {
    on_both("sessions_end_with_what_they_began_with", async |database| {
        let People { one, other, client_id, .. } = &people(&database).await;
        let users = SqlUsers::new(database.clone());
        let (store, clients) = (SqlSessions::new(database.clone()), SqlClients::new(database));
        let begin = async |whose: &(Subject, PasswordHash)| {
            for (id, client_id) in [("by a client", Some(client_id)), ("by none", None)] {
                let id = format!("{id} {}", whose.0);
                let beginning = Beginning { client_id, ..Beginning::with_family(&id, whose, &id) };
                assert!(beginning.begin(&store).await, "{id}");
            }
        };
        begin(one).await;
        begin(other).await;

        let name = UserChange { full_name: Some(Some("John Doe".into())), ..UserChange::default() };
        assert!(users.update(&one.0, name, NOW).await.unwrap());
        let scopes = UserChange { scopes: Some("me".parse().unwrap()), ..UserChange::default() };
        assert!(users.update(&one.0, scopes, NOW).await.unwrap());
        users.replace_hash_of(one, "of today's kind").await;
        assert_eq!(ids(&store, &one.0).await.len(), 2, "none of these ends a session");
        let one = &(one.0.clone(), PasswordHash::from("of today's kind"));

        let stale = PasswordHash::from("hash");
        assert!(!users.change_password(&one.0, &stale, &"lost".into(), NOW).await.unwrap());
        assert_eq!(ids(&store, &one.0).await.len(), 2, "the password was not changed");
        assert!(users.change_password(&one.0, &one.1, &"new".into(), NOW).await.unwrap());
        assert_eq!(ids(&store, &one.0).await, [""; 0]);
        assert!(!Beginning::of("late", one).begin(&store).await, "the password was changed meanwhile");
        let one = &(one.0.clone(), PasswordHash::from("new"));

        begin(one).await;
        let set = UserChange { password_hash: Some("set".into()), ..UserChange::default() };
        assert!(users.update(&one.0, set, NOW).await.unwrap());
        assert_eq!(ids(&store, &one.0).await, [""; 0]);
        let one = &(one.0.clone(), PasswordHash::from("set"));

        begin(one).await;
        for disabled in [true, false] {
            let change = UserChange { disabled: Some(disabled), ..UserChange::default() };
            assert!(users.update(&one.0, change, NOW).await.unwrap());
            assert_eq!(ids(&store, &one.0).await, [""; 0], "disabled: {disabled}");
        }

        begin(one).await;
        assert!(clients.remove(client_id, NOW).await.unwrap());
        assert_eq!(ids(&store, &one.0).await, [format!("by none {}", one.0)]);
        assert_eq!(ids(&store, &other.0).await, [format!("by none {}", other.0)]);

        let family = format!("by none {}", one.0).into();
        assert!(store.find_family(&family).await.unwrap().is_some());
        assert!(users.remove(&one.0, NOW).await.unwrap());
        assert_eq!(ids(&store, &one.0).await, [""; 0]);
        assert!(store.find_family(&family).await.unwrap().is_none());
        assert!(!Beginning::of("of nobody", one).begin(&store).await);
        assert_eq!(ids(&store, &other.0).await.len(), 1);
    });
}

/// A sign-in's own change of a hash.
trait Renew {
    async fn replace_hash_of(&self, whose: &(Subject, PasswordHash), new: &str);
}

impl Renew for SqlUsers {
    async fn replace_hash_of(&self, (subject, old): &(Subject, PasswordHash), new: &str) {
        gatepass::UserStore::replace_hash(self, subject, old, &new.into()).await.unwrap();
    }
}

/// Signs in many times while something ends all sessions: how many of them began before it.
async fn race(
    store: &SqlSessions,
    whose: &(Subject, PasswordHash),
    round: usize,
    end: impl Future<Output = ()>,
) -> usize {
    let sign_ins: Vec<_> = (0..8)
        .map(|number| {
            let (store, whose) = (store.clone(), whose.clone());
            spawn(async move { Beginning::of(&format!("{round} {number}"), &whose).begin(&store).await })
        })
        .collect();
    let (begun, ()) = futures_util::future::join(join_all(sign_ins), end).await;
    begun.into_iter().filter(|begun| *begun.as_ref().unwrap()).count()
}

/// On a database where writers do not wait for each other by themselves.
fn on_postgres(test: &str, run: impl AsyncFn(Database)) {
    match postgres::Database::create() {
        Ok(postgres) => {
            System::new().block_on(async { run(Database::open(&postgres.url).await.unwrap()).await });
        }
        Err(why) => left_out(test, &format!("on PostgreSQL: {why}")),
    }
}

#[test]
fn no_sign_in_outlives_a_change_of_the_password_under_it() {
    on_postgres("no_sign_in_outlives_a_change_of_the_password_under_it", async |database| {
        let People { one: (subject, hash), .. } = people(&database).await;
        let (users, store) = (SqlUsers::new(database.clone()), SqlSessions::new(database));
        let (mut old, mut before, mut rounds) = (hash, 0, 0);
        for round in 0..300 {
            let new = PasswordHash::from(format!("hash {round}"));
            let begun = race(&store, &(subject.clone(), old.clone()), round, async {
                assert!(users.change_password(&subject, &old, &new, NOW).await.unwrap());
            })
            .await;
            assert_eq!(ids(&store, &subject).await, [""; 0], "round {round}");
            assert!(Beginning::of(&format!("{round}"), &(subject.clone(), new.clone())).begin(&store).await);
            before += begun;
            rounds += usize::from((1..8).contains(&begun));
            old = new;
        }
        eprintln!(
            "{before} of 2400 sign-ins came before the change, in {rounds} of 300 rounds some but not all"
        );
        assert!(before > 0 && rounds > 0, "it is a race");
    });
}

#[test]
fn no_sign_in_outlives_the_disabling_of_its_user() {
    on_postgres("no_sign_in_outlives_the_disabling_of_its_user", async |database| {
        let People { one, .. } = people(&database).await;
        let (users, store) = (SqlUsers::new(database.clone()), SqlSessions::new(database));
        let disabled = |disabled| UserChange { disabled: Some(disabled), ..UserChange::default() };
        for round in 0..100 {
            race(&store, &one, round, async {
                assert!(users.update(&one.0, disabled(true), NOW).await.unwrap());
            })
            .await;
            assert_eq!(ids(&store, &one.0).await, [""; 0], "round {round}");
            assert!(users.update(&one.0, disabled(false), NOW).await.unwrap());
        }
    });
}

#[test]
fn no_sign_in_outlives_the_removal_of_its_client() {
    on_postgres("no_sign_in_outlives_the_removal_of_its_client", async |database| {
        let People { one, client_id, .. } = people(&database).await;
        let (clients, store) = (SqlClients::new(database.clone()), SqlSessions::new(database));
        for round in 0..100 {
            let sign_ins: Vec<_> = (0..8)
                .map(|number| {
                    let (store, one, client_id) = (store.clone(), one.clone(), client_id.clone());
                    spawn(async move {
                        let id = format!("{round} {number}");
                        let client_id = Some(&client_id);
                        Beginning { client_id, ..Beginning::of(&id, &one) }.begin(&store).await
                    })
                })
                .collect();
            let removed = clients.remove(&client_id, NOW);
            let (begun, removed) = futures_util::future::join(join_all(sign_ins), removed).await;
            assert!(removed.unwrap() && begun.iter().all(Result::is_ok), "round {round}");
            assert_eq!(ids(&store, &one.0).await, [""; 0], "round {round}");
            assert!(clients.add(&client_id, &client_secret([1; 32]), NOW).await.unwrap());
        }
    });
}
