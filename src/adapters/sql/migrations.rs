//! Creates and migrates the tables, and compares them with those of this version.

use sqlx::{
    AssertSqlSafe, Connection, Database, PgConnection, Postgres, SqlSafeStr, Sqlite, SqliteConnection,
    database::HasStatementCache,
    error::DatabaseError,
    migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator},
    query, raw_sql,
};

/// All migrations, in order. Never change a migration, not even its comments: databases store its checksum.
const MIGRATIONS: [(&str, &str); 9] = [
    ("users and clients", include_str!("migrations/0001_users_clients.sql")),
    ("sessions", include_str!("migrations/0002_sessions.sql")),
    ("failures", include_str!("migrations/0003_failures.sql")),
    ("audit", include_str!("migrations/0004_audit.sql")),
    ("user kinds", include_str!("migrations/0005_user_kinds.sql")),
    ("delivery", include_str!("migrations/0006_delivery.sql")),
    ("throttling, audit", include_str!("migrations/0007_throttling_audit.sql")),
    ("clients", include_str!("migrations/0008_clients.sql")),
    ("security events", include_str!("migrations/0009_security_events.sql")),
];

/// The table that records the migrations. Its name is not sqlx's default, so that an application can have migrations of
/// its own in the same database.
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

/// Returns the migrations for the database that sqlx calls `database`. Replaces `{key}` with the type of text columns
/// that are compared byte by byte, and `{serial}` with that of auto-incrementing primary keys.
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

/// Migrates in a transaction, because sqlx locks only PostgreSQL during migrations, not SQLite. If no migration is
/// pending, no transaction begins, because it might have to wait for another process that is writing.
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

/// Migrates in a transaction that takes its own lock: sqlx's lock belongs to the session, which a pooler may change
/// after each statement. Creates the schema first, if it does not exist.
pub(super) async fn migrate_postgres(
    connection: &mut PgConnection,
    schema: Option<&str>,
) -> Result<(), MigrateError> {
    let mut transaction = connection.begin().await?;
    raw_sql("SELECT pg_advisory_xact_lock(hashtext('gatepass_migrations'))")
        .execute(&mut *transaction)
        .await?;
    if let Some(schema) = schema {
        // CREATE SCHEMA IF NOT EXISTS needs the privilege to create schemas even if the schema exists.
        let exists = query("SELECT FROM pg_namespace WHERE nspname = $1").bind(schema);
        if exists.fetch_optional(&mut *transaction).await?.is_none() {
            let create = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
            raw_sql(create).execute(&mut *transaction).await?;
        }
    }
    migrator(Postgres::NAME).set_locking(false).run_direct(None, &mut *transaction, false).await?;
    // Cached statements would remain in a session that a pooler may give to another client.
    transaction.clear_cached_statements().await?;
    Ok(transaction.commit().await?)
}

/// Compares the tables in a transaction that is rolled back.
pub(super) async fn inspect<C>(connection: &mut C) -> Result<Tables, MigrateError>
where
    C: Connection<Database: Database<Connection = C> + HasStatementCache> + Migrate,
{
    let mut transaction = connection.begin().await?;
    let tables = compare(&mut *transaction).await?;
    transaction.clear_cached_statements().await?;
    transaction.rollback().await?;
    Ok(tables)
}

/// Compares the migrations that the database has recorded with those of this version.
async fn compare<C: Connection + Migrate>(connection: &mut C) -> Result<Tables, MigrateError> {
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

/// Returns whether a statement failed because a table is missing. PostgreSQL has an error code for this; SQLite only
/// has an error message.
fn is_missing_table(error: &dyn DatabaseError) -> bool {
    error.code().is_some_and(|code| code == "42P01") || error.message().starts_with("no such table")
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;
    use crate::{
        adapters::sql::{Database, SqlClients, SqlSessions, User, postgres, testing::open_file},
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

    /// A user, sessions and a revoked token in the tables of version 4.
    const ROWS: &str = "
        INSERT INTO users (id, username, username_key, disabled, scopes, password_hash, created, changed)
        VALUES ('018bcfe5-6800-7000-8707-070707070707', 'johndoe', 'johndoe', FALSE, 'me', 'hash', 1, 1);
        INSERT INTO clients (client_id, secret_hash, created) VALUES ('web', 'hash', 1);
        INSERT INTO sessions (id, user_id, client_id, scopes, created, last_used, family, newest, rotated)
        VALUES ('s', '018bcfe5-6800-7000-8707-070707070707', 'web', 'me', 1, 2, 'family', 'current', 2),
               ('t', '018bcfe5-6800-7000-8707-070707070707', NULL, NULL, 1, 1, NULL, NULL, 1);
        INSERT INTO revoked_tokens (token_id, session_id) VALUES ('revoked', 's');
        INSERT INTO failures (name, count, last) VALUES ('203.0.113.7', 3, 1);
        INSERT INTO audit (time, event, username) VALUES (1, 'sign_in_failed', 'johndoe'), (2, 'sign_in', 'johndoe')";

    /// Returns the migrations up to version 4.
    fn old_migrator(database: &str) -> Migrator {
        let old = migrator(database).iter().filter(|migration| migration.version <= 4).cloned().collect();
        let mut migrator = Migrator::with_migrations(old);
        migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
        migrator
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
        let owner = SessionOwner {
            user_kind: User::user_kind().into(),
            subject: "018bcfe5-6800-7000-8707-070707070707".parse().unwrap(),
        };
        let directory = tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("gatepass.db").display());
        let mut connection = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.unwrap();
        old_migrator(<Sqlite as sqlx::Database>::NAME)
            .run_direct(None, &mut connection, false)
            .await
            .unwrap();
        sqlx::raw_sql(ROWS).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        assert_migrated(open_file(&directory).await, &owner).await;

        match postgres::Database::create() {
            Ok(postgres) => {
                let mut connection = PgConnection::connect(&postgres.url).await.unwrap();
                old_migrator(<Postgres as sqlx::Database>::NAME)
                    .run_direct(None, &mut connection, false)
                    .await
                    .unwrap();
                sqlx::raw_sql(ROWS).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                assert_migrated(Database::open(&postgres.url).await.unwrap(), &owner).await;
            }
            Err(reason) => eprintln!("skipped on PostgreSQL: {reason}"),
        }
    }
}
