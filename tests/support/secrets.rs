//! The secrets that the tests use and the logs of the programs that they start, kept for `tests/whole_run.rs`, which
//! looks for the ones in the others.

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

/// What is shorter may be in a log by chance, as the tutorial's tokens are, which are names.
pub const SHORTEST: usize = 16;

/// Where both are kept.
pub fn folder() -> PathBuf {
    [env!("CARGO_TARGET_TMPDIR"), "whole-run"].iter().collect()
}

/// The secrets of this process.
struct Noted {
    known: HashSet<String>,
    file: File,
}

static NOTED: LazyLock<Mutex<Noted>> = LazyLock::new(|| {
    Mutex::new(Noted { known: HashSet::new(), file: append(&format!("{}.secrets", process::id())) })
});

fn append(name: &str) -> File {
    fs::create_dir_all(folder()).expect("a folder");
    OpenOptions::new().create(true).append(true).open(folder().join(name)).expect("a file")
}

/// The file for what one program says.
pub fn log_file() -> File {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    append(&format!("{}-{}.log", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
}

/// Notes a password, a token or a client's secret.
pub fn note(secret: &str) {
    // What is one letter again and again is there to be long.
    let is_filler = secret.bytes().all(|byte| secret.as_bytes()[0] == byte);
    if secret.len() < SHORTEST || is_filler || secret.contains('\n') {
        return;
    }
    let mut noted = NOTED.lock().unwrap();
    if noted.known.insert(secret.to_owned()) {
        writeln!(noted.file, "{secret}").unwrap();
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

/// Notes the secrets in a request: in its form, and in its `Authorization` header.
pub fn note_request(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    for (name, value) in body.split('&').filter_map(|field| field.split_once('=')) {
        if FIELDS.contains(&name) && value.len() < 4096 {
            note(&percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy());
        }
    }
    for line in head.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match value.split_once(' ') {
            Some(("Bearer", token)) if name == "Authorization" => note(token),
            Some(("Basic", credentials)) if name == "Authorization" => {
                let decoded =
                    BASE64_STANDARD.decode(credentials).ok().and_then(|text| String::from_utf8(text).ok());
                if let Some((_, secret)) = decoded.as_deref().and_then(|text| text.split_once(':')) {
                    note(secret);
                }
            }
            _ => {}
        }
    }
}

/// Notes the secrets in an answer.
pub fn note_reply(body: &[u8]) {
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else { return };
    for name in FIELDS {
        if let Some(Value::String(secret)) = answer.get(name) {
            note(secret);
        }
    }
}
