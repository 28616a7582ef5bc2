//! The `gatepass keys` commands.

use std::{fs::File, os::unix::fs::MetadataExt, path::Path, process::Command};

use gatepass::jwt::SigningAlgorithm;
use serde_json::Value;

use crate::support::{forge::Forge, program::Run, service::gatepass};

struct Keys<'a>(&'a Path);

impl Keys<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        gatepass(&[&["keys"], arguments].concat(), &[("GATEPASS_KEYS_DIR", self.0.to_str().unwrap())])
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::from(self.command(arguments).output().unwrap())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["--json"]].concat()).done()).expect("JSON")
    }
}

#[test]
fn keys_are_created_and_listed() {
    for algorithm in ["ES256", "RS256", "EdDSA", "HS256"] {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys(&folder.path().join("keys"));
        let first = keys.json(&["rotate", "--algorithm", algorithm]);
        assert_eq!(
            (&first["key"]["state"], &first["key"]["algorithm"]),
            (&"signing".into(), &algorithm.into())
        );
        let next = keys.json(&["rotate", "--algorithm", algorithm]);
        assert_eq!(next["key"]["state"], "next");
        let (created, signs_at) = (next["key"]["created"].as_u64(), next["key"]["signs_at"].as_u64());
        assert_eq!(signs_at, created.map(|created| created + 300));

        let listed = keys.json(&["list", "--algorithm", algorithm]);
        assert_eq!(listed["keys"][0]["kid"], first["key"]["kid"]);
        assert_eq!(listed["keys"][1], next["key"]);
        assert!(Path::new(listed["keys"][0]["file"].as_str().unwrap()).is_file());

        let out = keys.run(&["list", "--algorithm", algorithm]).done();
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 2, "{out}");
        assert!(lines[0].contains(first["key"]["kid"].as_str().unwrap()), "{out}");
        assert!(lines.iter().all(|line| line.contains(algorithm)), "{out}");
        assert!(lines[0].contains("signing") && lines[1].contains("next: signs tokens in"), "{out}");
        // Without retired keys, `prune` does not require `--yes`.
        assert_eq!(keys.json(&["prune", "--algorithm", algorithm])["removed"], Value::Array(vec![]));
    }
}

#[test]
fn algorithm_of_a_new_key_comes_from_the_option_then_the_newest_key_then_es256() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys(&folder.path().join("keys"));
    for (arguments, expected) in [
        (&[][..], "ES256"),
        (&["--algorithm", "EdDSA"], "EdDSA"),
        (&[], "EdDSA"),
        (&["--algorithm", "HS256"], "HS256"),
        (&[], "HS256"),
        (&["--algorithm", "ES256"], "ES256"),
    ] {
        assert_eq!(keys.json(&[&["rotate"], arguments].concat())["key"]["algorithm"], expected);
    }
    assert_eq!(keys.json(&["list"])["keys"].as_array().unwrap().len(), 6);
}

#[test]
fn key_is_imported_from_a_file_or_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys(&folder.path().join("keys"));
    let file = folder.path().join("own.pem");
    std::fs::write(&file, Forge::stranger(SigningAlgorithm::Rs256, "").pem).unwrap();
    let imported = keys.json(&["import", file.to_str().unwrap()]);
    assert_eq!(imported["key"]["algorithm"], "RS256");
    assert_eq!(std::fs::metadata(imported["key"]["file"].as_str().unwrap()).unwrap().mode() & 0o777, 0o600);

    let again = keys.run(&["import", file.to_str().unwrap()]);
    assert!(!again.err.contains("BEGIN"), "{}", again.err);
    again.fails(1, &["already exists"]);
    let long = folder.path().join("long.pem");
    std::fs::write(&long, vec![b'x'; 16 * 1024 + 1]).unwrap();
    keys.run(&["import", long.to_str().unwrap()]).fails(1, &["long.pem: the file is larger than 16 KiB"]);
    keys.run(&["import", "missing.pem"]).fails(1, &["gatepass: cannot read missing.pem: "]);

    std::fs::write(&file, Forge::stranger(SigningAlgorithm::EdDsa, "").pem).unwrap();
    let mut command = keys.command(&["import", "-"]);
    let out = Run::from(command.stdin(File::open(&file).unwrap()).output().unwrap()).done();
    assert!(out.starts_with("imported ") && out.contains("(EdDSA): next"), "{out}");
}

#[test]
fn prune_removes_retired_keys_only_with_yes() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys(&folder.path().join("keys"));
    let old = keys.json(&["rotate"])["key"].clone();
    // Makes a key look as if it had been created long ago.
    let age = |key: &Value, created: &str| {
        let file = Path::new(key["file"].as_str().unwrap());
        let aged = format!("{created}-{}.pem", key["kid"].as_str().unwrap());
        std::fs::rename(file, file.with_file_name(aged)).unwrap();
    };
    age(&old, "1000");
    age(&keys.json(&["rotate"])["key"].clone(), "2000");
    let out = keys.run(&["list"]).done();
    assert!(out.lines().next().unwrap().contains("retired"), "{out}");

    let out = keys.run(&["rotate"]).done();
    assert!(out.starts_with("created ") && out.contains("(ES256): next: signs tokens in 300 s"), "{out}");
    let count = || keys.run(&["list"]).done().lines().count();
    assert_eq!(
        count(),
        3,
        "rotation should remove nothing: it may not know the lifetime of the service's tokens"
    );

    let kid = old["kid"].as_str().unwrap();
    keys.run(&["prune", "--access-token-ttl", "600", "--leeway", "5"]).fails(2, &[kid, "605 s", "--yes"]);
    assert_eq!(count(), 3);

    let out = keys.run(&["prune", "--yes"]).done();
    assert!(out.starts_with(&format!("removed {kid}, created ")) && out.lines().count() == 1, "{out}");
    assert_eq!(count(), 2);
}

#[test]
fn keys_list_of_a_missing_directory_is_empty_and_does_not_create_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none");
    let listed = Keys(&missing).run(&["list"]);
    let expected =
        format!("no keys in {} yet: the service creates the first one on start\n", missing.display());
    assert_eq!(listed.done(), expected);
    assert_eq!(Keys(&missing).json(&["list"])["keys"], Value::Array(vec![]));
    assert!(!missing.exists());
}

#[test]
fn help_explains_what_to_do_about_a_compromised_key() {
    let out = Keys(Path::new("keys")).run(&["--help"]).done();
    assert!(out.contains("compromised, run `gatepass keys rotate`, then delete"), "{out}");
}

#[test]
fn failed_keys_command_prints_a_one_line_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    Keys(&file).run(&["list"]).fails(1, &[&format!("gatepass: {}: ", file.display())]);

    for arguments in [&[][..], &["unknown"], &["list", "--algorithm", "none"], &["rotate", "x"]] {
        Keys(&missing).run(arguments).fails(2, &[]);
    }
}
