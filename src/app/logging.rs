//! The log, written by env_logger. Panics are logged too.

use std::{
    env,
    io::{self, Write},
    panic,
};

use env_logger::{
    Builder, DEFAULT_FILTER_ENV,
    fmt::{ConfigurableFormat, Formatter},
};
use log::{
    Record,
    kv::{self, Key, Value, VisitSource},
};
use serde_json::Map;

use crate::http::request_id;

/// The default filter. It excludes Actix's startup messages and its line for each malformed request, PostgreSQL's
/// notices about existing tables, and sqlx's line for each failed query. Gatepass itself logs failed queries, at most
/// once a second.
const DEFAULT_FILTER: &str =
    "info,actix_server=warn,actix_http=off,sqlx=error,sqlx_core=error,sqlx::postgres::notice=warn";

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging to standard error with the filter in `RUST_LOG`, or with [`DEFAULT_FILTER`] if that variable is empty
/// or not set.
pub(super) fn start(format: LogFormat) {
    let filter = env::var(DEFAULT_FILTER_ENV).ok().filter(|filter| !filter.trim().is_empty());
    let mut builder = Builder::new();
    builder.parse_filters(filter.as_deref().unwrap_or(DEFAULT_FILTER));
    match format {
        LogFormat::Text => builder.format(write_text),
        LogFormat::Json => builder.format(write_json),
    };
    builder.init();
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
}

/// Writes a line in env_logger's own format, with the ID of the current request at the end.
fn write_text(formatter: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let format = ConfigurableFormat::default();
    match request_id::current() {
        None => format.format(formatter, record),
        Some(id) => {
            let id = id.to_str().unwrap_or_default();
            let mut with_id = record.to_builder();
            format.format(formatter, &with_id.args(format_args!("{} request_id={id}", record.args())).build())
        }
    }
}

/// Writes a JSON object: time, level, target, the ID of the current request, message, and the fields of the record.
fn write_json(formatter: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let mut line = Map::new();
    line.insert("time".to_owned(), formatter.timestamp_millis().to_string().into());
    line.insert("level".to_owned(), record.level().as_str().into());
    line.insert("target".to_owned(), record.target().into());
    if let Some(id) = request_id::current() {
        line.insert("request_id".to_owned(), id.to_str().unwrap_or_default().into());
    }
    line.insert("message".to_owned(), record.args().to_string().into());
    let _ = record.key_values().visit(&mut Fields(&mut line));
    serde_json::to_writer(&mut *formatter, &line)?;
    writeln!(formatter)
}

/// A visitor that adds the fields of a log record to a JSON object.
struct Fields<'a>(&'a mut Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let json = match (value.to_u64(), value.to_f64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => value.to_string().into(),
        };
        self.0.insert(key.as_str().to_owned(), json);
        Ok(())
    }
}
