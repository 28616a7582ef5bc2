//! The same users and sessions on a PostgreSQL of this run's own: the rows of the SQLite file are copied.

use futures_util::TryStreamExt;
use gatepass::sql::Database;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tokio::runtime::Builder;

use crate::{population::Population, postgres::Server, service::Place, support::Failure};

const PART: usize = 1 << 20;

/// Rows refer to rows of the table before.
const TABLES: [&str; 2] = ["users", "sessions"];

pub struct Copy {
    pub place: Place,
    pub version: String,
    _server: Server,
}

/// A copy that ends with its server; none where there is no PostgreSQL.
pub fn of(population: &Population) -> Result<Option<Copy>, Failure> {
    let server = match Server::create() {
        Ok(server) => server,
        Err(why) => {
            eprintln!("PostgreSQL is left out: {why}");
            return Ok(None);
        }
    };
    eprintln!("{} users are copied to PostgreSQL …", population.users);
    let place = Place { database_url: server.url(), keys: population.place.keys.clone() };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(copy(&population.place.database_url, &place.database_url))?;
    let version = server.execute("SHOW server_version");
    Ok(Some(Copy { place, version, _server: server }))
}

async fn copy(sqlite: &str, postgres: &str) -> Result<(), Failure> {
    // Its tables are made as the service makes them.
    Database::open(postgres).await.map_err(|error| error.to_string())?.close().await;
    let done = async {
        let mut from = SqliteConnection::connect(sqlite).await?;
        let mut to = PgConnection::connect(postgres).await?;
        for table in TABLES {
            copy_table(table, &mut from, &mut to).await?;
        }
        // As it does by itself after a while.
        sqlx::query("ANALYZE").execute(&mut to).await
    };
    done.await.map(drop).map_err(|error| format!("the users were not copied: {error}"))
}

async fn copy_table(
    table: &str,
    from: &mut SqliteConnection,
    to: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    let columns = format!("SELECT name FROM pragma_table_info('{table}')");
    let columns: Vec<String> = sqlx::query_scalar(AssertSqlSafe(columns)).fetch_all(&mut *from).await?;
    // As COPY reads it: none of the values holds a tab, a line's end or a backslash.
    let values: Vec<_> = columns.iter().map(|column| format!("coalesce({column}, '\\N')")).collect();
    let rows = format!("SELECT {} AS line FROM {table}", values.join(" || char(9) || "));
    let statement = format!("COPY {table} ({}) FROM STDIN", columns.join(", "));

    let mut copy = to.copy_in_raw(&statement).await?;
    let mut rows = sqlx::query(AssertSqlSafe(rows)).fetch(from);
    let mut part = Vec::with_capacity(2 * PART);
    while let Some(row) = rows.try_next().await? {
        part.extend_from_slice(row.try_get::<&str, _>("line")?.as_bytes());
        part.push(b'\n');
        if part.len() >= PART {
            copy.send(part.as_slice()).await?;
            part.clear();
        }
    }
    copy.send(part.as_slice()).await?;
    copy.finish().await.map(drop)
}
