//! `gatepass users export`: writes files that `import` reads.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
    pin::pin,
};

use futures_util::TryStreamExt;

use crate::{
    adapters::sql::SqlUsers,
    app::commands::{
        Format,
        output::{csv_line, escaped, print, user_count},
        prompt,
        record::{FIELDS, user_line},
    },
    app::failure::Failure,
};

pub(super) async fn run(
    users: &SqlUsers,
    file: &Path,
    format: Option<Format>,
    yes: bool,
) -> Result<(), Failure> {
    if file == Path::new("-") {
        let format = format.unwrap_or(Format::Jsonl);
        write(users, BufWriter::new(io::stdout().lock()), format, Failure::output).await?;
        return Ok(());
    }
    let format = Format::of(file, format, Some(Format::Jsonl))?;
    let name = escaped(&file.to_string_lossy());
    if file.exists() {
        prompt::confirm(&format!("Replace {name}?"), yes)?;
    }
    let write_error = |error: io::Error| Failure::failed(format!("cannot write {name}: {error}"));
    // An existing file is replaced only after the export is complete. Temporary files have the mode 600, which protects
    // the password hashes.
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary =
        tempfile::Builder::new().prefix(".export-").tempfile_in(directory).map_err(write_error)?;
    let count = write(users, BufWriter::new(&temporary), format, write_error).await?;
    temporary.as_file().sync_all().map_err(write_error)?;
    temporary.persist(file).map_err(|error| write_error(error.error))?;
    print(format!("exported {}", user_count(count)))
}

async fn write(
    users: &SqlUsers,
    mut writer: impl Write,
    format: Format,
    write_error: impl Fn(io::Error) -> Failure,
) -> Result<u64, Failure> {
    if format == Format::Csv {
        writeln!(writer, "{}", csv_line(FIELDS)).map_err(&write_error)?;
    }
    let mut all = pin!(users.all());
    let mut exported = 0;
    while let Some(stored) = all.try_next().await? {
        writeln!(writer, "{}", user_line(&stored, format)).map_err(&write_error)?;
        exported += 1;
    }
    writer.flush().map_err(write_error)?;
    Ok(exported)
}
