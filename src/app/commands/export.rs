//! `gatepass users export`: what `import` reads.

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
        output::{Output, shown, unread},
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
        write(users, BufWriter::new(io::stdout().lock()), format, unread).await?;
        return Ok(());
    }
    let format = Format::of(file, format, Some(Format::Jsonl))?;
    let name = shown(&file.to_string_lossy());
    if file.exists() {
        ask::confirm(&format!("Replace {name}?"), yes)?;
    }
    let unwritable = |error: io::Error| Failure::failed(format!("cannot write {name}: {error}"));
    // Under another name until it is whole: what is there stays until then. It holds hashes, so it is its owner's alone.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let part = tempfile::Builder::new().prefix(".export-").tempfile_in(folder).map_err(unwritable)?;
    let exported = write(users, BufWriter::new(&part), format, unwritable).await?;
    part.as_file().sync_all().map_err(unwritable)?;
    part.persist(file).map_err(|error| unwritable(error.error))?;
    let mut output = Output::new();
    output.line(format!("exported {exported} users"))?;
    output.finish()
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
