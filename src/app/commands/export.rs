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
        Format, ask,
        output::{print, shown, write_failure},
        record::RecordWriter,
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
        write(users, BufWriter::new(io::stdout().lock()), format, write_failure).await?;
        return Ok(());
    }
    let format = Format::of(file, format, Some(Format::Jsonl))?;
    let name = shown(&file.to_string_lossy());
    if file.exists() {
        ask::confirm(&format!("Replace {name}?"), yes)?;
    }
    let unwritable = |error: io::Error| Failure::failed(format!("cannot write {name}: {error}"));
    // A temporary file until it is complete: an existing file stays until then. Its mode is 600, since it has hashes.
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let part = tempfile::Builder::new().prefix(".export-").tempfile_in(directory).map_err(unwritable)?;
    let exported = write(users, BufWriter::new(&part), format, unwritable).await?;
    part.as_file().sync_all().map_err(unwritable)?;
    part.persist(file).map_err(|error| unwritable(error.error))?;
    print(format!("exported {exported} users"))
}

async fn write(
    users: &SqlUsers,
    writer: impl Write,
    format: Format,
    unwritable: impl Fn(io::Error) -> Failure,
) -> Result<u64, Failure> {
    let mut writer = RecordWriter::new(writer, format).map_err(&unwritable)?;
    let mut all = pin!(users.all());
    let mut exported = 0;
    while let Some(stored) = all.try_next().await? {
        writer.write(&stored).map_err(&unwritable)?;
        exported += 1;
    }
    writer.flush().map_err(unwritable)?;
    Ok(exported)
}
