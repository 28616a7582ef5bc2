//! The sessions' table.

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use crate::{
    adapters::sql::{
        column::{moment, seconds, unreadable},
        database::{Database, Pool, fault, on_either},
        write::{Write, in_write},
    },
    domain::{
        backend_error::BackendError,
        claims::Claims,
        invalidation::Invalidation,
        refresh::{Previous, TokenFamily, TokenHash},
        scope::{GrantedScopes, InvalidScope},
        session::{ClientInfo, NewSession, RefreshTokenStore, Rotation, Session, SessionId, SessionStore},
        time::Timestamp,
        user::Subject,
    },
};

/// A session begins where its user has the password that proved right. On PostgreSQL the user is held until then, so
/// that a change of the password that is under way comes before or after, and ends it.
macro_rules! begin {
    ($hold:literal) => {
        concat!(
            "INSERT INTO sessions (id, user_id, client_id, scopes, address, user_agent, created, last_used, \
             expires, family, newest, rotated) \
             SELECT $1, id, $2, $3, $4, $5, $6, $6, $7, $8, $9, $6 FROM users \
             WHERE id = $10 AND password_hash = $11 AND NOT disabled",
            $hold
        )
    };
}

const BEGIN_SQLITE: &str = begin!("");
const BEGIN_POSTGRES: &str = begin!(" FOR SHARE");
const IS_LIVE: &str = "SELECT count(*) > 0 FROM sessions WHERE id = $1 AND user_id = $2 \
                       AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE token_id = $3)";
const REVOKE: &str = "INSERT INTO revoked_tokens (token_id, session_id) \
                      SELECT $1, id FROM sessions WHERE id = $2 AND user_id = $3 \
                      ON CONFLICT (token_id) DO NOTHING";
const LIST: &str = "SELECT id, client_id, address, user_agent, created, last_used FROM sessions \
                    WHERE user_id = $1 AND (expires IS NULL OR expires > $2) \
                    ORDER BY last_used DESC, created DESC, id LIMIT 1000";
const END: &str = "DELETE FROM sessions WHERE id = $1 AND user_id = $2";
const END_ALL: &str = "DELETE FROM sessions WHERE user_id = $1";
const FIND_FAMILY: &str = "SELECT id, user_id, client_id, scopes, created, newest, rotated, previous, salt \
                           FROM sessions WHERE family = $1";
const ROTATE: &str = "UPDATE sessions SET previous = newest, newest = $1, salt = $2, rotated = $3, \
                      last_used = $3, address = $4, user_agent = $5, expires = $6 \
                      WHERE family = $7 AND newest = $8";

/// The sessions of a [`Database`], and their refresh tokens. [`Database::watch`] removes those that have ended from the
/// table, and tells a [`TokenCache`](crate::TokenCache) of what changes.
#[derive(Clone, Debug)]
pub struct SqlSessions {
    database: Database,
}

impl SqlSessions {
    /// The sessions in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }
}

/// Ends every session of a user, as part of something else.
pub(super) async fn end_all(write: &mut Write, subject: &str) -> Result<(), BackendError> {
    in_write!(write, connection => sqlx::query(END_ALL).bind(subject).execute(connection).await.map(drop))
        .map_err(fault)
}

impl SessionStore for SqlSessions {
    async fn begin(&self, session: &NewSession<'_>) -> Result<bool, BackendError> {
        let statement = match self.database.pool() {
            Pool::Sqlite(_) => BEGIN_SQLITE,
            Pool::Postgres(_) => BEGIN_POSTGRES,
        };
        let client_id = session.client_id.map_or("", |client_id| client_id.as_str());
        let names =
            [session.id.as_str(), session.subject.as_str(), session.password_hash.expose(), client_id];
        if is_nothing(&names) {
            return Ok(false);
        }
        let (family, first) = session.refresh_token.unzip();
        let done = on_either!(self.database.pool(), connection => {
            sqlx::query(statement)
                .bind(session.id.as_str())
                .bind(session.client_id.map(|client_id| client_id.as_str()))
                .bind(written(session.granted_scopes))
                .bind(session.client_info.address.map(|address| address.to_string()))
                .bind(session.client_info.user_agent.as_deref())
                .bind(seconds(session.now))
                .bind(session.expires_at.map(seconds))
                .bind(family.map(|hash| hash.as_str()))
                .bind(first.map(|hash| hash.as_str()))
                .bind(session.subject.as_str())
                .bind(session.password_hash.expose())
                .execute(connection)
                .await
                .map(|done| done.rows_affected())
        });
        match done {
            Ok(rows) => Ok(rows > 0),
            // The client was removed meanwhile.
            Err(error) if is_orphan(&error) => Ok(false),
            Err(error) => Err(fault(error)),
        }
    }

    async fn is_live(&self, claims: &Claims) -> Result<bool, BackendError> {
        let Some(id) = &claims.session_id else { return Ok(false) };
        if is_nothing(&[id.as_str(), claims.subject.as_str(), claims.token_id.as_deref().unwrap_or_default()])
        {
            return Ok(false);
        }
        on_either!(self.database.pool(), connection => {
            sqlx::query_scalar(IS_LIVE)
                .bind(id.as_str())
                .bind(claims.subject.as_str())
                .bind(claims.token_id.as_deref())
                .fetch_one(connection)
                .await
        })
        .map_err(fault)
    }

    async fn revoke(&self, claims: &Claims, now: Timestamp) -> Result<bool, BackendError> {
        let (Some(id), Some(token_id)) = (&claims.session_id, &claims.token_id) else { return Ok(false) };
        if is_nothing(&[id.as_str(), claims.subject.as_str(), token_id]) {
            return Ok(false);
        }
        let mut write = self.database.write().await?;
        let revoked = in_write!(write, connection => {
            let revoke = sqlx::query(REVOKE).bind(&**token_id).bind(id.as_str()).bind(claims.subject.as_str());
            revoke.execute(connection).await.map(|done| done.rows_affected())
        });
        match revoked {
            // Nothing changes that anybody should hear of.
            Ok(0) => return Ok(false),
            Ok(_) => {}
            // Its session has ended meanwhile, and the token with it.
            Err(error) if is_orphan(&error) => return Ok(false),
            Err(error) => return Err(fault(error)),
        }
        write.commit_change(&Invalidation::Session(id.clone()), now).await?;
        Ok(true)
    }

    async fn list(&self, subject: &Subject, now: Timestamp) -> Result<Vec<Session>, BackendError> {
        if is_nothing(&[subject.as_str()]) {
            return Ok(Vec::new());
        }
        let rows: Result<Vec<SessionRow>, _> = on_either!(self.database.pool(), connection => {
            sqlx::query_as(LIST).bind(subject.as_str()).bind(seconds(now)).fetch_all(connection).await
        });
        Ok(rows.map_err(fault)?.into_iter().map(|SessionRow(session)| session).collect())
    }

    async fn end(&self, subject: &Subject, id: &SessionId, now: Timestamp) -> Result<bool, BackendError> {
        if is_nothing(&[id.as_str(), subject.as_str()]) {
            return Ok(false);
        }
        let mut write = self.database.write().await?;
        let ended = in_write!(write, connection => {
            let end = sqlx::query(END).bind(id.as_str()).bind(subject.as_str());
            end.execute(connection).await.map(|done| done.rows_affected())
        });
        if ended.map_err(fault)? == 0 {
            return Ok(false);
        }
        write.commit_change(&Invalidation::Session(id.clone()), now).await?;
        Ok(true)
    }

    async fn end_all(&self, subject: &Subject, now: Timestamp) -> Result<(), BackendError> {
        if is_nothing(&[subject.as_str()]) {
            return Ok(());
        }
        let mut write = self.database.write().await?;
        end_all(&mut write, subject.as_str()).await?;
        write.commit_change(&Invalidation::User(subject.clone()), now).await
    }
}

impl RefreshTokenStore for SqlSessions {
    async fn find_family(&self, name: &TokenHash) -> Result<Option<TokenFamily>, BackendError> {
        if is_nothing(&[name.as_str()]) {
            return Ok(None);
        }
        let row: Result<Option<FamilyRow>, _> = on_either!(self.database.pool(), connection => {
            sqlx::query_as(FIND_FAMILY).bind(name.as_str()).fetch_optional(connection).await
        });
        Ok(row.map_err(fault)?.map(|FamilyRow(family)| family))
    }

    async fn rotate(&self, rotation: &Rotation<'_>) -> Result<bool, BackendError> {
        if is_nothing(&[rotation.family.as_str(), rotation.from.as_str()]) {
            return Ok(false);
        }
        let rotated = on_either!(self.database.pool(), connection => {
            sqlx::query(ROTATE)
                .bind(rotation.to.as_str())
                .bind(rotation.salt)
                .bind(seconds(rotation.now))
                .bind(rotation.client_info.address.map(|address| address.to_string()))
                .bind(rotation.client_info.user_agent.as_deref())
                .bind(rotation.expires_at.map(seconds))
                .bind(rotation.family.as_str())
                .bind(rotation.from.as_str())
                .execute(connection)
                .await
                .map(|done| done.rows_affected())
        });
        Ok(rotated.map_err(fault)? > 0)
    }
}

/// No PostgreSQL text holds NUL, so nothing is called that.
pub(super) fn is_nothing(names: &[&str]) -> bool {
    names.iter().any(|name| name.contains('\0'))
}

/// Whether a row names another one that is gone.
fn is_orphan(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.is_foreign_key_violation())
}

fn written(granted_scopes: &GrantedScopes) -> Option<String> {
    match granted_scopes {
        GrantedScopes::All => None,
        GrantedScopes::Only(scopes) => Some(scopes.to_string()),
    }
}

fn read(scopes: Option<&str>) -> Result<GrantedScopes, sqlx::Error> {
    scopes.map_or(Ok(GrantedScopes::All), |scopes| {
        scopes.parse().map(GrantedScopes::Only).map_err(unreadable::<InvalidScope>)
    })
}

struct SessionRow(Session);

impl<'r, R: Row> FromRow<'r, R> for SessionRow
where
    for<'c> &'c str: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let text = |name: &str| row.try_get::<Option<String>, _>(name);
        Ok(Self(Session {
            id: row.try_get::<String, _>("id")?.into(),
            client_id: text("client_id")?.map(Into::into),
            client_info: ClientInfo {
                address: text("address")?.and_then(|address| address.parse().ok()),
                user_agent: text("user_agent")?,
            },
            created: moment(row.try_get("created")?),
            last_used: moment(row.try_get("last_used")?),
        }))
    }
}

struct FamilyRow(TokenFamily);

impl<'r, R: Row> FromRow<'r, R> for FamilyRow
where
    for<'c> &'c str: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        let text = |name: &str| row.try_get::<Option<String>, _>(name);
        let previous = text("previous")?.zip(text("salt")?);
        Ok(Self(TokenFamily {
            session_id: row.try_get::<String, _>("id")?.into(),
            subject: row.try_get::<String, _>("user_id")?.into(),
            client_id: text("client_id")?.map(Into::into),
            granted_scopes: read(row.try_get("scopes")?)?,
            created: moment(row.try_get("created")?),
            newest: row.try_get::<String, _>("newest")?.into(),
            rotated: moment(row.try_get("rotated")?),
            previous: previous.map(|(hash, salt)| Previous { hash: hash.into(), salt }),
        }))
    }
}
