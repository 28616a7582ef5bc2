//! `gatepass users import`: reads a file twice, to check every line and to add the users.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{
    adapters::sql::{Import, SqlUsers},
    app::{
        commands::{
            Format,
            output::{escaped, print, print_json, user_count},
            record::{FieldError, Line, Record, Records},
        },
        failure::Failure,
    },
};

/// The maximum number of printed errors. Further ones are only counted.
const MAX_PRINTED_ERRORS: usize = 100;

/// The number of usernames per database query.
const LOOKUP_SIZE: usize = 500;

pub(super) async fn run(
    users: &SqlUsers,
    file: &Path,
    format: Option<Format>,
    json: bool,
) -> Result<(), Failure> {
    let source = Source::new(file, Format::of(file, format, None)?)?;
    let imported = check(users, &source).await?;
    write(users, &source, imported).await?;
    if json {
        print_json(&json!({ "imported": imported }))
    } else {
        print(format!("imported {}", user_count(imported)))
    }
}

/// A file that can be read twice.
struct Source {
    name: String,
    format: Format,
    content: Content,
}

enum Content {
    File(PathBuf),
    Memory(Vec<u8>),
}

impl Source {
    fn new(file: &Path, format: Format) -> Result<Self, Failure> {
        let name = escaped(&file.to_string_lossy());
        let content = Content::of(file).map_err(|error| read_error(&name, error))?;
        Ok(Self { name, format, content })
    }

    /// Opens the users of the file. Reading them moves the progress bar.
    fn records(&self, bar: &ProgressBar) -> Result<Records<Box<dyn BufRead + '_>>, Failure> {
        let reader: io::Result<(Box<dyn BufRead>, u64)> = match &self.content {
            Content::Memory(bytes) => Ok((Box::new(bar.wrap_read(&**bytes)), bytes.len() as u64)),
            Content::File(path) => File::open(path).and_then(|file| {
                let length = file.metadata()?.len();
                Ok((Box::new(bar.wrap_read(BufReader::with_capacity(256 * 1024, file))) as _, length))
            }),
        };
        let opened = reader.and_then(|(reader, length)| {
            bar.set_length(length);
            Records::new(reader, self.format)
        });
        opened.map_err(|error| read_error(&self.name, error))
    }

    fn next(&self, records: &mut Records<impl BufRead>) -> Result<Option<Line>, Failure> {
        records.next().map_err(|error| read_error(&self.name, error))
    }
}

impl Content {
    /// Keeps standard input and pipes in memory: they cannot be read twice, and a temporary file would expose password
    /// hashes.
    fn of(file: &Path) -> Result<Self, io::Error> {
        let mut content = Vec::new();
        if file == Path::new("-") {
            io::stdin().lock().read_to_end(&mut content)?;
        } else if fs::metadata(file)?.is_file() {
            return Ok(Self::File(file.to_owned()));
        } else {
            File::open(file)?.read_to_end(&mut content)?;
        }
        Ok(Self::Memory(content))
    }
}

fn read_error(name: &str, error: io::Error) -> Failure {
    Failure::failed(format!("cannot read {name}: {error}"))
}

/// Checks every line and returns the number of users.
async fn check(users: &SqlUsers, source: &Source) -> Result<u64, Failure> {
    let bar = progress_bar("checking");
    let mut records = source.records(&bar)?;
    let (mut errors, mut names) = (Errors::default(), Names::default());
    while let Some(Line { number, content }) = source.next(&mut records)? {
        match content.and_then(|record| names.add(record, number).map_err(|error| vec![error])) {
            Ok(()) => {}
            Err(line_errors) => line_errors.into_iter().for_each(|error| errors.add(number, error)),
        }
        if names.pending.len() >= LOOKUP_SIZE {
            names.look_up(users, &mut errors).await?;
        }
    }
    names.look_up(users, &mut errors).await?;
    bar.finish_and_clear();
    match errors.print(&source.name) {
        0 => Ok(names.lines.len() as u64),
        1 => Err(Failure::failed("1 error: nothing was imported")),
        count => Err(Failure::failed(format!("{count} errors: nothing was imported"))),
    }
}

/// Adds all users of a checked file in one transaction.
async fn write(users: &SqlUsers, source: &Source, count: u64) -> Result<(), Failure> {
    let changed =
        || Failure::failed(format!("{} changed during the import: nothing was imported", source.name));
    let bar = progress_bar("importing");
    let mut records = source.records(&bar)?;
    let mut import = users.import().await?;
    let mut number = 0;
    loop {
        let mut batch = Vec::with_capacity(Import::BATCH);
        for _ in 0..Import::BATCH {
            let Some(line) = source.next(&mut records)? else { break };
            let record = line.content.map_err(|_| changed())?;
            batch.push(record.into_account());
            number += 1;
        }
        if batch.is_empty() {
            break;
        }
        if !import.add(&batch).await? {
            let reason = "a username was taken during the import: nothing was imported";
            return Err(Failure::failed(reason));
        }
    }
    if number != count {
        return Err(changed());
    }
    import.commit().await?;
    bar.finish_and_clear();
    Ok(())
}

/// The usernames of a file.
#[derive(Default)]
struct Names {
    /// The line of each username.
    lines: HashMap<Box<str>, u64>,
    /// The usernames that were not looked up in the database yet.
    pending: Vec<(String, u64)>,
}

impl Names {
    fn add(&mut self, record: Record, number: u64) -> Result<(), FieldError> {
        match self.lines.entry(record.username_key.as_str().into()) {
            Entry::Occupied(other) => {
                Err(FieldError::new("username", format!("duplicate of line {}", other.get())))
            }
            Entry::Vacant(entry) => {
                entry.insert(number);
                self.pending.push((record.username_key, number));
                Ok(())
            }
        }
    }

    async fn look_up(&mut self, users: &SqlUsers, errors: &mut Errors) -> Result<(), Failure> {
        let keys: Vec<_> = self.pending.iter().map(|(key, _)| key.as_str()).collect();
        let taken = users.taken(&keys).await?;
        for (_, number) in self.pending.drain(..).filter(|(key, _)| taken.contains(key)) {
            errors.add(number, FieldError::new("username", "already taken"));
        }
        errors.keep_first();
        Ok(())
    }
}

/// The first errors of a file, and their number.
#[derive(Default)]
struct Errors {
    first: Vec<(u64, FieldError)>,
    count: usize,
}

impl Errors {
    fn add(&mut self, number: u64, error: FieldError) {
        self.count += 1;
        self.first.push((number, error));
        // A lookup may still add errors for the lines since the last one, so more errors are kept than printed.
        if self.first.len() > MAX_PRINTED_ERRORS + 10 * LOOKUP_SIZE {
            self.keep_first();
        }
    }

    fn keep_first(&mut self) {
        self.first.sort_by_key(|(number, _)| *number);
        self.first.truncate(MAX_PRINTED_ERRORS);
    }

    /// Prints the first errors and returns the total number.
    fn print(mut self, file: &str) -> usize {
        self.keep_first();
        for (number, FieldError { field, reason }) in &self.first {
            eprintln!("{file}:{number}: {field}: {reason}");
        }
        if self.count > self.first.len() {
            eprintln!("and {} more errors", self.count - self.first.len());
        }
        self.count
    }
}

/// Returns a progress bar, which is visible only on a terminal.
fn progress_bar(message: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(message);
    match ProgressStyle::with_template("{msg:<9} {wide_bar} {percent:>3} % {eta:>4}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
