//! Reads and writes users as lines of a JSON or CSV file, and reports an error for each invalid field.

use std::{
    fmt::Display,
    io::{self, BufRead, Read},
    mem, str,
};

use csv::ByteRecord;
use serde_json::{Map, Value, json};

use crate::{
    adapters::{
        passwords::Argon2Hasher,
        sql::{self, StoredUser, User, UserChange, username_key},
        unique_names,
    },
    app::{
        commands::{
            Format,
            output::{csv_line, escape_formula, escaped, unescape_formula},
        },
        document::default_scopes,
    },
    domain::{
        scope::{Scope, Scopes},
        user::Account,
    },
};

/// The maximum length of a record in bytes. Files with longer records do not contain users.
const MAX_RECORD: u64 = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The fields of a user, in the order of columns in an exported CSV file.
pub(super) const FIELDS: [&str; 6] =
    ["username", "email", "full_name", "disabled", "scopes", "hashed_password"];

const UNKNOWN_FIELD: &str = "unknown field";

const NO_HASH: &str = "missing or empty";

/// A user read from a file.
pub(super) struct Record {
    pub(super) username_key: String,
    user: User,
    /// `None` if the file contains no hash and none is required.
    hashed_password: Option<String>,
    /// The fields that the file contains.
    fields: Vec<&'static str>,
}

impl Record {
    pub(super) fn has_hash(&self) -> bool {
        self.hashed_password.is_some()
    }

    /// Returns the account of a new user, or `None` if the file contains no password hash.
    pub(super) fn into_account(self) -> Option<Account<User>> {
        Some(Account::new(self.user, self.hashed_password?))
    }

    /// Returns the changes to an existing user. They contain the fields in the file, but the password hash only if
    /// `update_passwords` is set.
    pub(super) fn change(&self, update_passwords: bool) -> UserChange {
        let User { email, full_name, disabled, scopes, .. } = &self.user;
        let has = |field| self.fields.contains(&field);
        UserChange {
            email: has("email").then(|| email.clone()),
            full_name: has("full_name").then(|| full_name.clone()),
            disabled: has("disabled").then_some(*disabled),
            scopes: has("scopes").then(|| scopes.clone()),
            password_hash: self.hashed_password.as_deref().filter(|_| update_passwords).map(Into::into),
        }
    }
}

/// An error in a field, or in the whole line.
pub(super) struct FieldError {
    pub(super) field: String,
    pub(super) reason: String,
}

impl FieldError {
    pub(super) fn new(field: &str, reason: impl Display) -> Self {
        Self { field: escaped(field), reason: reason.to_string() }
    }

    /// Returns the error for a new user without a password hash.
    pub(super) fn no_hash() -> Self {
        Self::new("hashed_password", NO_HASH)
    }

    fn line(reason: impl Display) -> Vec<Self> {
        vec![Self::new("line", reason)]
    }
}

/// A record of the file, with the number of its first line.
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) content: Result<Record, Vec<FieldError>>,
}

/// A reader of the users in a file, record by record.
pub(super) struct Records<R> {
    reader: R,
    format: Format,
    /// True if every user must have a password hash.
    requires_hash: bool,
    /// The number of lines that were read.
    lines: u64,
    text: Vec<u8>,
    header_line: u64,
    /// The columns of a CSV file, or the errors in its header.
    header: Result<Vec<String>, Vec<FieldError>>,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(reader: R, format: Format, requires_hash: bool) -> Result<Self, io::Error> {
        let mut records = Self {
            reader,
            format,
            requires_hash,
            lines: 0,
            text: Vec::new(),
            header_line: 1,
            header: Ok(Vec::new()),
        };
        if format == Format::Csv {
            records.header_line = records.read()?.unwrap_or(1);
            records.header = csv_fields(&records.text).and_then(|header| columns(&header, requires_hash));
        }
        Ok(records)
    }

    /// Returns whether the columns of a CSV file are valid.
    pub(super) fn has_valid_header(&self) -> bool {
        self.header.is_ok()
    }

    /// Returns the next user, or the errors in the next record.
    pub(super) fn next(&mut self) -> Result<Option<Line>, io::Error> {
        if let Err(errors) = &mut self.header {
            let errors = mem::take(errors);
            return Ok(
                (!errors.is_empty()).then_some(Line { number: self.header_line, content: Err(errors) })
            );
        }
        let Some(number) = self.read()? else { return Ok(None) };
        let content = match (self.format, &self.header) {
            (Format::Csv, Ok(columns)) => {
                csv_fields(&self.text).and_then(|fields| csv_record(columns, &fields, self.requires_hash))
            }
            _ => json_record(self.text.trim_ascii(), self.requires_hash),
        };
        Ok(Some(Line { number, content }))
    }

    /// Reads the next record that is not blank into `text`, and returns the number of its first line. A CSV record
    /// continues on the next line while a quote is open.
    fn read(&mut self) -> Result<Option<u64>, io::Error> {
        let Self { reader, format, lines, text, .. } = self;
        text.clear();
        let (mut first, mut has_open_quote) = (0, false);
        loop {
            let start = text.len();
            let limit = MAX_RECORD - start as u64;
            if reader.by_ref().take(limit).read_until(b'\n', text)? == 0 {
                return Ok((!text.is_empty()).then_some(first));
            }
            *lines += 1;
            if start == 0 {
                first = *lines;
                if first == 1 {
                    if text.starts_with(BYTE_ORDER_MARK) {
                        text.drain(..BYTE_ORDER_MARK.len());
                    }
                    check_encoding(text)?;
                }
                if text.trim_ascii().is_empty() {
                    text.clear();
                    continue;
                }
            }
            let quotes = text[start..].iter().filter(|byte| **byte == b'"').count();
            has_open_quote ^= *format == Format::Csv && quotes % 2 == 1;
            if text.len() as u64 >= MAX_RECORD && (has_open_quote || !text.ends_with(b"\n")) {
                let cause = if has_open_quote { ": a closing quote may be missing" } else { "" };
                return Err(io::Error::other(format!(
                    "the record at line {first} is longer than 1 MiB{cause}"
                )));
            }
            if !has_open_quote {
                return Ok(Some(first));
            }
        }
    }
}

/// Checks the first line of a file: it must not be in UTF-16, and must not end with a carriage return only.
fn check_encoding(line: &[u8]) -> Result<(), io::Error> {
    if line.starts_with(b"\xff\xfe")
        || line.starts_with(b"\xfe\xff")
        || line.iter().take(2).any(|byte| *byte == 0)
    {
        return Err(io::Error::other("the file is in UTF-16; convert it to UTF-8"));
    }
    let content = line.strip_suffix(b"\n").unwrap_or(line);
    if content.strip_suffix(b"\r").unwrap_or(content).contains(&b'\r') {
        return Err(io::Error::other("the lines end with carriage returns only; convert them to line feeds"));
    }
    Ok(())
}

/// Returns the fields of `text`, which must be a single CSV record.
fn csv_fields(text: &[u8]) -> Result<ByteRecord, Vec<FieldError>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(text.len().max(1))
        .from_reader(text);
    let (mut record, mut rest) = (ByteRecord::new(), ByteRecord::new());
    let is_one = reader.read_byte_record(&mut record).is_ok()
        && reader.read_byte_record(&mut rest).is_ok_and(|has_more| !has_more);
    // The parser accepts a record without its closing quote.
    let is_closed = text.iter().filter(|byte| **byte == b'"').count() % 2 == 0;
    if is_one && is_closed {
        Ok(record)
    } else {
        Err(FieldError::line("a quote is not closed, or does not enclose a whole field"))
    }
}

/// Returns the columns in the header of a CSV file.
fn columns(header: &ByteRecord, requires_hash: bool) -> Result<Vec<String>, Vec<FieldError>> {
    let columns: Vec<_> = header.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let mut errors = Vec::new();
    for (position, column) in columns.iter().enumerate() {
        if !FIELDS.contains(&column.as_str()) {
            errors.push(FieldError::new(column, UNKNOWN_FIELD));
        } else if columns[..position].contains(column) {
            errors.push(FieldError::new(column, "appears twice in the header"));
        }
    }
    for required in ["username", "hashed_password"] {
        let is_required = requires_hash || required == "username";
        if is_required && !columns.iter().any(|column| column == required) {
            errors.push(FieldError::new(required, "missing from the header"));
        }
    }
    if errors.is_empty() { Ok(columns) } else { Err(errors) }
}

fn json_record(line: &[u8], requires_hash: bool) -> Result<Record, Vec<FieldError>> {
    match unique_names::parse(line) {
        Some(fields) => record(fields, Vec::new(), requires_hash),
        None => Err(FieldError::line(match serde_json::from_slice(line) {
            Ok(Value::Object(_)) => "a field appears twice".to_owned(),
            Ok(_) => "expected a JSON object".to_owned(),
            Err(error) => format!("invalid JSON at column {}", error.column()),
        })),
    }
}

/// Reads a CSV record in the same way as a JSON object with these fields.
fn csv_record(
    columns: &[String],
    values: &ByteRecord,
    requires_hash: bool,
) -> Result<Record, Vec<FieldError>> {
    if values.len() != columns.len() {
        let (found, expected) = (values.len(), columns.len());
        return Err(FieldError::line(format!("expected {expected} fields as in the header, found {found}")));
    }
    let (mut fields, mut errors) = (Map::new(), Vec::new());
    for (column, value) in columns.iter().zip(values) {
        let value = match (column.as_str(), str::from_utf8(value)) {
            (_, Err(_)) => {
                errors.push(FieldError::new(column, "invalid UTF-8"));
                continue;
            }
            ("scopes", Ok("")) => "".into(),
            (_, Ok("")) => Value::Null,
            ("disabled", Ok("true")) => Value::Bool(true),
            ("disabled", Ok("false")) => Value::Bool(false),
            (_, Ok(text)) => unescape_formula(text).into(),
        };
        fields.insert(column.clone(), value);
    }
    let has_blank_scopes = fields.get("scopes").is_some_and(|scopes| scopes == "");
    let mut record = record(fields, errors, requires_hash)?;
    if has_blank_scopes {
        record.fields.retain(|field| *field != "scopes");
    }
    Ok(record)
}

/// Checks the fields of a user. `errors` contains the errors that were already found.
fn record(
    mut fields: Map<String, Value>,
    mut errors: Vec<FieldError>,
    requires_hash: bool,
) -> Result<Record, Vec<FieldError>> {
    let unknown = fields.keys().filter(|name| !FIELDS.contains(&name.as_str()));
    errors.extend(unknown.map(|name| FieldError::new(name, UNKNOWN_FIELD)));
    // Users always have a state and scopes, so null in these fields is treated like a missing field.
    let is_present = |name: &&str| match fields.get(*name) {
        Some(Value::Null) => !["disabled", "scopes"].contains(name),
        value => value.is_some(),
    };
    let present = FIELDS.into_iter().filter(is_present).collect();
    let mut reader = FieldReader { fields: &mut fields, errors: &mut errors };
    let disabled = reader.field("disabled", |value| match value {
        Value::Null => Ok(false),
        Value::Bool(disabled) => Ok(disabled),
        _ => Err("expected true or false"),
    });
    let scopes = reader.field("scopes", scopes);
    let (username, username_key) =
        reader.text("username", |text| sql::username(&text).map(|_| (text.clone(), username_key(&text))));
    let email = reader.text("email", |text| sql::email(&text));
    let full_name = reader.text("full_name", |text| sql::full_name(&text));
    let hashed_password =
        reader.text("hashed_password", |text| match Argon2Hasher::check_hash(&(&*text).into()) {
            _ if text.is_empty() && requires_hash => Err(NO_HASH.to_owned()),
            _ if text.is_empty() => Ok(None),
            Err(error) => Err(error.to_string()),
            Ok(()) => Ok(Some(text)),
        });
    if !errors.is_empty() {
        return Err(errors);
    }
    let user = User { id: User::new_id(), username, email, full_name, disabled, scopes };
    Ok(Record { username_key, user, hashed_password, fields: present })
}

/// A reader of the fields of an object, which collects the errors.
struct FieldReader<'a> {
    fields: &'a mut Map<String, Value>,
    errors: &'a mut Vec<FieldError>,
}

impl FieldReader<'_> {
    fn field<T: Default, E: Display>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, E>) -> T {
        read(self.fields.remove(name).unwrap_or_default()).unwrap_or_else(|error| {
            self.errors.push(FieldError::new(name, error));
            T::default()
        })
    }

    fn text<T: Default, E: Display>(&mut self, name: &str, read: impl FnOnce(String) -> Result<T, E>) -> T {
        self.field(name, |value| match value {
            Value::Null => read(String::new()).map_err(|error| error.to_string()),
            Value::String(text) => read(text).map_err(|error| error.to_string()),
            _ => Err("expected a string".to_owned()),
        })
    }
}

/// Reads scopes from a JSON array or string. Returns the default scopes if the value is missing.
fn scopes(value: Value) -> Result<Scopes, String> {
    const EXPECTED: &str = "expected a string or a list of strings";
    let text = match value {
        Value::Null => return Ok(default_scopes()),
        Value::String(text) => text,
        Value::Array(list) => {
            let scope = |value: &Value| {
                let scope = value.as_str().ok_or(EXPECTED)?.parse::<Scope>();
                scope.map_err(|error| error.to_string())
            };
            list.iter().map(scope).collect::<Result<Scopes, _>>()?.to_string()
        }
        _ => return Err(EXPECTED.to_owned()),
    };
    sql::scopes(&text).map_err(|error| error.to_string())
}

/// Returns the line of a user in the format that [`Records`] reads.
pub(super) fn user_line(StoredUser { user, password_hash, .. }: &StoredUser, format: Format) -> String {
    let hashed_password = password_hash.expose();
    match format {
        // The user ID is not exported: an imported user is a new user with a new ID.
        Format::Jsonl => json!({
            "username": user.username,
            "email": user.email,
            "full_name": user.full_name,
            "disabled": user.disabled,
            "scopes": user.scopes,
            "hashed_password": hashed_password,
        })
        .to_string(),
        Format::Csv => {
            let cells = [
                user.username.as_str(),
                user.email.as_deref().unwrap_or_default(),
                user.full_name.as_deref().unwrap_or_default(),
                if user.disabled { "true" } else { "false" },
                &user.scopes.to_string(),
                hashed_password,
            ];
            csv_line(cells.map(escape_formula).iter().map(|cell| cell.as_bytes()))
        }
    }
}
