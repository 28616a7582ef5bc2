//! `gatepass users import`: reads a file twice: first to check every line, then to add the users.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    mem,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

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

/// The maximum number of printed errors. Further errors are only counted.
const MAX_PRINTED_ERRORS: usize = 100;

/// The number of usernames per database query.
const LOOKUP_SIZE: usize = 500;

#[derive(Clone, Debug, Args)]
pub(super) struct ImportUsers {
    /// File to read, or - for standard input
    file: PathBuf,
    /// Format of the file [default: from the extension .jsonl or .csv]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Import the valid users even if other lines are invalid; prints the errors in those lines
    #[arg(long)]
    skip_invalid: bool,
    /// Action for usernames that are already taken
    #[arg(long, value_name = "ACTION", value_enum, default_value = "error")]
    on_conflict: OnConflict,
    /// Also replace password hashes; requires --on-conflict update
    #[arg(long)]
    update_passwords: bool,
    /// Print the result as a JSON object
    #[arg(long)]
    json: bool,
}

/// The action for a username that is already taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnConflict {
    /// Treat the line as invalid
    Error,
    /// Keep the existing user unchanged
    Skip,
    /// Change the fields that the file contains, except the password hash
    Update,
}

/// The result of an import.
#[derive(Default, Serialize)]
struct Imported {
    imported: u64,
    updated: u64,
    /// Existing users that were kept unchanged.
    skipped: u64,
    /// Lines with errors.
    invalid: u64,
}

pub(super) async fn run(users: &SqlUsers, arguments: &ImportUsers) -> Result<(), Failure> {
    let updates = arguments.on_conflict == OnConflict::Update;
    if arguments.update_passwords && !updates {
        return Err(Failure::usage("--update-passwords needs --on-conflict update"));
    }
    let format = Format::of(&arguments.file, arguments.format, None)?;
    let source = Source::new(&arguments.file, format, !updates)?;
    let checked = check(users, &source, arguments).await?;
    let imported = write(users, &source, arguments, checked).await?;
    if arguments.json {
        return print_json(&imported);
    }
    let mut text = format!("imported {}", user_count(imported.imported));
    for (count, others) in [
        (imported.updated, format!(", updated {}", imported.updated)),
        (imported.skipped, format!(", kept {} unchanged", imported.skipped)),
        (imported.invalid, format!(", skipped {} invalid", imported.invalid)),
    ] {
        if count > 0 {
            text += &others;
        }
    }
    print(text)
}

/// A file that can be read twice.
struct Source {
    name: String,
    format: Format,
    /// True if every user must have a password hash, false if only new users must.
    requires_hash: bool,
    content: Content,
}

enum Content {
    File(PathBuf),
    Memory(Vec<u8>),
}

impl Source {
    fn new(file: &Path, format: Format, requires_hash: bool) -> Result<Self, Failure> {
        let name = escaped(&file.to_string_lossy());
        let content = Content::of(file).map_err(|error| read_error(&name, error))?;
        Ok(Self { name, format, requires_hash, content })
    }

    /// Opens the file. Reading its users advances the progress bar.
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
            Records::new(reader, self.format, self.requires_hash)
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

/// The result of checking the lines of a file.
struct Checked {
    /// The number of valid users.
    valid: u64,
    /// The numbers of the invalid lines.
    invalid: HashSet<u64>,
}

/// Checks every line. Fails if one is invalid, unless invalid lines are skipped.
async fn check(users: &SqlUsers, source: &Source, arguments: &ImportUsers) -> Result<Checked, Failure> {
    let bar = progress_bar("checking");
    let mut records = source.records(&bar)?;
    // A file with an invalid header has no valid lines.
    let can_skip = arguments.skip_invalid && records.has_valid_header();
    let (mut errors, mut names, mut lines) = (Errors::default(), Names::default(), 0);
    while let Some(Line { number, content }) = source.next(&mut records)? {
        lines += 1;
        match content.and_then(|record| names.add(record, number).map_err(|error| vec![error])) {
            Ok(()) => {}
            Err(line_errors) => line_errors.into_iter().for_each(|error| errors.add(number, error)),
        }
        if names.pending.len() >= LOOKUP_SIZE {
            names.look_up(users, arguments.on_conflict, &mut errors).await?;
        }
    }
    names.look_up(users, arguments.on_conflict, &mut errors).await?;
    bar.finish_and_clear();
    let invalid = errors.lines.clone();
    match errors.print(&source.name) {
        0 => {}
        _ if can_skip => {}
        1 => return Err(Failure::failed("1 error: nothing was imported")),
        count => return Err(Failure::failed(format!("{count} errors: nothing was imported"))),
    }
    Ok(Checked { valid: lines - invalid.len() as u64, invalid })
}

/// Writes all valid users of a checked file in one transaction.
async fn write(
    users: &SqlUsers,
    source: &Source,
    &ImportUsers { on_conflict, update_passwords, .. }: &ImportUsers,
    Checked { valid, invalid }: Checked,
) -> Result<Imported, Failure> {
    let changed =
        || Failure::failed(format!("{} changed during the import: nothing was imported", source.name));
    let bar = progress_bar("importing");
    let mut records = source.records(&bar)?;
    let mut import = users.import().await?;
    let mut result = Imported { invalid: invalid.len() as u64, ..Imported::default() };
    loop {
        let mut batch = Vec::with_capacity(Import::BATCH);
        while batch.len() < Import::BATCH
            && let Some(line) = source.next(&mut records)?
        {
            if !invalid.contains(&line.number) {
                batch.push(line.content.map_err(|_| changed())?);
            }
        }
        if batch.is_empty() {
            break;
        }
        let existing = if on_conflict == OnConflict::Error {
            Vec::new()
        } else {
            let keys: Vec<_> = batch.iter().map(|record| record.username_key.as_str()).collect();
            let taken = import.taken(&keys).await?;
            batch.extract_if(.., |record| taken.contains(&record.username_key)).collect()
        };
        if on_conflict == OnConflict::Update {
            for record in &existing {
                import.update(&record.username_key, &record.change(update_passwords)).await?;
            }
            result.updated += existing.len() as u64;
        } else {
            result.skipped += existing.len() as u64;
        }
        result.imported += batch.len() as u64;
        let accounts: Option<Vec<_>> = batch.into_iter().map(Record::into_account).collect();
        let accounts = accounts.ok_or_else(|| {
            Failure::failed(
                "an existing user without hashed_password in the file was removed during the import: nothing was imported",
            )
        })?;
        if !import.add(&accounts).await? {
            let reason = "a username was taken during the import: nothing was imported";
            return Err(Failure::failed(reason));
        }
    }
    if result.imported + result.updated + result.skipped != valid {
        return Err(changed());
    }
    import.commit().await?;
    bar.finish_and_clear();
    Ok(result)
}

/// The usernames in a file.
#[derive(Default)]
struct Names {
    /// The line number of each username.
    lines: HashMap<Box<str>, u64>,
    /// The usernames that have not been looked up in the database yet, with their line numbers. The flag is true if the
    /// line has a password hash.
    pending: Vec<(String, u64, bool)>,
}

impl Names {
    fn add(&mut self, record: Record, number: u64) -> Result<(), FieldError> {
        match self.lines.entry(record.username_key.as_str().into()) {
            Entry::Occupied(other) => {
                Err(FieldError::new("username", format!("duplicate of line {}", other.get())))
            }
            Entry::Vacant(entry) => {
                entry.insert(number);
                let has_hash = record.has_hash();
                self.pending.push((record.username_key, number, has_hash));
                Ok(())
            }
        }
    }

    async fn look_up(
        &mut self,
        users: &SqlUsers,
        on_conflict: OnConflict,
        errors: &mut Errors,
    ) -> Result<(), Failure> {
        let mut pending = mem::take(&mut self.pending);
        // With `skip` or `update`, a line with a password hash is valid whether or not its username is taken.
        pending.retain(|(_, _, has_hash)| on_conflict == OnConflict::Error || !has_hash);
        let keys: Vec<_> = pending.iter().map(|(key, ..)| key.as_str()).collect();
        let taken = users.taken(&keys).await?;
        for (key, number, has_hash) in &pending {
            match (taken.contains(key), has_hash) {
                (true, true) => errors.add(*number, FieldError::new("username", "already taken")),
                (false, false) => errors.add(*number, FieldError::no_hash()),
                _ => {}
            }
        }
        errors.keep_first();
        Ok(())
    }
}

/// The first errors in a file, the number of all errors, and the numbers of the lines with errors.
#[derive(Default)]
struct Errors {
    first: Vec<(u64, FieldError)>,
    count: usize,
    lines: HashSet<u64>,
}

impl Errors {
    fn add(&mut self, number: u64, error: FieldError) {
        self.count += 1;
        self.lines.insert(number);
        self.first.push((number, error));
        // The next lookup may add errors for earlier lines, so more errors are kept than printed.
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
            eprintln!("and {} more", self.count - self.first.len());
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
