//! The SQL store: the contract and what it keeps besides, on SQLite and on PostgreSQL alike.

use std::{fs, future::Future};

use actix_web::rt::System;
use futures_util::TryStreamExt;
use gatepass::{
    Account, AuthUser, ClientId, ClientRegistry, ClientSecret, GrantedScopes, PasswordHash, Subject,
    Timestamp, UserStore, Username,
    sql::{
        Database, DatabaseSettings, OpenError, SqlClients, SqlUsers, StoredUser, Tables, User, UserChange,
        client_secret, user_id,
    },
};

use crate::{
    suite,
    support::{folder::Folder, left_out, postgres},
};

pub const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);
const LATER: Timestamp = Timestamp::from_unix(1_700_000_060);

/// For work that may take its time.
fn patient() -> DatabaseSettings {
    DatabaseSettings { has_timeouts: false, ..DatabaseSettings::default() }
}

/// Runs a test on a new database of each kind.
pub fn on_both<F: Future<Output = ()>>(test: &str, run: impl Fn(Database) -> F) {
    let folder = Folder::create();
    let sqlite = format!("sqlite:{}", folder.file("gatepass.db"));
    System::new().block_on(async { run(Database::open(&sqlite).await.unwrap()).await });
    match postgres::Database::create() {
        Ok(postgres) => {
            System::new().block_on(async { run(Database::open(&postgres.url).await.unwrap()).await });
        }
        Err(why) => left_out(test, &format!("on PostgreSQL: {why}")),
    }
}

pub fn account(username: &str) -> Account<User> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    Account {
        user: User {
            id: user_id(NOW, NUMBER.fetch_add(1, Ordering::Relaxed), [7; 8]),
            username: username.into(),
            email: Some(format!("{username}@example.com")),
            full_name: None,
            disabled: false,
            scopes: "me users:read".parse().unwrap(),
        },
        password_hash: PasswordHash::from("hash"),
    }
}

pub async fn add(users: &SqlUsers, username: &str) -> User {
    let account = account(username);
    assert!(users.insert(&account, NOW).await.unwrap(), "the name is free");
    account.user
}

async fn find(users: &SqlUsers, username: &str) -> Option<StoredUser> {
    users.find(&Username::from(username)).await.unwrap()
}

async fn names(users: &SqlUsers) -> Vec<String> {
    users.all().map_ok(|stored| stored.user.username).try_collect().await.unwrap()
}

#[test]
fn sql_users_keep_the_contract() {
    on_both("sql_users_keep_the_contract", async |database| {
        let users = SqlUsers::new(database);
        add(&users, "johndoe").await;
        add(&users, "Straße").await;
        suite::holds(users.clone(), ["johndoe", "Straße"]).await;
        suite::holds(users, ["JohnDoe", "STRASSE"]).await;
    });
}

#[test]
fn a_user_comes_back_as_it_was_stored() {
    on_both("a_user_comes_back_as_it_was_stored", async |database| {
        let users = SqlUsers::new(database);
        let mut account = account("JohnDoe");
        account.user.full_name = Some("John \u{1f600} Doe'; --".into());
        account.user.email = None;
        account.user.disabled = true;
        assert!(users.insert(&account, NOW).await.unwrap(), "the name is free");

        let found = find(&users, "johndoe").await.expect("a user");
        assert_eq!(found.user, account.user);
        assert_eq!(found.password_hash.expose(), "hash");
        assert_eq!((found.created, found.changed), (NOW, NOW));
        assert_eq!(found.user.subject().as_str(), account.user.id.to_string());
        assert!(!found.user.is_active());
        assert_eq!(found.user.allowed_scopes(), GrantedScopes::Only("me users:read".parse().unwrap()));
        assert_eq!(users.find_by_subject(&found.user.subject()).await.unwrap(), Some(account.user));
    });
}

#[test]
fn a_name_is_taken_however_it_is_written() {
    on_both("a_name_is_taken_however_it_is_written", async |database| {
        let users = SqlUsers::new(database);
        for (name, others) in [
            ("johndoe", ["JOHNDOE", "JohnDoe", "ｊohndoe"]),
            ("Straße", ["STRASSE", "strasse", "STRAẞE"]),
            ("İnci", ["i\u{307}nci", "I\u{307}NCI", "İNCI"]),
            ("Ångström", ["ÅNGSTRÖM", "a\u{30a}ngstro\u{308}m", "ångström"]),
        ] {
            add(&users, name).await;
            for other in others {
                assert!(!users.insert(&account(other), NOW).await.unwrap(), "{other} is {name}");
                assert_eq!(find(&users, other).await.expect("a user").user.username, name);
            }
        }
        // A dotless i is a letter of its own.
        add(&users, "ınci").await;
        assert_eq!(names(&users).await.len(), 5);
    });
}

#[test]
fn hostile_names_are_text() {
    let names = ["'; DROP TABLE users; --", "%", "_", "$1", "\\", "a\"b", "𝒋𝒐𝒉𝒏", "-- x", "NULL"];
    on_both("hostile_names_are_text", async |database| {
        let users = SqlUsers::new(database);
        for name in names {
            add(&users, name).await;
        }
        for name in names {
            assert_eq!(find(&users, name).await.expect("a user").user.username, name);
        }
        assert!(find(&users, "johndoe").await.is_none());
    });
}

#[test]
fn a_subject_is_taken_only_as_it_was_given() {
    on_both("a_subject_is_taken_only_as_it_was_given", async |database| {
        let users = SqlUsers::new(database);
        let id = add(&users, "johndoe").await.id;
        for other in [
            id.to_string().to_uppercase(),
            id.simple().to_string(),
            id.braced().to_string(),
            id.urn().to_string(),
        ] {
            assert_eq!(users.find_by_subject(&other.as_str().into()).await.unwrap(), None, "{other}");
        }
    });
}

#[test]
fn a_change_changes_what_it_names() {
    on_both("a_change_changes_what_it_names", async |database| {
        let users = SqlUsers::new(database);
        let johndoe = add(&users, "johndoe").await;
        add(&users, "alice").await;
        let subject = johndoe.subject();

        let change = UserChange {
            email: Some(None),
            full_name: Some(Some("John Doe".into())),
            scopes: Some("me".parse().unwrap()),
            ..UserChange::default()
        };
        assert!(users.update(&subject, change, LATER).await.unwrap());
        let found = find(&users, "johndoe").await.unwrap();
        assert_eq!(found.user.email, None);
        assert_eq!(found.user.full_name.as_deref(), Some("John Doe"));
        assert_eq!(found.user.scopes.to_string(), "me");
        assert_eq!((found.user.disabled, found.password_hash.expose()), (false, "hash"));
        assert_eq!((found.created, found.changed), (NOW, LATER));

        let change =
            UserChange { disabled: Some(true), password_hash: Some("new".into()), ..UserChange::default() };
        assert!(users.update(&subject, change, LATER).await.unwrap());
        let found = find(&users, "johndoe").await.unwrap();
        assert_eq!((found.user.disabled, found.password_hash.expose()), (true, "new"));
        assert_eq!(found.user.full_name.as_deref(), Some("John Doe"));

        assert_eq!(find(&users, "alice").await.unwrap().changed, NOW);
        assert!(!users.update(&"nobody".into(), UserChange::default(), LATER).await.unwrap());
    });
}

#[test]
fn a_renewed_hash_is_no_change() {
    on_both("a_renewed_hash_is_no_change", async |database| {
        let users = SqlUsers::new(database);
        let subject = add(&users, "johndoe").await.subject();
        users.replace_hash(&subject, &"hash".into(), &"renewed".into()).await.unwrap();
        let found = find(&users, "johndoe").await.unwrap();
        assert_eq!((found.password_hash.expose(), found.changed), ("renewed", NOW));
    });
}

#[test]
fn a_removed_user_is_gone_and_the_name_is_free() {
    on_both("a_removed_user_is_gone_and_the_name_is_free", async |database| {
        let users = SqlUsers::new(database);
        let subject = add(&users, "johndoe").await.subject();
        add(&users, "alice").await;
        assert!(users.remove(&subject, NOW).await.unwrap());
        assert!(!users.remove(&subject, NOW).await.unwrap());
        assert!(!users.remove(&Subject::from("\0"), NOW).await.unwrap());
        assert!(find(&users, "johndoe").await.is_none());
        assert_eq!(names(&users).await, ["alice"]);
        assert_ne!(add(&users, "johndoe").await.subject(), subject);
    });
}

#[test]
fn users_are_listed_by_name_in_one_order() {
    on_both("users_are_listed_by_name_in_one_order", async |database| {
        let users = SqlUsers::new(database);
        for name in ["zoe", "Émile", "bob", "Alice", "a-b", "ab", "_x"] {
            add(&users, name).await;
        }
        assert_eq!(names(&users).await, ["_x", "a-b", "ab", "Alice", "bob", "zoe", "Émile"]);
    });
}

#[test]
fn an_import_is_all_or_nothing() {
    on_both("an_import_is_all_or_nothing", async |database| {
        let users = SqlUsers::new(database);
        add(&users, "johndoe").await;
        let many: Vec<_> = (0..2500).map(|number| account(&format!("user{number}"))).collect();

        let mut import = users.import(NOW).await.unwrap();
        for batch in many.chunks(gatepass::sql::Import::BATCH) {
            assert!(import.add(batch).await.unwrap(), "the names are free");
        }
        assert_eq!(names(&users).await, ["johndoe"], "not yet");
        drop(import);
        assert_eq!(names(&users).await, ["johndoe"], "never");

        let mut import = users.import(NOW).await.unwrap();
        assert!(import.add(&[]).await.unwrap(), "nothing is taken");
        assert!(import.add(&many[..1000]).await.unwrap(), "the names are free");
        assert!(!import.add(&[account("new"), account("JOHNDOE")]).await.unwrap());
        drop(import);
        assert_eq!(names(&users).await, ["johndoe"]);

        let mut import = users.import(NOW).await.unwrap();
        for batch in many.chunks(gatepass::sql::Import::BATCH) {
            assert!(import.add(batch).await.unwrap(), "the names are free");
        }
        import.commit().await.unwrap();
        assert_eq!(names(&users).await.len(), 2501);
        let taken = users.taken(&["user0", "user2499", "nobody"]).await.unwrap();
        assert_eq!(taken.len(), 2);
    });
}

#[test]
fn two_who_take_a_name_at_once_are_one() {
    on_both("two_who_take_a_name_at_once_are_one", async |database| {
        let users = SqlUsers::new(database);
        let attempts = (0..8).map(|_| {
            let users = users.clone();
            actix_web::rt::spawn(async move { users.insert(&account("johndoe"), NOW).await.unwrap() })
        });
        let done: Vec<bool> =
            futures_util::future::join_all(attempts).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(done.iter().filter(|added| **added).count(), 1);
    });
}

#[test]
fn a_client_proves_itself_with_its_secret_alone() {
    on_both("a_client_proves_itself_with_its_secret_alone", async |database| {
        let clients = SqlClients::new(database);
        let (web, secret) = (ClientId::from("web"), client_secret([1; 32]));
        assert!(clients.add(&web, &secret, NOW).await.unwrap(), "the name is free");
        assert!(clients.add(&"app".into(), &client_secret([2; 32]), NOW).await.unwrap(), "the name is free");
        assert!(!clients.add(&web, &secret, NOW).await.unwrap());

        let proven = async |id: &str, secret: &str| {
            clients.authenticate(&ClientId::from(id), &ClientSecret::from(secret)).await.unwrap()
        };
        assert!(proven("web", secret.expose()).await);
        for (id, wrong) in [
            ("web", ""),
            ("web", client_secret([2; 32]).expose()),
            ("app", secret.expose()),
            ("WEB", secret.expose()),
            ("nobody", secret.expose()),
            ("\0", secret.expose()),
            ("nobody", "-------------------------------------------"),
        ] {
            assert!(!proven(id, wrong).await, "{id:?}");
        }

        let names = clients.all().await.unwrap().into_iter().map(|client| client.client_id.to_string());
        assert_eq!(names.collect::<Vec<_>>(), ["app", "web"]);
        let found = clients.find(&web).await.unwrap().expect("a client");
        assert_eq!((found.client_id, found.created), (web.clone(), NOW));
        for nobody in ["WEB", "nobody", "\0", ""] {
            assert_eq!(clients.find(&nobody.into()).await.unwrap(), None, "{nobody:?}");
        }
        assert!(clients.remove(&web, NOW).await.unwrap());
        assert!(!clients.remove(&web, NOW).await.unwrap());
        assert!(!clients.remove(&"\0".into(), NOW).await.unwrap());
        assert!(!proven("web", secret.expose()).await);
    });
}

#[test]
fn what_was_stored_is_there_after_another_start() {
    let folder = Folder::create();
    let sqlite = format!("sqlite:{}", folder.file("gatepass.db"));
    let postgres = postgres::Database::create();
    for url in [Some(&sqlite), postgres.as_ref().ok().map(|database| &database.url)].into_iter().flatten() {
        System::new().block_on(async {
            let database = Database::open(url).await.unwrap();
            add(&SqlUsers::new(database.clone()), "johndoe").await;
            database.close().await;
            assert_eq!(names(&SqlUsers::new(Database::open(url).await.unwrap())).await, ["johndoe"]);
        });
    }
    if let Err(why) = postgres {
        left_out("what_was_stored_is_there_after_another_start", &why);
    }
}

#[test]
fn many_may_open_a_new_database_at_once() {
    let folder = Folder::create();
    let sqlite = format!("sqlite:{}", folder.file("gatepass.db"));
    let postgres = postgres::Database::create();
    for url in [Some(&sqlite), postgres.as_ref().ok().map(|database| &database.url)].into_iter().flatten() {
        std::thread::scope(|scope| {
            for number in 0..8 {
                scope.spawn(move || {
                    System::new().block_on(async {
                        let users = SqlUsers::new(Database::open(url).await.expect("the database opens"));
                        add(&users, &format!("user{number}")).await;
                    });
                });
            }
        });
        let users = System::new()
            .block_on(async { names(&SqlUsers::new(Database::open(url).await.unwrap())).await.len() });
        assert_eq!(users, 8);
    }
    if let Err(why) = postgres {
        left_out("many_may_open_a_new_database_at_once", &why);
    }
}

#[cfg(unix)]
#[test]
fn a_sqlite_database_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::create();
    let file = folder.file("gatepass.db");
    System::new().block_on(async {
        let users = SqlUsers::new(Database::open(&format!("sqlite:{file}")).await.unwrap());
        add(&users, "johndoe").await;
        let mut files = 0;
        for entry in fs::read_dir(folder.path()).unwrap().flatten() {
            files += 1;
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        }
        assert_eq!(files, 3, "the database, its write-ahead log and its index");
    });
}

#[test]
fn a_database_that_does_not_open_says_why_and_no_password() {
    let folder = Folder::create();
    let no_database =
        folder.write("text", "This is no database, it is a text of more than a hundred bytes. ".repeat(20));
    System::new().block_on(async {
        for (url, word) in [
            ("", "sqlite:FILE"),
            ("gatepass.db", "sqlite:FILE"),
            ("mysql://johndoe:secret@localhost/x", "sqlite:FILE"),
            ("sqlite:", "sqlite:FILE"),
            ("sqlite://?mode=rwc", "sqlite:FILE"),
            ("sqlite:/nonexistent/gatepass.db", "/nonexistent/gatepass.db"),
            (&format!("sqlite:{no_database}"), "not a database"),
            ("postgres://johndoe:secret@127.0.0.1:1/x", "cannot open the database"),
        ] {
            let error = Database::open(url).await.map(drop).expect_err(url);
            let text = format!("{error} {error:?}");
            assert!(text.contains(word), "{url}: {text}");
            assert!(!text.contains("secret"), "{url}: {text}");
        }
    });
}

#[test]
fn tables_of_a_newer_gatepass_are_left_alone() {
    let folder = Folder::create();
    let url = format!("sqlite:{}", folder.file("gatepass.db"));
    System::new().block_on(async {
        Database::open(&url).await.unwrap().close().await;
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        sqlx::query("UPDATE gatepass_migrations SET version = 9999 WHERE version = 1")
            .execute(&pool)
            .await
            .unwrap();
        pool.close().await;
        let error = Database::open(&url).await.map(drop).unwrap_err();
        assert!(matches!(error, OpenError::Migrate(_)), "{error}");
    });
}

/// What a folder holds: each file's name and its bytes.
fn files(folder: &Folder) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = fs::read_dir(folder.path()).unwrap().flatten();
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn a_look_at_a_database_changes_nothing() {
    let folder = Folder::create();
    let sqlite = format!("sqlite:{}", folder.write("gatepass.db", ""));
    System::new().block_on(async {
        let look = async || {
            let before = files(&folder);
            let tables = Database::inspect(&sqlite).await.unwrap();
            assert_eq!(files(&folder), before);
            tables
        };
        assert_eq!(look().await, Tables::Older, "an empty file");
        let database = Database::open(&sqlite).await.unwrap();
        assert_eq!(Database::inspect(&sqlite).await.unwrap(), Tables::Current, "while somebody has it open");
        database.close().await;
        assert_eq!(look().await, Tables::Current);
        for (change, tables) in [
            ("UPDATE gatepass_migrations SET version = 9999 WHERE version = 1", Tables::Newer),
            ("DELETE FROM gatepass_migrations", Tables::Older),
        ] {
            let pool = sqlx::SqlitePool::connect(&sqlite).await.unwrap();
            sqlx::query(change).execute(&pool).await.unwrap();
            pool.close().await;
            assert_eq!(look().await, tables);
        }
        let text = folder
            .write("text", "This is no database, it is a text of more than a hundred bytes. ".repeat(20));
        assert!(Database::inspect(&format!("sqlite:{text}")).await.is_err());
    });

    let Ok(postgres) = postgres::Database::create() else {
        return left_out("a_look_at_a_database_changes_nothing", "on PostgreSQL: there is none");
    };
    System::new().block_on(async {
        let url = &postgres.url;
        assert_eq!(Database::inspect(url).await.unwrap(), Tables::Older);
        assert_eq!(postgres.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
        Database::open(url).await.unwrap().close().await;
        assert_eq!(Database::inspect(url).await.unwrap(), Tables::Current);
        postgres.execute("UPDATE gatepass_migrations SET checksum = '' WHERE version = 1");
        assert!(matches!(Database::inspect(url).await, Err(OpenError::Migrate(_))));
        postgres.execute("UPDATE gatepass_migrations SET version = version + 9998");
        assert_eq!(Database::inspect(url).await.unwrap(), Tables::Newer);
    });
}

#[test]
fn a_lock_that_is_not_to_be_had_is_a_fault_that_passes() {
    use sqlx::{Connection, PgConnection};
    let Ok(postgres) = postgres::Database::create() else {
        let test = "a_lock_that_is_not_to_be_had_is_a_fault_that_passes";
        return left_out(test, "there is no PostgreSQL");
    };
    System::new().block_on(async {
        let limited = SqlUsers::new(Database::open(&postgres.url).await.unwrap());
        // The URL has its way.
        let hasty = format!("{}&options[lock_timeout]=100ms", postgres.url);
        let hasty = SqlUsers::new(Database::open(&hasty).await.unwrap());
        let patient = SqlUsers::new(Database::open_with(&postgres.url, patient()).await.unwrap());
        add(&patient, "johndoe").await;

        let mut other = PgConnection::connect(&postgres.url).await.unwrap();
        let mut transaction = other.begin().await.unwrap();
        sqlx::query("LOCK TABLE users").execute(&mut *transaction).await.unwrap();
        let waiting = actix_web::rt::spawn(async move { find(&patient, "johndoe").await.is_some() });
        for users in [hasty, limited] {
            let (limit, johndoe) = (std::time::Duration::from_secs(20), "johndoe".into());
            let found = actix_web::rt::time::timeout(limit, users.find(&johndoe)).await;
            let fault = found.expect("it ends").unwrap_err();
            assert!(fault.is_temporary(), "{fault}");
        }
        assert!(!waiting.is_finished(), "who has time waits");
        transaction.commit().await.unwrap();
        assert!(waiting.await.unwrap());
    });
}

#[test]
fn a_statement_that_takes_too_long_is_a_fault_that_passes() {
    let Ok(postgres) = postgres::Database::create() else {
        let test = "a_statement_that_takes_too_long_is_a_fault_that_passes";
        return left_out(test, "there is no PostgreSQL");
    };
    System::new().block_on(async {
        let limited = SqlUsers::new(Database::open(&postgres.url).await.unwrap());
        let patient = SqlUsers::new(Database::open_with(&postgres.url, patient()).await.unwrap());
        add(&patient, "johndoe").await;
        postgres.execute(
            "ALTER TABLE users RENAME TO slow;
             CREATE VIEW users AS SELECT slow.* FROM slow, pg_sleep(11) AS nap",
        );
        let (ended, done) =
            futures_util::future::join(limited.find(&"johndoe".into()), patient.find(&"johndoe".into()))
                .await;
        let fault = ended.unwrap_err();
        assert!(fault.is_temporary(), "{fault}");
        assert!(done.unwrap().is_some());
    });
}

#[test]
fn a_database_out_of_reach_is_a_fault_that_passes() {
    on_both("a_database_out_of_reach_is_a_fault_that_passes", async |database| {
        let users = SqlUsers::new(database.clone());
        let subject = add(&users, "johndoe").await.subject();
        database.close().await;
        let fault = users.find_by_subject(&subject).await.unwrap_err();
        assert!(fault.is_temporary(), "{fault}");
    });
}

#[test]
fn a_writer_waits_for_another_and_readers_do_not() {
    let folder = Folder::create();
    let url = format!("sqlite:{}", folder.file("gatepass.db"));
    System::new().block_on(async {
        // Two pools, as two processes have.
        let (one, other) = (Database::open(&url).await.unwrap(), Database::open(&url).await.unwrap());
        let (one, other) = (SqlUsers::new(one), SqlUsers::new(other));
        let mut import = one.import(NOW).await.unwrap();
        assert!(import.add(&[account("johndoe")]).await.unwrap(), "the name is free");
        assert_eq!(names(&other).await, [""; 0]);
        let third = Database::open(&url).await.expect("another one opens meanwhile");
        assert_eq!(names(&SqlUsers::new(third)).await, [""; 0]);

        let waiting = actix_web::rt::spawn(async move { add(&other, "alice").await });
        import.commit().await.unwrap();
        waiting.await.unwrap();
        assert_eq!(names(&one).await, ["alice", "johndoe"]);
    });
}

#[test]
fn a_connection_that_the_server_ended_is_replaced() {
    let Ok(postgres) = postgres::Database::create() else {
        return left_out("a_connection_that_the_server_ended_is_replaced", "there is no PostgreSQL");
    };
    System::new().block_on(async {
        let users = SqlUsers::new(Database::open(&postgres.url).await.unwrap());
        add(&users, "johndoe").await;
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'gatepass'",
        );
        assert!(find(&users, "johndoe").await.is_some());
    });
}
