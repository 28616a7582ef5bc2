//! Creates and migrates the tables, and compares them with those of this version.

use sqlx::{
    AssertSqlSafe, Connection, Database, PgConnection, Postgres, SqlSafeStr, Sqlite, SqliteConnection,
    error::DatabaseError,
    migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator},
};

/// All migrations, in order. Never change one, not even its comments: databases store its checksum.
const MIGRATIONS: [(&str, &str); 7] = [
    ("users and clients", include_str!("migrations/0001_users_clients.sql")),
    ("sessions", include_str!("migrations/0002_sessions.sql")),
    ("failures", include_str!("migrations/0003_failures.sql")),
    ("audit", include_str!("migrations/0004_audit.sql")),
    ("user kinds", include_str!("migrations/0005_user_kinds.sql")),
    ("delivery", include_str!("migrations/0006_delivery.sql")),
    ("clients", include_str!("migrations/0007_clients.sql")),
];

/// Not sqlx's default, so that an application can have migrations of its own in the same database.
const MIGRATIONS_TABLE: &str = "gatepass_migrations";

/// The tables of a database, compared with those of this version of Gatepass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    /// The tables are those of this version.
    Current,
    /// The tables are those of an older version, or missing: [`Database::open`](super::Database::open) migrates them.
    Older,
    /// The tables are those of a newer version: [`Database::open`](super::Database::open) returns an error.
    Newer,
}

/// Returns the migrations for the database with sqlx's name `database`. `{key}` becomes the type of a text that is
/// compared byte by byte, `{serial}` that of a primary key in the order of insertion.
fn migrator(database: &str) -> Migrator {
    let (key, serial) = match database {
        Sqlite::NAME => ("TEXT", "INTEGER PRIMARY KEY AUTOINCREMENT"),
        _ => ("TEXT COLLATE \"C\"", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    };
    let migrations = (1..).zip(MIGRATIONS).map(|(version, (description, sql))| {
        let sql = AssertSqlSafe(sql.replace("{key}", key).replace("{serial}", serial)).into_sql_str();
        Migration::new(version, description.into(), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrator
}

/// Migrates in a transaction, because sqlx takes no lock on SQLite as it does on PostgreSQL. If no migration is due, no
/// transaction begins, since it might wait for another process that is writing.
pub(super) async fn migrate_sqlite(connection: &mut SqliteConnection) -> Result<(), MigrateError> {
    let migrator = migrator(Sqlite::NAME);
    let applied = connection.list_applied_migrations(MIGRATIONS_TABLE).await;
    if applied.is_ok_and(|applied| applied.len() >= MIGRATIONS.len()) {
        return migrator.run_direct(None, connection, false).await;
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    migrator.run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}

pub(super) async fn migrate_postgres(connection: &mut PgConnection) -> Result<(), MigrateError> {
    migrator(Postgres::NAME).run_direct(None, connection, false).await
}

/// Compares the migrations that the database has recorded with those of this version.
pub(super) async fn compare<C: Connection + Migrate>(connection: &mut C) -> Result<Tables, MigrateError> {
    let applied = match connection.list_applied_migrations(MIGRATIONS_TABLE).await {
        Err(MigrateError::Execute(sqlx::Error::Database(error))) if is_missing_table(&*error) => {
            return Ok(Tables::Older);
        }
        applied => applied?,
    };
    if let Some(version) = connection.dirty_version(MIGRATIONS_TABLE).await? {
        return Err(MigrateError::Dirty(version));
    }
    let migrator = migrator(C::Database::NAME);
    for applied in &applied {
        match migrator.iter().find(|own| own.version == applied.version) {
            None => return Ok(Tables::Newer),
            Some(own) if own.checksum != applied.checksum => {
                return Err(MigrateError::VersionMismatch(own.version));
            }
            Some(_) => {}
        }
    }
    Ok(if applied.len() < MIGRATIONS.len() { Tables::Older } else { Tables::Current })
}

/// PostgreSQL has an error code for a missing table; SQLite reports a general error.
fn is_missing_table(error: &dyn DatabaseError) -> bool {
    error.code().is_some_and(|code| code == "42P01") || error.message().starts_with("no such table")
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
    use tempfile::tempdir;

    use crate::{
        adapters::sql::{
            Database, SqlClients, SqlSessions, SqlUsers, User, postgres,
            testing::{account, open_file},
        },
        domain::{
            claims::Claims,
            client::{Client, ClientSecretHash},
            scope::GrantedScopes,
            session::{SessionOwner, SessionStore, TokenHash},
            time::Timestamp,
            user::AuthUser,
        },
    };

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    /// Returns the SQL that restores the tables of version 4, with a client, two sessions of this user and a revoked token.
    fn downgrade(user_id: &str, key: &str) -> String {
        let clients = include_str!("migrations/0001_users_clients.sql").replace("{key}", key);
        let clients = &clients[clients.find("CREATE TABLE clients").unwrap()..];
        let sessions = include_str!("migrations/0002_sessions.sql").replace("{key}", key);
        let sessions = sessions.split("-- What changed lately").next().unwrap();
        format!(
            "DROP TABLE revoked_tokens; DROP TABLE sessions; DROP TABLE credential_versions; DROP TABLE clients;
             DELETE FROM gatepass_migrations WHERE version >= 5;
             {clients} {sessions}
             INSERT INTO clients (client_id, secret_hash, created) VALUES ('web', 'hash', 1);
             INSERT INTO sessions (id, user_id, scopes, created, last_used, family, newest, rotated)
             VALUES ('s', '{user_id}', 'me', 1, 2, 'family', 'current', 2),
                    ('t', '{user_id}', NULL, 1, 1, NULL, NULL, 1);
             INSERT INTO revoked_tokens (token_id, session_id) VALUES ('revoked', 's')"
        )
    }

    /// Adds a user, and returns the owner of the user's sessions.
    async fn add_user(database: Database) -> SessionOwner {
        let account = account("johndoe");
        assert!(SqlUsers::new(database.clone()).insert(&account).await.unwrap());
        database.close().await;
        SessionOwner { user_kind: User::user_kind().into(), subject: account.user.subject() }
    }

    async fn assert_migrated(database: Database, owner: &SessionOwner) {
        let web = SqlClients::new(database.clone()).find(&"web".parse().unwrap()).await.unwrap().unwrap();
        let secret = ClientSecretHash::from_stored("hash".into());
        let expected =
            Client { introspect_all: true, ..Client::confidential(web.client.id.clone(), [secret]) };
        assert_eq!((web.client, web.secret_created), (expected, Some(Timestamp::from_unix(1))));
        let sessions = SqlSessions::new(database);
        let listed = sessions.list(owner, NOW).await.unwrap();
        assert_eq!(listed.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), ["s", "t"]);
        for (token_id, is_active) in [("another", true), ("revoked", false)] {
            let claims = Claims {
                session_id: Some("s".parse().unwrap()),
                token_id: Some(token_id.into()),
                ..Claims::new(owner.subject.clone(), GrantedScopes::All)
            };
            assert_eq!(
                sessions.find_active(owner, &claims).await.unwrap().is_some(),
                is_active,
                "{token_id}"
            );
        }
        let family = sessions.find_token_family(&TokenHash::from_stored("family".into())).await.unwrap();
        let family = family.expect("a family");
        assert_eq!((&family.owner, family.current.as_str()), (owner, "current"));
        sessions.end_all(owner, NOW).await.unwrap();
        assert_eq!(sessions.list(owner, NOW).await.unwrap(), []);
    }

    #[tokio::test]
    async fn clients_and_sessions_of_an_older_version_survive_the_migration() {
        let directory = tempdir().unwrap();
        let owner = add_user(open_file(&directory).await).await;
        let url = format!("sqlite:{}", directory.path().join("gatepass.db").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let downgrade_sqlite = AssertSqlSafe(downgrade(owner.subject.as_str(), "TEXT"));
        sqlx::raw_sql(downgrade_sqlite).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        assert_migrated(open_file(&directory).await, &owner).await;

        match postgres::Database::create() {
            Ok(postgres) => {
                let owner = add_user(Database::open(&postgres.url).await.unwrap()).await;
                postgres.execute(&downgrade(owner.subject.as_str(), "TEXT COLLATE \"C\""));
                assert_migrated(Database::open(&postgres.url).await.unwrap(), &owner).await;
            }
            Err(reason) => eprintln!("skipped on PostgreSQL: {reason}"),
        }
    }
}
