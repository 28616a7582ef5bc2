//! Whose a token is, and whether it is live, in one statement.

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use crate::{
    adapters::sql::{
        database::{fault, on_either},
        model::User,
        sessions::is_nothing,
        users::{SqlUsers, UserRow, id},
    },
    domain::{claims::Claims, fault::Fault, session::BearerStore},
};

const FIND: &str = "SELECT id, username, email, full_name, disabled, scopes, \
                    EXISTS (SELECT 1 FROM sessions WHERE id = $2 AND user_id = users.id) \
                    AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE token_id = $3) AS is_live \
                    FROM users WHERE id = $1";

/// With the sessions of the same [`Database`](crate::sql::Database).
impl BearerStore for SqlUsers {
    type User = User;

    async fn find_bearer(&self, claims: &Claims) -> Result<Option<(User, bool)>, Fault> {
        let Some(id) = id(&claims.subject) else { return Ok(None) };
        let (session_id, token_id) = (claims.session_id.as_ref(), claims.token_id.as_deref());
        let can_be_there =
            !is_nothing(&[session_id.map_or("", |id| id.as_str()), token_id.unwrap_or_default()]);
        // Without a session it is not live.
        let session_id = session_id.filter(|_| can_be_there).map(|id| id.as_str());
        let token_id = token_id.filter(|_| can_be_there);
        let row = on_either!(self.database().pool(), connection => {
            sqlx::query_as(FIND).bind(id).bind(session_id).bind(token_id).fetch_optional(connection).await
        });
        Ok(row.map_err(fault)?.map(|BearerRow(user, is_live)| (user, is_live)))
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
