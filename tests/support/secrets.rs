//! Records the secrets that tests use and the logs of the programs that they start. `tests/whole_run.rs` searches the
//! logs for the secrets.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::Write,
    path::PathBuf,
    process,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use base64::{Engine, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The minimum length of a recorded secret, in bytes. Shorter secrets, such as the tutorial's tokens, may appear in a
/// log by chance.
pub const SHORTEST: usize = 16;

/// Returns the folder for the recorded secrets and logs.
pub fn folder() -> PathBuf {
    [env!("CARGO_TARGET_TMPDIR"), "whole-run"].iter().collect()
}

/// The secrets that this process has recorded, and the file that contains them.
struct Recorded {
    known: HashSet<String>,
    file: File,
}

static RECORDED: LazyLock<Mutex<Recorded>> = LazyLock::new(|| {
    Mutex::new(Recorded { known: HashSet::new(), file: append(&format!("{}.secrets", process::id())) })
});

fn append(name: &str) -> File {
    fs::create_dir_all(folder()).expect("a folder");
    OpenOptions::new().create(true).append(true).open(folder().join(name)).expect("a file")
}

/// Creates a file for the log of one program.
pub fn log_file() -> File {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    append(&format!("{}-{}.log", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
}

/// Records a password, a token or a client secret.
pub fn record(secret: &str) {
    // A value of one repeated character is padding, not a secret.
    let is_filler = secret.bytes().all(|byte| secret.as_bytes()[0] == byte);
    if secret.len() < SHORTEST || is_filler || secret.contains('\n') {
        return;
    }
    let mut recorded = RECORDED.lock().unwrap();
    if recorded.known.insert(secret.to_owned()) {
        writeln!(recorded.file, "{secret}").unwrap();
    }
}

/// The fields that hold secrets.
const FIELDS: [&str; 7] = [
    "password",
    "current_password",
    "new_password",
    "client_secret",
    "refresh_token",
    "access_token",
    "token",
];

/// Records the secrets in a request's form, `Authorization` header and session cookie.
pub fn record_request(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    for (name, value) in body.split('&').filter_map(|field| field.split_once('=')) {
        if FIELDS.contains(&name) && value.len() < 4096 {
            record(&percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy());
        }
    }
    for line in head.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match value.split_once(' ') {
            Some(("Bearer", token)) if name == "Authorization" => record(token),
            Some(("Basic", credentials)) if name == "Authorization" => {
                let decoded =
                    BASE64_STANDARD.decode(credentials).ok().and_then(|text| String::from_utf8(text).ok());
                if let Some((_, secret)) = decoded.as_deref().and_then(|text| text.split_once(':')) {
                    record(secret);
                }
            }
            _ => {}
        }
        if name == "Cookie" {
            record_cookies(value);
        }
    }
}

/// Records the session cookies in a `Cookie` or `Set-Cookie` header.
pub fn record_cookies(header: &str) {
    let pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| name.ends_with("gatepass_session")).for_each(|(_, value)| record(value));
}

/// Records the secrets in a response.
pub fn record_reply(body: &[u8]) {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return };
    for name in FIELDS {
        if let Some(Value::String(secret)) = body.get(name) {
            record(secret);
        }
    }
}
