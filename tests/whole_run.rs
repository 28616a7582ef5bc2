//! Searches the logs of all programs that the tests started for the secrets that the tests used. `.ci/run` runs this
//! test last.

#[path = "support/secrets.rs"]
#[expect(dead_code, reason = "only the integration tests use the other functions")]
mod secrets;

use std::{collections::BTreeSet, fs, path::Path};

use aho_corasick::AhoCorasick;
use base64::{Engine, prelude::*};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Returns the encodings in which a log may contain a secret.
fn encodings(secret: &str) -> Vec<String> {
    let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut encodings = vec![
        secret.to_owned(),
        encoded.replace("%20", "+"),
        encoded,
        secret.replace(' ', "+"),
        format!("{secret:?}").trim_matches('"').to_owned(),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned(),
    ];
    // Base64 of a text with the secret contains one of these three encodings, depending on the secret's offset. The
    // characters cut off at either end also depend on the bytes next to the secret.
    for start in 0..3 {
        let shifted = [vec![0; start], secret.as_bytes().to_vec()].concat();
        for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            let text = engine.encode(&shifted);
            encodings.push(text[(start * 4).div_ceil(3)..text.len() - 1].to_owned());
        }
    }
    encodings
}

/// Returns the secrets that were found in the logs, the number of logs, and the number of secrets.
fn leaks(folder: &Path) -> (BTreeSet<String>, usize, usize) {
    let (mut logs, mut secrets) = (String::new(), BTreeSet::new());
    let mut files = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let text = String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned();
        match entry.path().extension().and_then(|extension| extension.to_str()) {
            Some("log") => {
                files += 1;
                logs.push_str(&text);
                logs.push('\n');
            }
            Some("secrets") => secrets.extend(text.lines().map(str::to_owned)),
            _ => {}
        }
    }
    let lines: BTreeSet<_> = logs.lines().map(without_time).collect();
    let logs = lines.into_iter().collect::<Vec<_>>().join("\n");
    let texts: Vec<_> = secrets
        .iter()
        .flat_map(|secret| encodings(secret).into_iter().map(move |text| (text, secret)))
        .collect();
    let all = AhoCorasick::new(texts.iter().map(|(text, _)| text)).expect("a search for all encodings");
    let found = all.find_overlapping_iter(&logs).map(|text| texts[text.pattern()].1.clone()).collect();
    (found, files, secrets.len())
}

/// Removes the time of a log line, so that repetitions of a line are searched only once.
fn without_time(line: &str) -> &str {
    line.split_once("Z ").map_or(line, |(_, rest)| rest)
}

#[test]
#[ignore = "needs the logs of the other tests: cargo test --test whole_run -- --ignored"]
fn logs_of_all_tests_contain_no_secrets() {
    let (found, logs, secrets) = leaks(&secrets::folder());
    eprintln!("{logs} logs, {secrets} secrets");
    assert!(logs > 100 && secrets > 100, "{logs} logs and {secrets} secrets: the tests did not run");
    assert!(found.is_empty(), "secrets in the logs: {found:#?}");
}

#[test]
fn secret_in_a_log_is_found_in_any_encoding() {
    let secret = "it's a secret, näturally";
    let mut lines = vec![
        format!("the password is {secret}"),
        "POST /token?password=it%27s%20a%20secret%2C%20n%C3%A4turally&x=1".to_owned(),
        "POST /token?password=it%27s+a+secret%2C+n%C3%A4turally".to_owned(),
        format!("Form {{ password: {secret:?} }}"),
        format!("{:?}", [b"x=", secret.as_bytes()].concat()),
    ];
    for before in ["", "j", "jo", "johndoe:"] {
        lines.push(format!("Authorization: Basic {}", BASE64_STANDARD.encode(format!("{before}{secret}"))));
    }
    for line in lines {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1.secrets"), format!("another password\n{secret}\n")).unwrap();
        fs::write(folder.path().join("1.log"), "[2026-01-01T00:00:00Z INFO  gatepass] nothing\n").unwrap();
        assert_eq!(leaks(folder.path()), (BTreeSet::new(), 1, 2));
        fs::write(folder.path().join("2.log"), format!("[2026-01-01T00:00:00Z WARN  gatepass] {line}\n"))
            .unwrap();
        assert_eq!(leaks(folder.path()), ([secret.to_owned()].into(), 2, 2), "{line}");
    }
}
