//! A file with the SHA-1 hashes of breached passwords.

use std::{
    cmp::Ordering,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::PathBuf,
};

use sha1::{Digest, Sha1};
use thiserror::Error;

use crate::{adapters::passwords::stored::decode_hex, domain::backend_error::BackendError};

/// The maximum length of a line, in bytes: a hash has 40, a colon and a count have at most 11.
const MAX_LINE: usize = 64;

/// The number of lines that are checked when a file is opened.
const SAMPLES: u64 = 256;

type Hash = [u8; 20];

/// A list of breached passwords: a file of SHA-1 hashes in the format of
/// [Pwned Passwords](https://haveibeenpwned.com/Passwords). Each line is `HASH:COUNT` or `HASH`, in hexadecimal, and
/// the lines are sorted by hash.
///
/// The file may be larger than the available memory: a lookup is a binary search in the file. Each lookup opens the
/// file again, so a newer file can replace it with a rename.
#[derive(Clone, Debug)]
pub struct PasswordBlocklist(PathBuf);

/// The error for a file that is not a list of breached passwords. `Display` writes the path and the reason.
#[derive(Debug, Error)]
#[error("cannot use the password blocklist {}: {reason}", path.display())]
pub struct InvalidPasswordBlocklist {
    path: PathBuf,
    reason: io::Error,
}

impl PasswordBlocklist {
    /// Opens a list and checks the format and the order of a sample of its lines.
    ///
    /// # Errors
    /// [`InvalidPasswordBlocklist`] if the file cannot be read, or if the sampled lines are not SHA-1 hashes in
    /// ascending order.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, InvalidPasswordBlocklist> {
        let path = path.into();
        match File::open(&path).and_then(|file| check(&file)) {
            Ok(()) => Ok(Self(path)),
            Err(reason) => Err(InvalidPasswordBlocklist { path, reason }),
        }
    }

    /// Returns whether the list contains this password. Reads from the disk.
    pub(super) fn contains(&self, password: &str) -> Result<bool, BackendError> {
        File::open(&self.0).and_then(|file| find(&file, &Sha1::digest(password).into())).map_err(|error| {
            BackendError::new(format!("cannot search the password blocklist {}: {error}", self.0.display()))
        })
    }
}

/// A line of the file.
struct Line {
    start: u64,
    /// The position after the line.
    end: u64,
    hash: Hash,
}

/// Checks lines at regular intervals.
fn check(file: &File) -> io::Result<()> {
    let length = content_length(file)?;
    if length == 0 {
        return Err(invalid("it is empty"));
    }
    let mut last: Option<Line> = None;
    for sample in 0..SAMPLES {
        // The last position is near the end, in case another file was appended.
        let position = (length - 1).saturating_sub(MAX_LINE as u64) * sample / (SAMPLES - 1);
        let Some(line) = line_at(file, position, length)? else { continue };
        if last.as_ref().is_some_and(|last| last.start < line.start && last.hash >= line.hash) {
            return Err(unsorted(line.start));
        }
        last = Some(line);
    }
    Ok(())
}

/// Returns whether a sorted file contains a hash.
fn find(file: &File, hash: &Hash) -> io::Result<bool> {
    // If the file has a line with the hash, the line starts at `low` or later, and before `high`.
    let length = content_length(file)?;
    let (mut low, mut high) = (0, length);
    let (mut below, mut above) = (Hash::default(), [0xff; 20]);
    while low < high {
        let middle = low.midpoint(high);
        let Some(line) = line_at(file, middle, length)?.filter(|line| line.start < high) else {
            high = middle;
            continue;
        };
        if line.hash < below || line.hash > above {
            return Err(unsorted(line.start));
        }
        match line.hash.cmp(hash) {
            Ordering::Equal => return Ok(true),
            Ordering::Less => (low, below) = (line.end, line.hash),
            Ordering::Greater => (high, above) = (middle, line.hash),
        }
    }
    Ok(false)
}

/// Returns the length of a file without the white space at its end.
fn content_length(mut file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(MAX_LINE);
    while end > 0 {
        let start = end.saturating_sub(MAX_LINE as u64);
        file.seek(SeekFrom::Start(start))?;
        bytes.clear();
        file.take(end - start).read_to_end(&mut bytes)?;
        let content = bytes.trim_ascii_end().len();
        if content > 0 {
            return Ok(start + content as u64);
        }
        end = start;
    }
    Ok(0)
}

/// Returns the first line that starts at this position or later; `None` at the end of the content.
fn line_at(mut file: &File, position: u64, content_length: u64) -> io::Result<Option<Line>> {
    // A line starts after a line feed, which may be the byte before the position.
    let from = position.saturating_sub(1);
    file.seek(SeekFrom::Start(from))?;
    let available = content_length.saturating_sub(from).min(2 * MAX_LINE as u64);
    let mut reader = BufReader::with_capacity(2 * MAX_LINE, file.take(available));
    let skipped = if position == 0 { 0 } else { reader.skip_until(b'\n')? };
    let start = from + skipped as u64;
    let mut line = Vec::with_capacity(2 * MAX_LINE);
    let length = reader.read_until(b'\n', &mut line)?;
    if length == 0 && skipped <= MAX_LINE {
        return Ok(None);
    }
    match parse(&line) {
        Some(hash) if length <= MAX_LINE => Ok(Some(Line { start, end: start + length as u64, hash })),
        _ => Err(malformed(start)),
    }
}

fn parse(line: &[u8]) -> Option<Hash> {
    let (hash, rest) = line.trim_ascii_end().split_at_checked(2 * size_of::<Hash>())?;
    let is_count = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let is_valid = rest.is_empty() || rest.strip_prefix(b":").is_some_and(is_count);
    decode_hex(hash)?.try_into().ok().filter(|_| is_valid)
}

fn malformed(position: u64) -> io::Error {
    invalid(&format!(
        "the line at byte {position} is not a SHA-1 hash with an optional count, such as 5BAA61…68FD8:3"
    ))
}

fn unsorted(position: u64) -> io::Error {
    invalid(&format!("the line at byte {position} is out of order; use the list that is ordered by hash"))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, fs};

    use tempfile::NamedTempFile;

    use super::*;

    const ENDINGS: [&str; 4] = [":1\n", ":12345678\r\n", "\n", "\r\n"];

    fn file(content: impl AsRef<[u8]>) -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        fs::write(&file, content).unwrap();
        file
    }

    fn hash(password: &str) -> String {
        Sha1::digest(password).iter().map(|byte| format!("{byte:02X}")).collect()
    }

    fn sorted(passwords: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut hashes: Vec<_> = passwords.into_iter().map(|password| hash(&password)).collect();
        hashes.sort();
        hashes
    }

    fn error(content: impl AsRef<[u8]>) -> String {
        PasswordBlocklist::open(file(content).path()).unwrap_err().to_string()
    }

    #[test]
    fn contains_returns_true_for_exactly_the_passwords_in_the_list() {
        for count in [1, 2, 3, 10, 1000] {
            let hashes = sorted((0..count).map(|number| format!("password{number}")));
            let lines: String = hashes
                .iter()
                .enumerate()
                .map(|(number, hash)| format!("{hash}{}", ENDINGS[number % 4]))
                .collect();
            let blank_end = |blank: &str| format!("{lines}{}", blank.repeat(100));
            for content in [
                lines.clone(),
                lines.to_lowercase(),
                lines.trim_end().to_owned(),
                blank_end("\n"),
                blank_end(" \r\n"),
            ] {
                let file = file(content);
                let list = PasswordBlocklist::open(file.path()).unwrap();
                for number in 0..count {
                    assert!(list.contains(&format!("password{number}")).unwrap(), "{number} of {count}");
                    assert!(!list.contains(&format!("Password{number}")).unwrap(), "{number} of {count}");
                }
                // This hash would come after the last line.
                assert!(!find(&File::open(&file).unwrap(), &[0xff; 20]).unwrap());
            }
        }
    }

    #[test]
    fn open_with_a_file_in_another_format_fails_with_the_reason() {
        let mut by_count = sorted((0..1000).map(|number| number.to_string()));
        by_count.sort_by_key(|hash| hash.chars().rev().collect::<String>());
        let by_count: String = by_count.iter().map(|hash| format!("{hash}:1\n")).collect();
        let ntlm: String =
            sorted(["x".to_owned()]).iter().map(|hash| format!("{}:3\n", &hash[..32])).collect();
        for (content, reason) in [
            ("", "it is empty"),
            ("\n", "it is empty"),
            (&format!("\n{}\n", hash("x")), "the line at byte 0"),
            ("password\nsecret\n", "the line at byte 0"),
            (&"x".repeat(1000), "the line at byte 0"),
            (&ntlm, "the line at byte 0"),
            (&format!("{}:many\n", hash("x")), "the line at byte 0"),
            (&format!("{}:\n", hash("x")), "the line at byte 0"),
            (&format!("+{}:1\n", &hash("x")[1..]), "the line at byte 0"),
            (&by_count, "is out of order"),
        ] {
            let error = error(content);
            assert!(error.contains("blocklist /") && error.contains(reason), "{error}");
        }
        let missing = PasswordBlocklist::open("/nonexistent/list").unwrap_err().to_string();
        assert!(missing.contains("/nonexistent/list: No such file"), "{missing}");
    }

    #[test]
    fn contains_fails_if_the_file_is_replaced_by_an_invalid_one() {
        let hashes = sorted((0..100).map(|number| number.to_string()));
        let mut content = String::new();
        hashes.iter().for_each(|hash| writeln!(content, "{hash}:1").unwrap());
        let file = file(&content);
        let list = PasswordBlocklist::open(file.path()).unwrap();
        assert!(list.contains("7").unwrap());
        for invalid in
            ["no list\n".repeat(100), hashes.iter().rev().map(|hash| format!("{hash}:1\n")).collect()]
        {
            fs::write(&file, invalid).unwrap();
            assert!(list.contains("7").is_err());
        }
        fs::remove_file(&file).unwrap();
        assert!(list.contains("7").is_err());
    }
}
