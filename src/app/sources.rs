//! The sources of settings. In order of precedence: flags, environment variables and the files that they name, the
//! configuration file, defaults.

use std::{
    env, fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgMatches, error::ErrorKind, parser::ValueSource};
use serde::Serialize;
use toml::de::{DeTable, DeValue};
use url::Url;
use zeroize::Zeroizing;

use crate::adapters::sql::has_misplaced_password;

/// The maximum size of a configuration file and of a file with a secret, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The setting that names the configuration file.
const CONFIG: &str = "config";

/// The setting that may contain a password.
const DATABASE_URL: &str = "database-url";

/// The value names in the help that stand for numbers.
const NUMBERS: [&str; 6] = ["BYTES", "DAYS", "KIB", "MILLISECONDS", "NUMBER", "SECONDS"];

/// The minimum similarity between an unknown name and a suggested one, the same as clap's.
const MIN_SIMILARITY: f64 = 0.7;

/// The source of a setting's value.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "source", rename_all = "lowercase")]
pub(crate) enum Source {
    Flag(#[serde(skip)] String),
    #[serde(rename = "environment")]
    Variable {
        variable: String,
    },
    /// A file with a secret, named by a variable.
    #[serde(rename = "file")]
    SecretFile {
        variable: String,
        file: String,
    },
    #[serde(rename = "file")]
    ConfigFile {
        file: String,
        line: usize,
    },
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable { variable } => f.write_str(variable),
            Self::SecretFile { variable, file } => write!(f, "{file} ({variable})"),
            Self::ConfigFile { file, line } => write!(f, "{file} line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The value of a setting, read from a file.
pub(crate) struct FileValue {
    pub(crate) name: String,
    pub(crate) value: Zeroizing<String>,
    pub(crate) source: Source,
}

impl FileValue {
    /// Returns the path of the file if it contains the password of the database.
    pub(crate) fn password_file(&self) -> Option<PathBuf> {
        match &self.source {
            Source::SecretFile { file, .. } | Source::ConfigFile { file, .. } => {
                let is_secret = self.name == DATABASE_URL && without_password(&self.value) != *self.value;
                is_secret.then(|| file.into())
            }
            _ => None,
        }
    }
}

/// A setting, its effective value, and the source of the value.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
    #[serde(rename = "setting")]
    pub(crate) name: String,
    /// The value with secrets redacted; `None` if the setting has no value.
    pub(crate) value: Option<String>,
    /// The description of the default, if it depends on other settings or on the system.
    pub(crate) default: Option<String>,
    #[serde(flatten)]
    pub(crate) source: Source,
}

/// Returns the settings among the options of a command: those under a help heading.
pub(crate) fn settings(command: &clap::Command) -> impl Iterator<Item = (&str, &Arg)> {
    let arguments = command.get_arguments().filter(|arg| arg.get_help_heading().is_some());
    arguments.filter_map(|arg| Some((arg.get_long()?, arg)))
}

/// Returns the character that separates the items of a list.
fn separator(arg: &Arg) -> char {
    arg.get_value_delimiter().unwrap_or(',')
}

/// Returns the environment variable of a setting.
pub(crate) fn variable_name(name: &str) -> String {
    format!("GATEPASS_{}", name.to_uppercase().replace('-', "_"))
}

/// Returns the variable that names a file with the value, for settings that are secret.
pub(crate) fn file_variable(arg: &Arg) -> Option<String> {
    let name = arg.get_long().filter(|_| arg.is_hide_env_values_set())?;
    Some(format!("{}_FILE", variable_name(name)))
}

/// Reads the settings of `command` from files, except overridden ones. `all` is the command that has all settings.
///
/// # Errors
/// If a file cannot be read or is invalid, or a secret is set twice.
pub(crate) fn read_files(
    command: &clap::Command,
    matches: &ArgMatches,
    all: &clap::Command,
) -> Result<Vec<FileValue>, clap::Error> {
    let source = |arg: &Arg| matches.value_source(arg.get_id().as_str());
    let mut values = Vec::<FileValue>::new();
    for (name, arg) in settings(command) {
        let Some(variable) = file_variable(arg) else { continue };
        let Some(path) = env::var_os(&variable).filter(|path| !path.is_empty()) else { continue };
        match source(arg) {
            Some(ValueSource::CommandLine) => continue,
            Some(ValueSource::EnvVariable) => {
                let other = variable_name(name);
                return Err(invalid(format!("{other} and {variable} are both set; unset one of them")));
            }
            _ => {}
        }
        let path = Path::new(&path);
        let text = read(path, &variable)?;
        let line = text.strip_suffix('\n').map_or(&**text, |line| line.strip_suffix('\r').unwrap_or(line));
        if line.is_empty() || line.contains(['\n', '\r']) {
            return Err(invalid(format!("{} ({variable}) must contain one line", path.display())));
        }
        values.push(FileValue {
            name: name.to_owned(),
            value: Zeroizing::new(line.to_owned()),
            source: Source::SecretFile { variable, file: path.display().to_string() },
        });
    }
    if let Some(path) = matches.get_one::<std::path::PathBuf>(CONFIG) {
        let text = read(path, "--config")?;
        for value in parse(&path.display().to_string(), &text, all)? {
            let is_overridden =
                |arg| matches!(source(arg), Some(ValueSource::CommandLine | ValueSource::EnvVariable));
            let arg = settings(command).find(|(name, _)| *name == value.name);
            let is_read = values.iter().any(|other| other.name == value.name);
            if arg.is_some_and(|(_, arg)| !is_overridden(arg)) && !is_read {
                values.push(value);
            }
        }
    }
    Ok(values)
}

/// Returns the settings of `command`, with their effective values.
pub(crate) fn in_force(command: &clap::Command, matches: &ArgMatches, files: &[FileValue]) -> Vec<Setting> {
    let describe = |(name, arg): (&str, &Arg)| {
        let id = arg.get_id().as_str();
        let file = files.iter().find(|value| value.name == name);
        let given = || {
            let values = matches.get_raw(id)?;
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            Some(values.join(separator(arg).encode_utf8(&mut [0; 4])))
        };
        let value = file.map(|file| file.value.to_string()).or_else(given);
        let source = match (file, matches.value_source(id)) {
            (Some(file), _) => file.source.clone(),
            (None, Some(ValueSource::CommandLine)) => Source::Flag(name.to_owned()),
            (None, Some(ValueSource::EnvVariable)) => Source::Variable { variable: variable_name(name) },
            _ => Source::Default,
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let default = help.split_once("[default: ").and_then(|(_, rest)| rest.strip_suffix(']'));
        Setting {
            name: name.to_owned(),
            value: if arg.is_hide_env_values_set() { value.map(|url| without_password(&url)) } else { value },
            default: default.map(str::to_owned),
            source,
        }
    };
    settings(command).map(describe).collect()
}

/// Returns the name that is most similar to `unknown`, if one is similar enough.
pub(crate) fn suggestion(unknown: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let similar = names.map(|name| (strsim::jaro(unknown, &name), name));
    let best = similar.filter(|(similarity, _)| *similarity > MIN_SIMILARITY);
    best.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, name)| name)
}

/// Returns a database URL without its password.
pub(crate) fn without_password(database_url: &str) -> String {
    const REDACTED: &str = "REDACTED";
    if database_url.starts_with("sqlite:") {
        return database_url.to_owned();
    }
    // Only URLs that can be parsed are printed: in an invalid URL, the password could be anywhere.
    let Ok(mut url) = Url::parse(database_url) else { return REDACTED.to_owned() };
    if has_misplaced_password(&url) {
        return REDACTED.to_owned();
    }
    if url.password().is_some() && url.set_password(Some(REDACTED)).is_err() {
        return REDACTED.to_owned();
    }
    if url.query_pairs().any(|(name, _)| name == "password") {
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let redacted =
            pairs.iter().map(|(name, value)| (name, if name == "password" { REDACTED } else { value }));
        url.query_pairs_mut().clear().extend_pairs(redacted);
    }
    url.to_string()
}

fn invalid(message: String) -> clap::Error {
    clap::Error::raw(ErrorKind::InvalidValue, message)
}

/// Reads a text file. `origin` is the variable or the option that names the file.
fn read(path: &Path, origin: &str) -> Result<Zeroizing<String>, clap::Error> {
    let failed =
        |cause: &dyn fmt::Display| invalid(format!("cannot read {} ({origin}): {cause}", path.display()));
    let mut text = Zeroizing::new(String::with_capacity(1024));
    let file = File::open(path).map_err(|error| failed(&error))?;
    let length = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(failed(&format_args!("the file is larger than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}

/// Parses a configuration file.
fn parse(path: &str, text: &str, all: &clap::Command) -> Result<Vec<FileValue>, clap::Error> {
    let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    let wrong = |offset, message: String| invalid(format!("{path} line {}: {message}", line_of(offset)));
    let table = DeTable::parse(text)
        .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message().to_owned()))?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut values = Vec::<FileValue>::new();
    for (key, value) in entries {
        let (key, offset) = (key.get_ref(), key.span().start);
        let name = key.replace('_', "-");
        let Some((_, arg)) = settings(all).find(|(known, _)| *known == name && name != CONFIG) else {
            let names = settings(all).map(|(name, _)| name).filter(|name| *name != CONFIG);
            let hint = suggestion(&name, names.map(str::to_owned));
            let hint = hint.map(|name| format!("; did you mean {name:?}?")).unwrap_or_default();
            return Err(wrong(offset, format!("unknown setting {key:?}{hint}")));
        };
        if values.iter().any(|value| value.name == name) {
            return Err(wrong(offset, format!("{name:?} is set twice")));
        }
        let value = Kind::of(arg).text(value.get_ref());
        let value = value.map_err(|expected| wrong(offset, format!("{key:?} must be {expected}")))?;
        let source = Source::ConfigFile { file: path.to_owned(), line: line_of(offset) };
        values.push(FileValue { name, value: value.into(), source });
    }
    Ok(values)
}

/// Returns whether the type of a setting is known from its value name. Without this check, a new value name could be
/// treated as text by mistake.
#[cfg(test)]
pub(crate) fn has_known_type(arg: &Arg) -> bool {
    const TEXTS: [&str; 13] = [
        "ADDRESS:PORT",
        "ALGORITHM",
        "COLOR",
        "DIRECTORY",
        "FILE",
        "FORMAT",
        "HEADER",
        "ID",
        "LANGUAGE",
        "NAME",
        "PROFILE",
        "SIGN_INS",
        "URL",
    ];
    let name = arg.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str());
    Kind::of(arg) != Kind::Text || TEXTS.contains(&name)
}

/// The type of a setting in a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    TrueOrFalse,
    OnOrOff,
    Number,
    /// A list with this separator.
    List(char),
    Text,
}

impl Kind {
    fn of(arg: &Arg) -> Self {
        match arg.get_value_names().and_then(<[_]>::first).map(|name| name.as_str()) {
            Some("true|false") => Self::TrueOrFalse,
            Some("on|off") => Self::OnOrOff,
            Some(name) if NUMBERS.contains(&name) => Self::Number,
            Some(name) if name.ends_with('…') => Self::List(separator(arg)),
            _ => Self::Text,
        }
    }

    /// Returns the value as it is written on the command line, or the expected type.
    fn text(self, value: &DeValue<'_>) -> Result<String, &'static str> {
        Ok(match (self, value) {
            (Self::TrueOrFalse, DeValue::Boolean(value)) => value.to_string(),
            (Self::OnOrOff, DeValue::Boolean(value)) => if *value { "on" } else { "off" }.to_owned(),
            (Self::OnOrOff, DeValue::String(value)) if ["on", "off"].contains(&&**value) => value.to_string(),
            (Self::Number, DeValue::Integer(value)) => {
                match i64::from_str_radix(value.as_str(), value.radix()) {
                    Ok(number) => number.to_string(),
                    Err(_) => return Err("a whole number in the 64-bit range"),
                }
            }
            (Self::Text | Self::List(_), DeValue::String(value)) => value.to_string(),
            (Self::List(separator), DeValue::Array(values)) => {
                let text = values.iter().map(|value| value.get_ref().as_str().ok_or("an array of strings"));
                text.collect::<Result<Vec<_>, _>>()?.join(separator.encode_utf8(&mut [0; 4]))
            }
            (Self::TrueOrFalse | Self::OnOrOff, _) => return Err("true or false"),
            (Self::Number, _) => return Err("a whole number"),
            (Self::List(_), _) => return Err("a string or an array of strings"),
            (Self::Text, _) => return Err("a string"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_database_urls_are_redacted() {
        for (url, shown) in [
            ("sqlite:gatepass.db", "sqlite:gatepass.db"),
            ("postgres://gatepass@db/gatepass", "postgres://gatepass@db/gatepass"),
            (
                "postgres://u:s3cret@db:5433/d?sslmode=require",
                "postgres://u:REDACTED@db:5433/d?sslmode=require",
            ),
            ("postgres://u@db/d?passw%6Frd=s3cret&user=x", "postgres://u@db/d?password=REDACTED&user=x"),
            ("postgres://u:s3/cret@db/d", "REDACTED"),
            ("postgres://u:12/s3cret@db/d", "REDACTED"),
            ("postgres://u:12?s3cret@db/d", "REDACTED"),
            ("postgres://u:12#s3cret@db/d", "REDACTED"),
            ("postgres://u@db/d?password=12#s3cret", "REDACTED"),
            ("postgres:u:s3cret@db/d", "REDACTED"),
            ("s3cret", "REDACTED"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
