//! `gatepass users import`: a file is read twice. First everything is looked at; only then is anything written.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::{self, File},
    io::{self, BufRead, BufReader, Cursor, Read},
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    adapters::sql::{Import, SqlUsers, user_id},
    app::commands::{
        Format,
        output::{Output, shown},
        record::{FieldFault, Line, Record, Records},
    },
    app::failure::Failure,
    domain::time::Timestamp,
    http::random,
};

/// How many faults are printed; the others are counted.
const PRINTED_FAULTS: usize = 100;

/// How many names are looked up at once.
const LOOKED_UP: usize = 500;

pub(super) async fn run(
    users: &SqlUsers,
    file: &Path,
    format: Option<Format>,
    json: bool,
    now: Timestamp,
) -> Result<(), Failure> {
    let source = Source::new(file, Format::of(file, format, None)?)?;
    let imported = check(users, &source).await?;
    write(users, &source, imported, now).await?;
    let mut output = Output::new();
    if json {
        output.json(&serde_json::json!({ "imported": imported }))?;
    } else {
        output.line(format!("imported {imported} users"))?;
    }
    output.finish()
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
        let name = shown(&file.to_string_lossy());
        let content = Content::of(file).map_err(|error| unreadable(&name, &error))?;
        Ok(Self { name, format, content })
    }

    fn open(&self) -> Result<(Box<dyn BufRead + '_>, u64), io::Error> {
        match &self.content {
            Content::Memory(bytes) => Ok((Box::new(Cursor::new(bytes)), bytes.len() as u64)),
            Content::File(path) => {
                let file = File::open(path)?;
                let length = file.metadata()?.len();
                Ok((Box::new(BufReader::with_capacity(256 * 1024, file)), length))
            }
        }
    }

    fn unreadable(&self) -> impl Fn(io::Error) -> Failure + '_ {
        |error| unreadable(&self.name, &error)
    }
}

impl Content {
    /// Standard input and pipes are kept in memory: they cannot be read twice, and hashes do not belong into a
    /// temporary file.
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

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot read {name}: {error}"))
}

/// Looks at every line. How many users there are, where all is well.
async fn check(users: &SqlUsers, source: &Source) -> Result<u64, Failure> {
    let (reader, length) = source.open().map_err(source.unreadable())?;
    let bar = progress_bar("checking", length);
    let mut faults = Faults::default();
    let mut names = Names::default();
    match Records::new(bar.wrap_read(reader), source.format).map_err(source.unreadable())? {
        Err(header) => drop(faults.take(header)),
        Ok(mut records) => {
            while let Some(line) = records.next().map_err(source.unreadable())? {
                let number = line.number;
                if let Some(record) = faults.take(line)
                    && let Err(fault) = names.add(record, number)
                {
                    faults.add(number, fault);
                }
                if names.unknown.len() >= LOOKED_UP {
                    names.look_up(users, &mut faults).await?;
                }
            }
            names.look_up(users, &mut faults).await?;
        }
    }
    bar.finish_and_clear();
    match faults.print(&source.name) {
        0 => Ok(names.lines.len() as u64),
        1 => Err(Failure::failed("1 fault: nothing was imported")),
        count => Err(Failure::failed(format!("{count} faults: nothing was imported"))),
    }
}

/// Adds every user of a file that was checked, in one transaction.
async fn write(users: &SqlUsers, source: &Source, count: u64, now: Timestamp) -> Result<(), Failure> {
    let changed = || Failure::failed(format!("{} changed meanwhile: nothing was imported", source.name));
    let (reader, _) = source.open().map_err(source.unreadable())?;
    let mut records =
        Records::new(reader, source.format).map_err(source.unreadable())?.map_err(|_| changed())?;
    let bar = progress_bar("importing", count);
    let mut import = users.import(now).await?;
    let mut number = 0;
    loop {
        let mut random_bytes = [[0; 8]; Import::BATCH];
        random::fill(random_bytes.as_flattened_mut())?;
        let mut batch = Vec::with_capacity(Import::BATCH);
        for bytes in random_bytes {
            let Some(line) = records.next().map_err(source.unreadable())? else { break };
            let record = line.content.map_err(|_| changed())?;
            batch.push(record.into_account(user_id(now, number, bytes)));
            number += 1;
        }
        if batch.is_empty() {
            break;
        }
        if !import.add(&batch).await? {
            let reason = "a username was taken by somebody else meanwhile: nothing was imported";
            return Err(Failure::failed(reason));
        }
        bar.inc(batch.len() as u64);
    }
    if number != count {
        return Err(changed());
    }
    import.commit().await?;
    bar.finish_and_clear();
    Ok(())
}

/// The names of a file: each once, and none that is taken.
#[derive(Default)]
struct Names {
    /// The line that each stands in.
    lines: HashMap<Box<str>, u64>,
    /// Those that the database was not asked about yet.
    unknown: Vec<(String, u64)>,
}

impl Names {
    fn add(&mut self, record: Record, number: u64) -> Result<(), FieldFault> {
        match self.lines.entry(record.username_key.as_str().into()) {
            Entry::Occupied(other) => {
                let reason = format!("it is the one of line {} again", other.get());
                Err(FieldFault::new("username", reason))
            }
            Entry::Vacant(entry) => {
                entry.insert(number);
                self.unknown.push((record.username_key, number));
                Ok(())
            }
        }
    }

    async fn look_up(&mut self, users: &SqlUsers, faults: &mut Faults) -> Result<(), Failure> {
        let keys: Vec<_> = self.unknown.iter().map(|(key, _)| key.as_str()).collect();
        let taken = users.taken(&keys).await?;
        for (key, number) in self.unknown.drain(..) {
            if taken.contains(&key) {
                faults.add(number, FieldFault::new("username", "it is taken"));
            }
        }
        faults.settle();
        Ok(())
    }
}

/// The faults of a file: the first ones, and how many there are.
#[derive(Default)]
struct Faults {
    first: Vec<(u64, FieldFault)>,
    count: usize,
}

impl Faults {
    fn add(&mut self, number: u64, fault: FieldFault) {
        self.count += 1;
        self.first.push((number, fault));
        // What comes late is of one of the lines that are being looked up: that many are kept besides.
        if self.first.len() > PRINTED_FAULTS + 10 * LOOKED_UP {
            self.settle();
        }
    }

    /// The user of a line, where nothing is wrong with it.
    fn take(&mut self, line: Line) -> Option<Record> {
        match line.content {
            Ok(record) => Some(record),
            Err(faults) => {
                faults.into_iter().for_each(|fault| self.add(line.number, fault));
                None
            }
        }
    }

    /// Keeps the first ones by line.
    fn settle(&mut self) {
        self.first.sort_by_key(|(number, _)| *number);
        self.first.truncate(PRINTED_FAULTS);
    }

    /// Prints them and says how many there are.
    fn print(mut self, file: &str) -> usize {
        self.settle();
        for (number, FieldFault { field, reason }) in &self.first {
            eprintln!("{file}:{number}: {field}: {reason}");
        }
        if self.count > self.first.len() {
            eprintln!("and {} more", self.count - self.first.len());
        }
        self.count
    }
}

/// Shown on a terminal alone.
fn progress_bar(what: &'static str, length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:<9} {wide_bar} {percent:>3} % {eta:>4}");
    let bar = ProgressBar::new(length).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
