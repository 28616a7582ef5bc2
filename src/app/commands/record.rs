//! A user as a line of a file: JSON or CSV, looked at field by field.

use std::{
    fmt::Display,
    io::{self, BufRead, Read, Take, Write},
    str,
};

use csv::ByteRecord;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    adapters::{
        sql::{self, StoredUser, User, username_key},
        unique_names,
    },
    app::commands::{Format, output::shown, password::is_supported_hash},
    domain::{
        scope::{Scope, Scopes},
        user::Account,
    },
};

/// No user takes a longer line, in bytes; a file without line ends is no file of users.
const LONGEST_LINE: u64 = 1024 * 1024;

/// The fields, in the order in which they are written.
const FIELDS: [&str; 6] = ["username", "email", "full_name", "disabled", "scopes", "hashed_password"];

/// In place of a field's name, where the line as a whole is wrong.
const LINE: &str = "line";

/// A user that a file holds.
pub(super) struct Record {
    pub(super) username_key: String,
    username: String,
    email: Option<String>,
    full_name: Option<String>,
    disabled: bool,
    scopes: Scopes,
    hashed_password: String,
}

impl Record {
    /// The account of the user, who gets this id.
    pub(super) fn into_account(self, id: Uuid) -> Account<User> {
        let Self { username, email, full_name, disabled, scopes, hashed_password, .. } = self;
        let user = User { id, username, email, full_name, disabled, scopes };
        Account { user, password_hash: hashed_password.into() }
    }
}

/// What is wrong with a field.
pub(super) struct FieldFault {
    pub(super) field: String,
    pub(super) reason: String,
}

impl FieldFault {
    pub(super) fn new(field: &str, reason: impl Display) -> Self {
        Self { field: shown(field), reason: reason.to_string() }
    }
}

/// A line that is not empty: its number and what it holds.
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) content: Result<Record, Vec<FieldFault>>,
}

/// The users of a file, line by line.
pub(super) enum Records<R> {
    Jsonl { reader: R, number: u64, line: Vec<u8> },
    Csv { reader: Box<csv::Reader<Take<R>>>, columns: Vec<String>, record: ByteRecord },
}

impl<R: BufRead> Records<R> {
    /// Begins to read; what is wrong with a CSV header makes the first line.
    pub(super) fn new(reader: R, format: Format) -> Result<Result<Self, Line>, io::Error> {
        match format {
            Format::Jsonl => Ok(Ok(Self::Jsonl { reader, number: 0, line: Vec::new() })),
            Format::Csv => {
                let mut reader =
                    csv::ReaderBuilder::new().flexible(true).from_reader(reader.take(LONGEST_LINE));
                let header = reader.byte_headers()?.clone();
                bounded(&reader, 1)?;
                let columns: Vec<_> =
                    header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
                let faults = header_faults(&columns);
                if !faults.is_empty() {
                    return Ok(Err(Line { number: 1, content: Err(faults) }));
                }
                Ok(Ok(Self::Csv { reader: Box::new(reader), columns, record: ByteRecord::new() }))
            }
        }
    }

    /// The next user, or what is wrong with their line.
    pub(super) fn next(&mut self) -> Result<Option<Line>, io::Error> {
        match self {
            Self::Jsonl { reader, number, line } => loop {
                *number += 1;
                line.clear();
                if reader.take(LONGEST_LINE).read_until(b'\n', line)? == 0 {
                    return Ok(None);
                }
                let mut bytes = line.trim_ascii();
                if *number == 1 {
                    bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
                }
                if line.len() as u64 == LONGEST_LINE && !line.ends_with(b"\n") {
                    return Err(io::Error::other(format!("line {number} is longer than 1 MiB")));
                }
                if !bytes.is_empty() {
                    return Ok(Some(Line { number: *number, content: json_record(bytes) }));
                }
            },
            Self::Csv { reader, columns, record } => {
                reader.get_mut().set_limit(LONGEST_LINE);
                if !reader.read_byte_record(record)? {
                    return Ok(None);
                }
                let number = record.position().map_or(0, csv::Position::line);
                bounded(reader, number)?;
                Ok(Some(Line { number, content: csv_record(columns, record) }))
            }
        }
    }
}

/// Refuses a CSV record that took all that one may take: a quote that is not closed takes in the whole file.
fn bounded<R: Read>(reader: &csv::Reader<Take<R>>, number: u64) -> Result<(), io::Error> {
    if reader.get_ref().limit() > 0 {
        return Ok(());
    }
    let reason = format!("line {number} begins a record longer than 1 MiB: a quote in it may not be closed");
    Err(io::Error::other(reason))
}

/// The text of each field as the file has it, and the faults so far.
#[derive(Default)]
struct Draft {
    username: Option<String>,
    email: Option<String>,
    full_name: Option<String>,
    disabled: bool,
    scopes: Scopes,
    hashed_password: Option<String>,
    faults: Vec<FieldFault>,
}

impl Draft {
    fn fault(&mut self, field: &str, reason: impl Display) {
        self.faults.push(FieldFault::new(field, reason));
    }

    /// Takes a text field; the name of none is a fault.
    fn text(&mut self, field: &str, text: String) {
        match field {
            "username" => self.username = Some(text),
            "email" => self.email = Some(text),
            "full_name" => self.full_name = Some(text),
            "hashed_password" => self.hashed_password = Some(text),
            _ => self.fault(field, "there is no such field"),
        }
    }

    fn scopes(&mut self, scopes: Result<Scopes, impl Display>) {
        match scopes {
            Ok(scopes) => self.scopes = scopes,
            Err(error) => self.fault("scopes", error),
        }
    }

    fn check(mut self) -> Result<Record, Vec<FieldFault>> {
        let username = self.username.take().unwrap_or_default();
        if let Err(error) = sql::username(&username) {
            self.fault("username", error);
        }
        let email = sql::email(self.email.take().as_deref().unwrap_or_default());
        let email = email.unwrap_or_else(|error| {
            self.fault("email", error);
            None
        });
        let full_name = sql::full_name(self.full_name.take().as_deref().unwrap_or_default());
        let full_name = full_name.unwrap_or_else(|error| {
            self.fault("full_name", error);
            None
        });
        let hashed_password = self.hashed_password.take().unwrap_or_default();
        if hashed_password.is_empty() {
            self.fault("hashed_password", "it is empty");
        } else if !is_supported_hash(&hashed_password) {
            self.fault("hashed_password", "it is no hash of a kind that can be verified");
        }
        match username_key(&username) {
            Some(username_key) if self.faults.is_empty() => Ok(Record {
                username_key,
                username,
                email,
                full_name,
                disabled: self.disabled,
                scopes: self.scopes,
                hashed_password,
            }),
            _ => Err(self.faults),
        }
    }
}

fn json_record(line: &[u8]) -> Result<Record, Vec<FieldFault>> {
    let Some(object) = unique_names::parse::<Map<_, _>>(line) else {
        let reason = match serde_json::from_slice(line) {
            Ok(Value::Object(_)) => "a name stands in it twice".to_owned(),
            Ok(_) => "a JSON object is expected".to_owned(),
            Err(error) => format!("it is no JSON from column {} on", error.column()),
        };
        return Err(vec![FieldFault::new(LINE, reason)]);
    };
    let mut draft = Draft::default();
    for (field, value) in object {
        match (field.as_str(), value) {
            (known, Value::Null) if FIELDS.contains(&known) => {}
            ("disabled", Value::Bool(disabled)) => draft.disabled = disabled,
            ("disabled", _) => draft.fault("disabled", "true or false is expected"),
            ("scopes", Value::String(text)) => draft.scopes(sql::scopes(&text)),
            ("scopes", Value::Array(list)) => draft.scopes(scope_list(&list)),
            ("scopes", _) => draft.fault("scopes", "a list of strings or a string is expected"),
            (text, Value::String(value)) => draft.text(text, value),
            (known, _) if FIELDS.contains(&known) => draft.fault(known, "a string is expected"),
            (unknown, _) => draft.fault(unknown, "there is no such field"),
        }
    }
    draft.check()
}

fn scope_list(list: &[Value]) -> Result<Scopes, String> {
    let scope = |value: &Value| {
        let text = value.as_str().ok_or("a list of strings or a string is expected")?;
        text.parse::<Scope>().map_err(|error| error.to_string())
    };
    let scopes = list.iter().map(scope).collect::<Result<Scopes, _>>()?;
    sql::scopes(&scopes.to_string()).map_err(|error| error.to_string())
}

fn csv_record(columns: &[String], record: &ByteRecord) -> Result<Record, Vec<FieldFault>> {
    if record.len() != columns.len() {
        let reason = format!("it has {} fields where the header has {}", record.len(), columns.len());
        return Err(vec![FieldFault::new(LINE, reason)]);
    }
    let mut draft = Draft::default();
    for (column, value) in columns.iter().zip(record) {
        let Ok(value) = str::from_utf8(value) else {
            draft.fault(column, "it is no UTF-8");
            continue;
        };
        match (column.as_str(), value) {
            ("disabled", "true") => draft.disabled = true,
            ("disabled", "false" | "") => draft.disabled = false,
            ("disabled", _) => draft.fault("disabled", "true or false is expected"),
            ("scopes", text) => draft.scopes(sql::scopes(text)),
            (text, value) => draft.text(text, value.to_owned()),
        }
    }
    draft.check()
}

fn header_faults(columns: &[String]) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    for (position, column) in columns.iter().enumerate() {
        if !FIELDS.contains(&column.as_str()) {
            faults.push(FieldFault::new(column, "there is no such field"));
        } else if columns.iter().take(position).any(|other| other == column) {
            faults.push(FieldFault::new(column, "it is in the header twice"));
        }
    }
    for needed in ["username", "hashed_password"] {
        if !columns.iter().any(|column| column == needed) {
            faults.push(FieldFault::new(needed, "it is not in the header"));
        }
    }
    faults
}

/// Writes users so that [`Records`] reads them.
pub(super) enum RecordWriter<W: Write> {
    Jsonl(W),
    Csv(Box<csv::Writer<W>>),
}

#[derive(Serialize)]
struct JsonRecord<'a> {
    #[serde(flatten)]
    user: &'a User,
    hashed_password: &'a str,
}

impl<W: Write> RecordWriter<W> {
    pub(super) fn new(writer: W, format: Format) -> Result<Self, io::Error> {
        match format {
            Format::Jsonl => Ok(Self::Jsonl(writer)),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(writer);
                writer.write_record(FIELDS)?;
                Ok(Self::Csv(Box::new(writer)))
            }
        }
    }

    pub(super) fn write(&mut self, stored: &StoredUser) -> Result<(), io::Error> {
        let (user, hashed_password) = (&stored.user, stored.password_hash.expose());
        match self {
            Self::Jsonl(writer) => {
                serde_json::to_writer(&mut *writer, &JsonRecord { user, hashed_password })?;
                writer.write_all(b"\n")
            }
            Self::Csv(writer) => Ok(writer.write_record([
                user.username.as_str(),
                user.email.as_deref().unwrap_or_default(),
                user.full_name.as_deref().unwrap_or_default(),
                if user.disabled { "true" } else { "false" },
                &user.scopes.to_string(),
                hashed_password,
            ])?),
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), io::Error> {
        match self {
            Self::Jsonl(writer) => writer.flush(),
            Self::Csv(writer) => writer.flush(),
        }
    }
}
