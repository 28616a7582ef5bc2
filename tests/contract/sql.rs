//! The SQL stores: the contract and further guarantees, on SQLite and PostgreSQL.

use std::{fs, future::Future};

use actix_web::rt::System;
use futures_util::{TryStreamExt, future::join_all};
use gatepass::{
    Account, AuthUser, Client, ClientId, ClientRegistry, ClientSecret, ClientSecretHash, GrantedScopes,
    PasswordHash, Scopes, Subject, Timestamp, UserStore, Username,
    sql::{
        Database, DatabaseSettings, Import, OpenError, SqlClients, SqlFailedAttempts, SqlUsers, StoredUser,
        Tables, User, UserChange,
    },
    testing::contract,
};

use crate::support::{folder::Folder, new_postgres, pgbouncer::PgBouncer, program::Gatepass, skip};

pub const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

/// Returns settings for calls that may wait longer than the default timeouts.
fn without_timeouts() -> DatabaseSettings {
    DatabaseSettings { has_timeouts: false, ..DatabaseSettings::default() }
}

/// Runs a test with the URL of a new PostgreSQL database, and again with that of another one behind PgBouncer in
/// transaction mode.
fn on_postgres_urls(run: impl AsyncFn(&str)) {
    let Some(postgres) = new_postgres() else { return };
    System::new().block_on(run(&postgres.url));
    let Some(postgres) = new_postgres() else { return };
    match PgBouncer::start(&postgres, "pool_mode = transaction") {
        Ok(bouncer) => System::new().block_on(run(&bouncer.url(&postgres))),
        Err(why) => skip(format!("behind PgBouncer: {why}")),
    }
}

/// Runs a test on a new PostgreSQL database, and again on another one behind PgBouncer.
pub fn on_postgres<F: Future<Output = ()>>(run: impl Fn(Database) -> F) {
    on_postgres_urls(async |url| run(Database::open(url).await.unwrap()).await);
}

/// Runs a test with the URL of a new SQLite database, and again with each URL of [`on_postgres_urls`].
fn on_both_urls(run: impl AsyncFn(&str)) {
    let folder = Folder::create();
    System::new().block_on(run(&format!("sqlite:{}", folder.file("gatepass.db"))));
    on_postgres_urls(run);
}

/// Runs a test on a new SQLite database, and again on each database of [`on_postgres`].
pub fn on_both<F: Future<Output = ()>>(run: impl Fn(Database) -> F) {
    let folder = Folder::create();
    let sqlite = format!("sqlite:{}", folder.file("gatepass.db"));
    System::new().block_on(async { run(Database::open(&sqlite).await.unwrap()).await });
    on_postgres(run);
}

pub fn account(username: &str) -> Account<User> {
    Account {
        user: User {
            id: User::new_id(),
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
    assert!(users.insert(&account).await.unwrap(), "the username should be free");
    account.user
}

async fn find(users: &SqlUsers, username: &str) -> Option<StoredUser> {
    users.find(&Username::new(username).unwrap()).await.unwrap()
}

async fn names(users: &SqlUsers) -> Vec<String> {
    users.all().map_ok(|stored| stored.user.username).try_collect().await.unwrap()
}

#[test]
fn sql_users_fulfill_the_contract() {
    on_both(async |database| {
        let users = SqlUsers::new(database);
        add(&users, "johndoe").await;
        add(&users, "Straße").await;
        for usernames in [["johndoe", "Straße"], ["JohnDoe", "STRASSE"]] {
            contract::user_store(&users, usernames).await.unwrap();
            contract::password_store(&users, usernames).await.unwrap();
        }
    });
}

#[test]
fn sql_clients_fulfill_the_contract() {
    on_both(async |database| {
        let clients = SqlClients::new(database);
        let secret = ClientSecretHash::of(&ClientSecret::generate().unwrap());
        let reports = Client {
            grants: vec!["client_credentials".into()],
            scopes: GrantedScopes::Only("reports:read reports:write".parse().unwrap()),
            audiences: Some(vec!["https://api.example.com".parse().unwrap(), "two words".parse().unwrap()]),
            introspect_all: true,
            ..Client::confidential("reports".parse().unwrap(), [secret])
        };
        let none = Client {
            grants: vec![],
            scopes: GrantedScopes::Only(Scopes::default()),
            ..Client::public("Mobile App".parse().unwrap())
        };
        let registered = [Client::public("web".parse().unwrap()), reports, none];
        for client in &registered {
            assert!(clients.add(client, "").await.unwrap(), "the client ID should be free");
        }
        contract::client_registry(&clients, &registered).await.unwrap();
    });
}

#[test]
fn sql_failed_attempts_fulfill_the_contract() {
    on_both(async |database| {
        contract::failed_attempt_store(&SqlFailedAttempts::new(database)).await.unwrap();
    });
}

#[test]
fn stored_user_is_unchanged_and_not_found_by_another_spelling_of_its_subject() {
    on_both(async |database| {
        let users = SqlUsers::new(database);
        let start = Timestamp::now();
        let mut account = account("JohnDoe");
        account.user.full_name = Some("John \u{1f600} Doe'; --".into());
        account.user.email = None;
        account.user.disabled = true;
        assert!(users.insert(&account).await.unwrap(), "the username should be free");

        let found = find(&users, "johndoe").await.expect("a user");
        assert_eq!(found.user, account.user);
        assert_eq!(found.password_hash.expose(), "hash");
        assert!(found.created >= start && found.changed == found.created);
        assert_eq!(found.user.subject().as_str(), account.user.id.to_string());
        assert!(!found.user.is_active());
        assert_eq!(found.user.allowed_scopes(), GrantedScopes::Only("me users:read".parse().unwrap()));
        let id = account.user.id;
        assert_eq!(users.find_by_subject(&found.user.subject()).await.unwrap(), Some(account.user));
        let upper = id.to_string().to_uppercase();
        for other in [upper, id.simple().to_string(), id.braced().to_string(), id.urn().to_string()] {
            assert_eq!(users.find_by_subject(&other.parse().unwrap()).await.unwrap(), None, "{other}");
        }
    });
}

#[test]
fn username_that_differs_only_in_case_or_unicode_form_is_taken() {
    on_both(async |database| {
        let users = SqlUsers::new(database);
        for (name, others) in [
            ("johndoe", ["JOHNDOE", "JohnDoe", "ｊohndoe"]),
            ("Straße", ["STRASSE", "strasse", "STRAẞE"]),
            ("İnci", ["i\u{307}nci", "I\u{307}NCI", "İNCI"]),
            ("Ångström", ["ÅNGSTRÖM", "a\u{30a}ngstro\u{308}m", "ångström"]),
        ] {
            add(&users, name).await;
            for other in others {
                assert!(!users.insert(&account(other)).await.unwrap(), "{other} should be taken by {name}");
                assert_eq!(find(&users, other).await.expect("a user").user.username, name);
            }
        }
        // The dotless i is a different letter.
        add(&users, "ınci").await;
        assert_eq!(names(&users).await.len(), 5);
    });
}

#[test]
fn username_that_contains_sql_syntax_is_stored_unchanged() {
    let names = ["'; DROP TABLE users; --", "%", "_", "$1", "\\", "a\"b", "𝒋𝒐𝒉𝒏", "-- x", "NULL"];
    on_both(async |database| {
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
fn update_changes_only_the_given_fields() {
    on_both(async |database| {
        let users = SqlUsers::new(database);
        let start = Timestamp::now();
        let johndoe = add(&users, "johndoe").await;
        add(&users, "alice").await;
        let subject = johndoe.subject();

        let change = UserChange {
            email: Some(None),
            full_name: Some(Some("John Doe".into())),
            scopes: Some("me".parse().unwrap()),
            ..UserChange::default()
        };
        assert!(users.update(&subject, change).await.unwrap());
        let found = find(&users, "johndoe").await.unwrap();
        assert_eq!(found.user.email, None);
        assert_eq!(found.user.full_name.as_deref(), Some("John Doe"));
        assert_eq!(found.user.scopes.to_string(), "me");
        assert_eq!((found.user.disabled, found.password_hash.expose()), (false, "hash"));
        assert!(found.created >= start && found.changed >= found.created);

        let change =
            UserChange { disabled: Some(true), password_hash: Some("new".into()), ..UserChange::default() };
        assert!(users.update(&subject, change).await.unwrap());
        let found = find(&users, "johndoe").await.unwrap();
        assert_eq!((found.user.disabled, found.password_hash.expose()), (true, "new"));
        assert_eq!(found.user.full_name.as_deref(), Some("John Doe"));

        let alice = find(&users, "alice").await.unwrap();
        assert_eq!((alice.changed, alice.user.email.as_deref()), (alice.created, Some("alice@example.com")));
        users.replace_hash(&alice.user.subject(), &"hash".into(), &"renewed".into()).await.unwrap();
        let alice = find(&users, "alice").await.unwrap();
        assert_eq!(
            (alice.password_hash.expose(), alice.changed),
            ("renewed", alice.created),
            "a rehash should not set `changed`"
        );
        let nobody = Subject::new("nobody").unwrap();
        assert!(!users.update(&nobody, UserChange::default()).await.unwrap());
    });
}

#[test]
fn removed_user_is_unknown_and_the_username_can_be_used_again() {
    on_both(async |database| {
        let users = SqlUsers::new(database);
        let subject = add(&users, "johndoe").await.subject();
        add(&users, "alice").await;
        assert!(users.remove(&subject).await.unwrap());
        assert!(!users.remove(&subject).await.unwrap());
        assert!(!users.remove(&Subject::new("nobody").unwrap()).await.unwrap());
        assert!(find(&users, "johndoe").await.is_none());
        assert_eq!(names(&users).await, ["alice"]);
        assert_ne!(add(&users, "johndoe").await.subject(), subject);
    });
}

#[test]
fn users_are_listed_in_the_same_order_on_both_databases() {
    on_both(async |database| {
        let users = SqlUsers::new(database);
        for name in ["zoe", "Émile", "bob", "Alice", "a-b", "ab", "_x"] {
            add(&users, name).await;
        }
        assert_eq!(names(&users).await, ["_x", "a-b", "ab", "Alice", "bob", "zoe", "Émile"]);
    });
}

#[test]
fn import_adds_all_users_or_none() {
    on_both(async |database| {
        let users = SqlUsers::new(database);
        add(&users, "johndoe").await;
        let many: Vec<_> = (0..1200).map(|number| account(&format!("user{number}"))).collect();

        let import_all = async || {
            let mut import = users.import().await.unwrap();
            for batch in many.chunks(Import::BATCH) {
                assert!(import.add(batch).await.unwrap(), "the usernames should be free");
            }
            assert_eq!(
                names(&users).await,
                ["johndoe"],
                "users of an uncommitted import should not be visible"
            );
            import
        };
        drop(import_all().await);
        assert_eq!(names(&users).await, ["johndoe"]);

        let mut import = users.import().await.unwrap();
        assert!(import.add(&[]).await.unwrap(), "an empty batch should be accepted");
        assert!(import.add(&many[..1000]).await.unwrap(), "the usernames should be free");
        assert!(!import.add(&[account("new"), account("JOHNDOE")]).await.unwrap());
        drop(import);
        assert_eq!(names(&users).await, ["johndoe"]);

        import_all().await.commit().await.unwrap();
        assert_eq!(names(&users).await.len(), 1201);
        let taken = users.taken(&["user0", "user1199", "nobody"]).await.unwrap();
        assert_eq!(taken.len(), 2);
    });
}

#[test]
fn only_one_of_several_concurrent_inserts_of_a_username_succeeds() {
    on_both(async |database| {
        let users = SqlUsers::new(database);
        let attempts = (0..8).map(|_| {
            let users = users.clone();
            actix_web::rt::spawn(async move { users.insert(&account("johndoe")).await.unwrap() })
        });
        let done: Vec<bool> =
            futures_util::future::join_all(attempts).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(done.iter().filter(|added| **added).count(), 1);
    });
}

#[test]
fn client_authenticates_only_with_its_secret() {
    on_both(async |database| {
        let clients = SqlClients::new(database);
        let client =
            |id: &ClientId, secret: &_| Client::confidential(id.clone(), [ClientSecretHash::of(secret)]);
        let (web, secret) = (ClientId::new("web").unwrap(), ClientSecret::generate().unwrap());
        let start = Timestamp::now();
        assert!(clients.add(&client(&web, &secret), "").await.unwrap(), "the client ID should be free");
        let (app, other) = (ClientId::new("app").unwrap(), ClientSecret::generate().unwrap());
        assert!(clients.add(&client(&app, &other), "").await.unwrap(), "the client ID should be free");
        assert!(!clients.add(&client(&web, &other), "").await.unwrap());

        let authenticates = async |id: &str, secret: &str| {
            let found = ClientRegistry::find(&clients, &ClientId::new(id).unwrap()).await.unwrap();
            found.is_some_and(|client| client.accepts(Some(&ClientSecret::from(secret)), Timestamp::now()))
        };
        assert!(authenticates("web", secret.expose()).await);
        for (id, wrong) in [
            ("web", ""),
            ("web", other.expose()),
            ("app", secret.expose()),
            ("WEB", secret.expose()),
            ("nobody", secret.expose()),
            ("nobody", "-------------------------------------------"),
        ] {
            assert!(!authenticates(id, wrong).await, "{id:?}");
        }

        let names = clients.all().await.unwrap().into_iter().map(|client| client.client.id.to_string());
        assert_eq!(names.collect::<Vec<_>>(), ["app", "web"]);
        let found = clients.find(&web).await.unwrap().expect("a client");
        assert!(found.client.id == web && found.created >= start);
        for nobody in ["WEB", "nobody", "%"] {
            assert_eq!(clients.find(&nobody.parse().unwrap()).await.unwrap(), None, "{nobody:?}");
        }
        assert!(clients.remove(&web).await.unwrap());
        assert!(!clients.remove(&web).await.unwrap());
        assert!(!authenticates("web", secret.expose()).await);
    });
}

#[test]
fn stored_users_survive_a_restart() {
    on_both_urls(async |url| {
        let database = Database::open(url).await.unwrap();
        add(&SqlUsers::new(database.clone()), "johndoe").await;
        database.close().await;
        assert_eq!(names(&SqlUsers::new(Database::open(url).await.unwrap())).await, ["johndoe"]);
    });
}

#[test]
fn new_database_can_be_opened_concurrently() {
    on_both_urls(async |url| {
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
        assert_eq!(names(&SqlUsers::new(Database::open(url).await.unwrap())).await.len(), 8);
    });
}

#[cfg(unix)]
#[test]
fn sqlite_files_are_readable_only_by_their_owner() {
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
        assert_eq!(files, 3, "expected the database, its write-ahead log and the index of the log");
    });
}

#[test]
fn open_error_contains_the_cause_but_not_the_password() {
    let folder = Folder::create();
    let text_file =
        folder.write("text", "This text of more than a hundred bytes is not a database. ".repeat(20));
    System::new().block_on(async {
        for (url, word) in [
            ("", "sqlite:FILE"),
            ("gatepass.db", "sqlite:FILE"),
            ("mysql://johndoe:secret@localhost/x", "sqlite:FILE"),
            ("sqlite:", "sqlite:FILE"),
            ("sqlite://?mode=rwc", "sqlite:FILE"),
            ("sqlite:/nonexistent/gatepass.db", "/nonexistent/gatepass.db"),
            (&format!("sqlite:{text_file}"), "not a database"),
            ("postgres://johndoe:secret@127.0.0.1:1/x", "cannot open the database"),
        ] {
            let error = Database::open(url).await.map(drop).expect_err(url);
            let text = format!("{error} {error:?}");
            assert!(text.contains(word), "{url}: {text}");
            assert!(!text.contains("secret"), "{url}: {text}");
        }
    });
}

/// Returns the names and contents of the files in a folder.
fn files(folder: &Folder) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let entries = fs::read_dir(folder.path()).unwrap().flatten();
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}

#[test]
fn tables_in_a_schema_are_created_despite_an_application_table_with_the_same_name() {
    let users = "CREATE TABLE users (id BIGINT PRIMARY KEY)";
    let in_schema = DatabaseSettings { schema: Some("gatepass"), ..DatabaseSettings::default() };
    let Some(postgres) = new_postgres() else { return };
    postgres.execute(users);
    System::new().block_on(async {
        let error = Database::open(&postgres.url).await.unwrap_err();
        assert!(matches!(error, OpenError::NameTaken(_)), "{error}");
        assert!(error.to_string().contains("DatabaseSettings::schema"), "{error}");
        for opened in join_all((0..4).map(|_| Database::open_with(&postgres.url, in_schema))).await {
            let users = SqlUsers::new(opened.unwrap());
            assert!(find(&users, "johndoe").await.is_none());
        }
        // With this option, the server is treated as a pooler, which may run each transaction in a different session.
        let pooled = format!("{}&statement-cache-capacity=0", postgres.url);
        let error = Database::open_with(&pooled, in_schema).await.unwrap_err();
        assert!(matches!(error, OpenError::Schema { .. }), "{error}");
        let invalid = DatabaseSettings { schema: Some("a; DROP TABLE users"), ..in_schema };
        let error = Database::open_with(&postgres.url, invalid).await.unwrap_err();
        assert!(matches!(error, OpenError::Schema { .. }), "{error}");
    });
    assert_eq!(postgres.execute("SELECT count(*) FROM users"), "0");
    let tables = "SELECT count(*) > 5 FROM pg_tables WHERE schemaname = 'gatepass'";
    assert_eq!(postgres.execute(tables), "t");
    match PgBouncer::start(&postgres, "pool_mode = transaction") {
        Ok(bouncer) => System::new().block_on(async {
            let error = Database::open_with(&bouncer.url(&postgres), in_schema).await.unwrap_err();
            assert!(matches!(error, OpenError::Schema { .. }), "{error}");
        }),
        Err(why) => skip(format!("behind PgBouncer: {why}")),
    }
}

#[test]
fn sqlite_file_of_another_application_is_refused_with_or_without_a_schema() {
    let folder = Folder::create();
    let url = format!("sqlite:{}", folder.file("app.db"));
    System::new().block_on(async {
        let pool = sqlx::SqlitePool::connect(&format!("{url}?mode=rwc")).await.unwrap();
        sqlx::query("CREATE TABLE users (id INTEGER PRIMARY KEY)").execute(&pool).await.unwrap();
        let error = Database::open(&url).await.unwrap_err();
        assert!(matches!(error, OpenError::NameTaken(_)), "{error}");
        let in_schema = DatabaseSettings { schema: Some("gatepass"), ..DatabaseSettings::default() };
        let error = Database::open_with(&url, in_schema).await.unwrap_err();
        assert!(matches!(error, OpenError::Schema { .. }), "{error}");
    });
}

#[test]
fn inspect_returns_the_state_of_the_tables_and_changes_nothing() {
    let folder = Folder::create();
    let sqlite = format!("sqlite:{}", folder.write("gatepass.db", ""));
    System::new().block_on(async {
        let inspect = async || {
            let before = files(&folder);
            let tables = Database::inspect(&sqlite).await.unwrap();
            assert_eq!(files(&folder), before);
            tables
        };
        assert_eq!(inspect().await, Tables::Older, "an empty file should count as an older version");
        let database = Database::open(&sqlite).await.unwrap();
        assert_eq!(
            Database::inspect(&sqlite).await.unwrap(),
            Tables::Current,
            "inspection should work while the database is open"
        );
        database.close().await;
        assert_eq!(inspect().await, Tables::Current);
        for (change, tables) in [
            ("UPDATE gatepass_migrations SET version = 9999 WHERE version = 1", Tables::Newer),
            ("DELETE FROM gatepass_migrations", Tables::Older),
        ] {
            let pool = sqlx::SqlitePool::connect(&sqlite).await.unwrap();
            sqlx::query(change).execute(&pool).await.unwrap();
            pool.close().await;
            assert_eq!(inspect().await, tables);
            if tables == Tables::Newer {
                let error = Database::open(&sqlite).await.map(drop).unwrap_err();
                assert!(matches!(error, OpenError::Migrate(_)), "{error}");
            }
        }
        let text =
            folder.write("text", "This text of more than a hundred bytes is not a database. ".repeat(20));
        assert!(Database::inspect(&format!("sqlite:{text}")).await.is_err());
    });

    let Some(postgres) = new_postgres() else { return };
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
fn lock_timeout_is_a_temporary_error() {
    use sqlx::{Connection, PgConnection};
    let Some(postgres) = new_postgres() else { return };
    System::new().block_on(async {
        let limited = SqlUsers::new(Database::open(&postgres.url).await.unwrap());
        // Options in the URL take precedence over the default timeouts.
        let hasty = format!("{}&options[lock_timeout]=100ms", postgres.url);
        let hasty = SqlUsers::new(Database::open(&hasty).await.unwrap());
        let patient = SqlUsers::new(Database::open_with(&postgres.url, without_timeouts()).await.unwrap());
        add(&patient, "johndoe").await;

        let mut other = PgConnection::connect(&postgres.url).await.unwrap();
        let mut transaction = other.begin().await.unwrap();
        sqlx::query("LOCK TABLE users").execute(&mut *transaction).await.unwrap();
        let waiting = actix_web::rt::spawn(async move { find(&patient, "johndoe").await.is_some() });
        for users in [hasty, limited] {
            let (limit, johndoe) = (std::time::Duration::from_secs(20), Username::new("johndoe").unwrap());
            let found = actix_web::rt::time::timeout(limit, users.find(&johndoe)).await;
            let error = found.expect("an error in time").unwrap_err();
            assert!(error.is_temporary(), "{error}");
        }
        assert!(!waiting.is_finished(), "a call without a timeout should still be waiting");
        transaction.commit().await.unwrap();
        assert!(waiting.await.unwrap());
    });
}

#[test]
fn statement_timeout_is_a_temporary_error() {
    let Some(postgres) = new_postgres() else { return };
    System::new().block_on(async {
        let limited = SqlUsers::new(Database::open(&postgres.url).await.unwrap());
        let patient = SqlUsers::new(Database::open_with(&postgres.url, without_timeouts()).await.unwrap());
        add(&patient, "johndoe").await;
        postgres.execute(
            "ALTER TABLE users RENAME TO slow;
             CREATE VIEW users AS SELECT slow.* FROM slow, pg_sleep(11) AS nap",
        );
        let johndoe = Username::new("johndoe").unwrap();
        let (ended, done) = futures_util::future::join(limited.find(&johndoe), patient.find(&johndoe)).await;
        let error = ended.unwrap_err();
        assert!(error.is_temporary(), "{error}");
        assert!(done.unwrap().is_some());
    });
}

#[test]
fn concurrent_sqlite_writers_wait_and_readers_do_not() {
    let folder = Folder::create();
    let url = format!("sqlite:{}", folder.file("gatepass.db"));
    System::new().block_on(async {
        // Two pools, like those of two processes.
        let (one, other) = (Database::open(&url).await.unwrap(), Database::open(&url).await.unwrap());
        let (one, other) = (SqlUsers::new(one), SqlUsers::new(other));
        let mut import = one.import().await.unwrap();
        assert!(import.add(&[account("johndoe")]).await.unwrap(), "the username should be free");
        assert_eq!(names(&other).await, [""; 0]);
        let third = Database::open(&url).await.expect("a third pool opens during the import");
        assert_eq!(names(&SqlUsers::new(third)).await, [""; 0]);

        let waiting = actix_web::rt::spawn(async move { add(&other, "alice").await });
        import.commit().await.unwrap();
        waiting.await.unwrap();
        assert_eq!(names(&one).await, ["alice", "johndoe"]);
    });
}

#[test]
fn sqlite_file_that_a_process_opened_twice_keeps_its_write_ahead_log() {
    let gatepass = Gatepass::on_sqlite();
    System::new().block_on(async {
        let first = Database::open(&gatepass.url).await.unwrap();
        let _second = Database::open(&gatepass.url).await.unwrap();
        let users = SqlUsers::new(first);
        assert!(users.insert(&account("johndoe")).await.unwrap());
        // The last connection to a file removes the write-ahead log when it closes. The command must not remove the
        // log, because this process still has connections.
        assert_eq!(gatepass.usernames(), ["johndoe"]);
        assert!(users.insert(&account("alice")).await.unwrap());
        assert_eq!(gatepass.usernames(), ["alice", "johndoe"]);
    });
}
