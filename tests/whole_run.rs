//! No log of any program that the tests started holds a secret that they used. It looks at what they left behind, so
//! `.ci/run` runs it last.

#[path = "support/secrets.rs"]
#[expect(dead_code, reason = "the integration tests use the rest")]
mod secrets;

use std::{collections::BTreeSet, fs, path::Path};

use aho_corasick::AhoCorasick;
use base64::{Engine, prelude::*};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The ways in which a secret may be written.
fn notations(secret: &str) -> Vec<String> {
    let encoded = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let mut notations = vec![
        secret.to_owned(),
        encoded.replace("%20", "+"),
        encoded,
        secret.replace(' ', "+"),
        format!("{secret:?}").trim_matches('"').to_owned(),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned(),
    ];
    // Base64 of a text that has it in the middle: whatever stands before it, one of these three is in that. The ends
    // depend on the neighbours.
    for start in 0..3 {
        let shifted = [vec![0; start], secret.as_bytes().to_vec()].concat();
        for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            let text = engine.encode(&shifted);
            notations.push(text[(start * 4).div_ceil(3)..text.len() - 1].to_owned());
        }
    }
    notations
}

/// Every secret that a log holds: where, and which.
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
        .flat_map(|secret| notations(secret).into_iter().map(move |text| (text, secret)))
        .collect();
    let all = AhoCorasick::new(texts.iter().map(|(text, _)| text)).expect("a search for all of them at once");
    let found = all.find_overlapping_iter(&logs).map(|text| texts[text.pattern()].1.clone()).collect();
    (found, files, secrets.len())
}

/// Most lines say the same at other times.
fn without_time(line: &str) -> &str {
    line.split_once("Z ").map_or(line, |(_, rest)| rest)
}

#[test]
#[ignore = "looks at what all the other tests left behind: cargo test --test whole_run -- --ignored"]
fn no_log_of_the_whole_run_holds_a_secret() {
    let (found, logs, secrets) = leaks(&secrets::folder());
    eprintln!("{logs} logs, {secrets} secrets");
    assert!(logs > 100 && secrets > 100, "{logs} logs and {secrets} secrets: the tests did not run");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_secret_in_a_log_is_found_however_it_is_written() {
    let secret = "it's a secret, näturally";
    let mut ways = vec![
        format!("the password is {secret}"),
        "POST /token?password=it%27s%20a%20secret%2C%20n%C3%A4turally&x=1".to_owned(),
        "POST /token?password=it%27s+a+secret%2C+n%C3%A4turally".to_owned(),
        format!("Form {{ password: {secret:?} }}"),
        format!("{:?}", [b"x=", secret.as_bytes()].concat()),
    ];
    for before in ["", "j", "jo", "johndoe:"] {
        ways.push(format!("Authorization: Basic {}", BASE64_STANDARD.encode(format!("{before}{secret}"))));
    }
    for way in ways {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1.secrets"), format!("another password\n{secret}\n")).unwrap();
        fs::write(folder.path().join("1.log"), "[2026-01-01T00:00:00Z INFO  gatepass] nothing\n").unwrap();
        assert_eq!(leaks(folder.path()), (BTreeSet::new(), 1, 2));
        fs::write(folder.path().join("2.log"), format!("[2026-01-01T00:00:00Z WARN  gatepass] {way}\n"))
            .unwrap();
        assert_eq!(leaks(folder.path()), ([secret.to_owned()].into(), 2, 2), "{way}");
    }
}
