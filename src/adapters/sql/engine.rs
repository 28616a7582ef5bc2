//! Statements, parameters and rows. Each has one type for both SQLite and PostgreSQL.

use std::{borrow::Cow, str::FromStr};

use sqlx::{
    AssertSqlSafe, Database, Decode, Encode, Postgres, RawSql, Row as _, Sqlite, Type, postgres::PgRow,
    query::Query, raw_sql, sqlite::SqliteRow,
};

use crate::domain::{
    backend_error::BackendError,
    client::ClientId,
    session::{SessionId, TokenHash},
    time::Timestamp,
    user::Subject,
};

/// A value for one of the two databases, such as a connection or a row.
#[derive(Clone, Debug)]
pub(super) enum Engine<S, P> {
    Sqlite(S),
    Postgres(P),
}

/// Evaluates one expression for either database. `$typed` binds the value; the optional `$Engine` names the variant, so
/// that the expression can wrap another value in it.
macro_rules! on_engine {
    ($engine:expr, $Engine:ident($typed:pat) => $expression:expr) => {
        match $engine {
            $crate::adapters::sql::engine::Engine::Sqlite($typed) => {
                use $crate::adapters::sql::engine::Engine::Sqlite as $Engine;
                $expression
            }
            $crate::adapters::sql::engine::Engine::Postgres($typed) => {
                use $crate::adapters::sql::engine::Engine::Postgres as $Engine;
                $expression
            }
        }
    };
    ($engine:expr, $typed:pat => $expression:expr) => {
        match $engine {
            $crate::adapters::sql::engine::Engine::Sqlite($typed) => $expression,
            $crate::adapters::sql::engine::Engine::Postgres($typed) => $expression,
        }
    };
}
pub(super) use on_engine;

/// The clauses that lock the rows of a statement until the transaction ends. They are removed for SQLite, which has no
/// such locks, and needs none because it allows one writer at a time.
const LOCKS: [&str; 2] = [" FOR SHARE", " FOR UPDATE"];

/// A statement for both databases, with its parameters.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    sql: Cow<'static, str>,
    parameters: Vec<Parameter<'a>>,
    /// True if the statement is sent without being prepared.
    is_simple: bool,
}

/// The value of a parameter.
#[derive(Debug)]
pub(super) enum Parameter<'a> {
    Text(Option<Cow<'a, str>>),
    Integer(Option<i64>),
    Boolean(bool),
}

impl<'a> Statement<'a> {
    pub(super) fn new(sql: &'static str) -> Self {
        Self { sql: sql.into(), parameters: Vec::new(), is_simple: false }
    }

    /// Creates a statement that begins or ends a transaction. It is sent without being prepared.
    pub(super) fn simple(sql: &'static str) -> Self {
        Self { is_simple: true, ..Self::new(sql) }
    }

    /// Returns the statement as raw SQL; `None` if it must be prepared.
    pub(super) fn unprepared(&self) -> Option<RawSql> {
        self.is_simple.then(|| raw_sql(AssertSqlSafe(self.sql.clone())))
    }

    /// Sets the next parameter.
    pub(super) fn bind(mut self, value: impl Into<Parameter<'a>>) -> Self {
        self.parameters.push(value.into());
        self
    }

    /// Appends SQL.
    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.to_mut().push_str(sql);
        self
    }

    /// Appends a placeholder, and sets its value.
    pub(super) fn push_bind(&mut self, value: impl Into<Parameter<'a>>) -> &mut Self {
        self.parameters.push(value.into());
        let number = self.parameters.len();
        self.push(&format!("${number}"))
    }

    /// Appends a list of placeholders in parentheses, and sets their values.
    pub(super) fn push_list(&mut self, values: impl IntoIterator<Item = Parameter<'a>>) -> &mut Self {
        for (position, value) in values.into_iter().enumerate() {
            self.push(if position == 0 { "(" } else { ", " }).push_bind(value);
        }
        self.push(")")
    }

    /// Appends the `VALUES` clause of an `INSERT`.
    pub(super) fn push_rows<const N: usize>(&mut self, rows: impl IntoIterator<Item = [Parameter<'a>; N]>) {
        for (position, row) in rows.into_iter().enumerate() {
            self.push(if position == 0 { " VALUES " } else { ", " }).push_list(row);
        }
    }

    pub(super) fn query<DB: Database>(&self) -> Query<'_, DB, DB::Arguments>
    where
        for<'t> Option<&'t str>: Encode<'t, DB> + Type<DB>,
        for<'t> Option<i64>: Encode<'t, DB> + Type<DB>,
        for<'t> bool: Encode<'t, DB> + Type<DB>,
    {
        let lock = LOCKS.into_iter().find(|lock| DB::NAME == Sqlite::NAME && self.sql.contains(lock));
        let sql = match lock {
            Some(lock) => self.sql.replace(lock, "").into(),
            None => self.sql.clone(),
        };
        let query = match sql {
            Cow::Borrowed(sql) => sqlx::query(sql),
            Cow::Owned(sql) => sqlx::query(AssertSqlSafe(sql)),
        };
        self.parameters.iter().fold(query, |query, parameter| match parameter {
            Parameter::Text(text) => query.bind(text.as_deref()),
            Parameter::Integer(number) => query.bind(*number),
            Parameter::Boolean(value) => query.bind(*value),
        })
    }
}

macro_rules! parameters {
    ($($value:ty, $name:ident => $parameter:expr;)*) => {$(
        impl<'a> From<$value> for Parameter<'a> {
            fn from($name: $value) -> Self {
                $parameter
            }
        }
    )*};
}

parameters! {
    &'a str, text => Self::Text(Some(text.into()));
    String, text => Self::Text(Some(text.into()));
    Option<&'a str>, text => Self::Text(text.map(Into::into));
    Option<String>, text => Self::Text(text.map(Into::into));
    &'a Subject, subject => subject.as_str().into();
    &'a SessionId, id => id.as_str().into();
    &'a ClientId, id => id.as_str().into();
    &'a TokenHash, hash => hash.as_str().into();
    i64, number => Self::Integer(Some(number));
    Timestamp, time => Self::Integer(Some(seconds(time)));
    Option<Timestamp>, time => Self::Integer(time.map(seconds));
    bool, value => Self::Boolean(value);
}

/// A row of a result.
pub(super) type Row = Engine<SqliteRow, PgRow>;

impl Row {
    pub(super) fn get<T>(&self, column: &str) -> Result<T, BackendError>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(on_engine!(self, row => row.try_get(column))?)
    }

    pub(super) fn parse<T: FromStr<Err: Into<BackendError>>>(&self, column: &str) -> Result<T, BackendError> {
        self.get::<String>(column)?.parse().map_err(Into::into)
    }

    pub(super) fn parse_optional<T: FromStr<Err: Into<BackendError>>>(
        &self,
        column: &str,
    ) -> Result<Option<T>, BackendError> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| text.parse()).transpose().map_err(Into::into)
    }

    pub(super) fn time(&self, column: &str) -> Result<Timestamp, BackendError> {
        Ok(timestamp(self.get(column)?))
    }

    pub(super) fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, BackendError> {
        Ok(self.get::<Option<i64>>(column)?.map(timestamp))
    }
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds.try_into().unwrap_or(0))
}

pub(super) fn seconds(time: Timestamp) -> i64 {
    time.as_unix().try_into().unwrap_or(i64::MAX)
}
