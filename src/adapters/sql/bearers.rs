//! Whose a token is, and whether it is live, in one statement.

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use tokio::time::Instant;

use crate::{
    adapters::sql::{
        connection::on_connection,
        database::{fault, on_either},
        lender::{PING_LIMIT, in_time},
        model::User,
        sessions::is_nothing,
        users::{SqlUsers, UserRow, id},
    },
    domain::{backend_error::BackendError, claims::Claims, session::BearerStore},
};

const FIND: &str = "SELECT id, username, email, full_name, disabled, scopes, \
                    EXISTS (SELECT 1 FROM sessions WHERE id = $2 AND user_id = users.id) \
                    AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE token_id = $3) AS is_live \
                    FROM users WHERE id = $1";

/// What is asked of a token; by its names, where it has them.
struct Question<'a> {
    user_id: &'a str,
    session_id: Option<&'a str>,
    token_id: Option<&'a str>,
}

/// Asks it on a connection to either database.
macro_rules! ask {
    ($question:expr, $connection:expr) => {{
        let Question { user_id, session_id, token_id } = $question;
        sqlx::query_as(FIND)
            .bind(*user_id)
            .bind(*session_id)
            .bind(*token_id)
            .fetch_optional($connection)
            .await
    }};
}

/// With the sessions of the same [`Database`](crate::sql::Database).
impl BearerStore for SqlUsers {
    type User = User;

    async fn find_bearer(&self, claims: &Claims) -> Result<Option<(User, bool)>, BackendError> {
        let Some(user_id) = id(&claims.subject) else { return Ok(None) };
        let (session_id, token_id) = (claims.session_id.as_ref(), claims.token_id.as_deref());
        let can_be_there =
            !is_nothing(&[session_id.map_or("", |id| id.as_str()), token_id.unwrap_or_default()]);
        // Without a session it is not live.
        let session_id = session_id.filter(|_| can_be_there).map(|id| id.as_str());
        let token_id = token_id.filter(|_| can_be_there);
        let question = Question { user_id: &user_id, session_id, token_id };
        let row = match self.ask_at_hand(&question).await {
            Some(row) => row,
            None => on_either!(self.database().pool(), connection => ask!(&question, connection))
                .map_err(fault)?,
        };
        Ok(row.map(|BearerRow(user, is_live)| (user, is_live)))
    }
}

impl SqlUsers {
    /// The answer on the connection that is kept for this: a pool asks every connection whether it is still there, before
    /// it is used, after, or both, and each time costs as much as the question. None where the connection is in use or has
    /// failed: the pool has others then, and to ask once more does no harm.
    async fn ask_at_hand(&self, question: &Question<'_>) -> Option<Option<BearerRow>> {
        let mut own = self.database().at_hand().try_lock().ok()?;
        let until = Some(Instant::now() + PING_LIMIT);
        let answer = in_time(until, async {
            let mut connection = own.take().await?;
            let row = on_connection!(&mut connection, connection => ask!(question, connection))?;
            own.keep(connection);
            Ok(row)
        });
        answer.await.ok()
    }
}

struct BearerRow(User, bool);

impl<'r, R: Row> FromRow<'r, R> for BearerRow
where
    for<'c> &'c str: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self(UserRow::from_row(row)?.0, row.try_get("is_live")?))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use sqlx::Connection;
    use tempfile::tempdir;

    use super::*;
    use crate::{
        adapters::sql::{Database, DatabaseSettings, connection::EitherConnection, database::Pool},
        domain::{
            scope::{GrantedScopes, Scopes},
            time::Timestamp,
            user::{Account, AuthUser},
        },
    };

    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    #[tokio::test]
    async fn a_token_is_looked_up_at_hand_and_otherwise_through_the_pool() {
        let folder = tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("gatepass.db").display());
        // The fewest that there can be: even so the one at hand is not of them.
        let settings = DatabaseSettings { connections: NonZeroU8::MIN, ..DatabaseSettings::default() };
        let database = Database::open_with(&url, settings).await.unwrap();
        let Pool::Sqlite(lender) = database.pool() else { panic!("it is SQLite") };
        let users = SqlUsers::new(database.clone());
        let johndoe = User {
            id: crate::adapters::sql::user_id(NOW, 0, [7; 8]),
            username: "johndoe".to_owned(),
            email: None,
            full_name: None,
            disabled: false,
            scopes: Scopes::default(),
        };
        let claims = Claims::new(johndoe.subject(), GrantedScopes::All);
        let found = Some((johndoe.clone(), false));
        users.insert(&Account { user: johndoe, password_hash: "hash".into() }, NOW).await.unwrap();

        // Another one has all connections of the pool.
        assert_eq!(lender.pool().options().get_max_connections(), 1);
        let lent = lender.pool().acquire().await.unwrap();
        assert_eq!(users.find_bearer(&claims).await.unwrap(), found);
        let own = database.at_hand();
        assert!(own.lock().await.is_kept());
        drop(lent);

        // Somebody else asks just now.
        let in_use = own.lock().await;
        assert_eq!(users.find_bearer(&claims).await.unwrap(), found);
        drop(in_use);

        // It fails: that is no connection to this database.
        let other = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
        own.lock().await.keep(EitherConnection::Sqlite(other));
        assert_eq!(users.find_bearer(&claims).await.unwrap(), found);
        assert!(!own.lock().await.is_kept());

        assert_eq!(users.find_bearer(&claims).await.unwrap(), found);
        assert!(own.lock().await.is_kept());
        database.close().await;
        assert!(!own.lock().await.is_kept());
        assert!(users.find_bearer(&claims).await.unwrap_err().is_temporary());
    }
}
