//! Startup errors, each printed in one line, and `gatepass check`, which reports them in advance.

use std::{
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
};

use serde_json::{Value, json};

use crate::{
    secure::{Gatepass, Program, add_johndoe, free_address, get, serve, serve_command, sqlite_with_johndoe},
    support::program::Run,
};

/// A password that no message may contain.
const HUSH: &str = "hush";

/// Asserts that the service exits with this code and prints one line that contains all of `words`.
#[track_caller]
fn expect_error(gatepass: &Gatepass, arguments: &[&str], code: i32, words: &[&str]) {
    let mut program = Program::run(&mut serve_command(gatepass, arguments));
    let exit_code = program.wait();
    let log = program.end();
    assert_eq!((exit_code, log.lines().count()), (Some(code), 1), "{log}");
    assert!(log.starts_with("gatepass: ") && !log.contains(HUSH), "{log}");
    for word in words {
        assert!(log.contains(word), "no {word:?} in {log:?}");
    }
}

/// Returns the program with this database URL.
fn with_url(url: &str) -> Gatepass {
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url = url.to_owned();
    gatepass
}

/// Returns the program with the URL of a database server that is not running, and the address in the URL.
fn with_unreachable_database() -> (Gatepass, SocketAddr) {
    let address = free_address();
    (with_url(&format!("postgres://gatepass:{HUSH}@{address}/gatepass")), address)
}

#[test]
fn startup_with_an_unusable_database_fails() {
    let (unreachable, address) = with_unreachable_database();
    let reason = format!("cannot open the database gatepass at {address}: ");
    expect_error(&unreachable, &[], 1, &[&reason, "refused"]);
    for url in [format!("mysql://root:{HUSH}@localhost/x"), format!("{HUSH}.db")] {
        expect_error(&with_url(&url), &[], 2, &["--database-url", "sqlite:FILE", "postgres://"]);
    }
    let port = format!("postgres://gatepass:{HUSH}@localhost:port/gatepass");
    expect_error(&with_url(&port), &[], 1, &["invalid database URL", "port"]);
    let unescaped = with_url(&format!("postgres://gatepass:1/{HUSH}@localhost/gatepass"));
    expect_error(&unescaped, &[], 1, &["invalid database URL", "%2F"]);

    let text = Gatepass::on_sqlite();
    text.folder.write("gatepass.db", "Dear diary, ".repeat(100));
    expect_error(&text, &[], 1, &["not a database"]);
    let missing = with_url("sqlite:no/such/folder/gatepass.db");
    expect_error(&missing, &[], 1, &["no/such/folder/gatepass.db", "No such file"]);
}

#[test]
fn startup_with_a_damaged_key_or_a_key_that_other_users_can_read_fails() {
    let gatepass = Gatepass::on_sqlite();
    let made = gatepass.json(&["keys", "rotate"]);
    let key = made["key"]["file"].as_str().unwrap();
    let file = gatepass.folder.path().join(key);
    let pem = fs::read_to_string(&file).unwrap();
    fs::write(&file, &pem[..pem.len() / 2]).unwrap();
    expect_error(&gatepass, &[], 1, &[key, "PKCS#8"]);

    fs::write(&file, &pem).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    expect_error(&gatepass, &[], 1, &[key, "644", "chmod 600"]);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    serve(&gatepass, &[]);
}

#[test]
fn invalid_settings_are_usage_errors() {
    let gatepass = Gatepass::on_sqlite();
    for (setting, word) in [
        ("--argon2-memory=7", "8 KiB"),
        ("--argon2-memory=1000000000", "262144 KiB"),
        ("--argon2-iterations=0", "iteration"),
        ("--argon2-iterations=4000000000", "iterations"),
        ("--argon2-parallelism=0", "parallelism"),
        ("--hash-threads=0", "--hash-threads"),
        ("--database-connections=0", "--database-connections"),
        ("--database-connections=256", "1..=255"),
        ("--hash-queue=0", "--hash-queue"),
        ("--access-token-ttl=0", "--access-token-ttl"),
        ("--token-cache-max-staleness=0", "--token-cache-max-staleness"),
        ("--token-cache-size=0", "--token-cache-size"),
        ("--refresh-tokens=sometimes", "--refresh-tokens"),
        ("--refresh-grace=-1", "--refresh-grace"),
        ("--refresh-idle-ttl=0", "--refresh-idle-ttl"),
        ("--refresh-ttl=0", "--refresh-ttl"),
        ("--algorithm=none", "--algorithm"),
        ("--password-grant=maybe", "--password-grant"),
        ("--require-grant-type=perhaps", "--require-grant-type"),
    ] {
        expect_error(&gatepass, &[setting], 2, &[word]);
    }
}

#[test]
fn plain_http_beyond_loopback_needs_trusted_proxies_or_insecure_http() {
    let gatepass = Gatepass::on_sqlite();
    let words = ["unencrypted", "--tls-cert", "--trusted-proxies", "--insecure-http"];
    for address in ["0.0.0.0:0", "[::]:0"] {
        let refused = ["--bind", address, "--issuer", "https://auth.example.com"];
        for more in [&[][..], &["--trusted-proxies=none"], &["--insecure-http=false"]] {
            expect_error(&gatepass, &[&refused, more].concat(), 2, &words);
            let run = check(&gatepass, &[&refused, more].concat());
            assert_eq!(run.code, Some(1));
            assert!(words.iter().all(|word| run.out.contains(word)), "{run:?}");
        }
        for more in ["--trusted-proxies=10.0.0.0/8", "--insecure-http"] {
            check(&gatepass, &[&refused[..], &[more]].concat()).done();
            let service = serve(&gatepass, &[&refused[..], &[more]].concat());
            let mut address = service.address;
            address.set_ip([127, 0, 0, 1].into());
            assert_eq!(get("/users/me").send(address).status, 401);
        }
    }
}

#[test]
fn world_readable_files_with_secrets_are_reported() {
    let gatepass = sqlite_with_johndoe();
    let file = gatepass.folder.file("gatepass.db");
    assert!(check(&gatepass, &[]).done().contains("no file with secrets"));
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let warning = format!("{file} is readable by every user of this system; run: chmod o= {file}");
    assert!(check(&gatepass, &[]).done().contains(&warning));
    serve(&gatepass, &[]).program.wait_for(&warning);

    // Files that contain a database URL are reported only if the URL contains a password.
    let [with_password, without] =
        [":hush", ""].map(|password| format!("postgres://gatepass{password}@{}/gatepass", free_address()));
    for (url, is_reported) in [(&with_password, true), (&without, false)] {
        let config = gatepass.folder.write("gatepass.toml", format!("database-url = '{url}'\n"));
        let secret = gatepass.folder.write("database-url", url);
        for (file, variable) in [(&config, "GATEPASS_CONFIG"), (&secret, "GATEPASS_DATABASE_URL_FILE")] {
            for mode in [0o644, 0o640] {
                fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
                let mut command = gatepass.command(&["check", "--profile=secure"]);
                let run = command.env_remove("GATEPASS_DATABASE_URL").env(variable, file).output().unwrap();
                let out = String::from_utf8(run.stdout).unwrap();
                assert_eq!(out.contains(&format!("chmod o= {file}")), is_reported && mode == 0o644, "{out}");
                assert!(out.contains("127.0.0.1") && !out.contains("hush"), "{out}");
            }
        }
    }
}

/// Runs `gatepass check` with the settings of the service.
fn check(gatepass: &Gatepass, arguments: &[&str]) -> Run {
    gatepass.run(&[&["check", "--profile=secure"], arguments].concat())
}

/// Asserts the results of a check with `--json`.
#[track_caller]
fn expect_results(run: &Run, [settings, database, keys]: [bool; 3]) {
    let results = run.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    for ((result, what), ok) in
        results.zip(["settings", "database", "keys", "files"]).zip([settings, database, keys, true])
    {
        assert_eq!((&result["check"], &result["ok"]), (&json!(what), &json!(ok)));
        assert!(result["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{result}");
    }
    assert_eq!(run.out.lines().count(), 4, "{run:?}");
}

#[test]
fn check_succeeds_before_and_after_the_first_start() {
    Gatepass::on_both(|gatepass| {
        expect_results(&check(gatepass, &["--json"]), [true; 3]);
        assert!(!gatepass.folder.path().join("keys").exists(), "check created keys");
        assert!(!gatepass.folder.path().join("gatepass.db").exists(), "check created a database");

        add_johndoe(gatepass);
        serve(gatepass, &[]);
        let text = check(gatepass, &[]).done();
        assert_eq!(text.lines().count(), 4, "{text}");
        for (line, word) in
            text.lines().zip(["http://127.0.0.1:8000", "up to date", "signing key", "no file"])
        {
            assert!(line.contains(" ok: ") && line.contains(word), "{line}");
        }
        expect_results(&check(gatepass, &["--json"]), [true; 3]);
    });
}

#[test]
fn check_reports_all_errors() {
    let (gatepass, _) = with_unreachable_database();
    let keys = gatepass.folder.path().join("keys");
    fs::create_dir(&keys).unwrap();
    fs::set_permissions(&keys, Permissions::from_mode(0o777)).unwrap();
    let text = check(&gatepass, &["--argon2-memory", "7"]);
    assert_eq!(
        (text.code, text.err.as_str()),
        (Some(1), "gatepass: check failed: settings, database, keys\n")
    );
    assert_eq!(text.out.matches(" FAILED: ").count(), 3, "{}", text.out);
    for word in ["8 KiB", "refused", "chmod 700"] {
        assert!(text.out.contains(word), "no {word} in {}", text.out);
    }
    let json = check(&gatepass, &["--json"]);
    assert_eq!((json.code, json.err.as_str()), (Some(1), "gatepass: check failed: database, keys\n"));
    expect_results(&json, [true, false, false]);
    for run in [text, json] {
        assert!(!format!("{run:?}").contains(HUSH), "{run:?}");
    }
}

#[test]
fn commands_except_keys_rotate_fail_with_a_one_line_error_if_the_database_is_unreachable() {
    let (gatepass, address) = with_unreachable_database();
    let reason = format!("cannot open the database gatepass at {address}: ");
    for arguments in [&["users", "list"][..], &["users", "remove", "x", "--yes"], &["clients", "add", "web"]]
    {
        let run = gatepass.run(arguments);
        assert!(!run.err.contains(HUSH), "{run:?}");
        run.fails(1, &[&reason, "refused"]);
    }
    let run = gatepass.run(&["keys", "rotate", "--json"]);
    assert!(run.err.contains("not in the audit trail") && !run.err.contains(HUSH), "{run:?}");
    assert_eq!((run.code, run.err.trim_end().lines().count()), (Some(0), 1), "{run:?}");
    let made: Value = serde_json::from_str(&run.out).expect("one JSON value");
    assert_eq!(made["key"]["state"], json!("signing"));

    // If the database does not exist, the command does not create it for the audit trail.
    let gatepass = Gatepass::on_sqlite();
    gatepass.done(&["keys", "rotate"]);
    assert!(!gatepass.folder.path().join("gatepass.db").exists());
}

#[test]
fn startup_with_a_registered_client_that_has_the_id_of_the_default_client_fails() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.done(&["clients", "add", "gatepass", "--public"]);
    expect_error(
        &gatepass,
        &[],
        2,
        &["client gatepass is registered", "--require-client", "--default-client-id"],
    );
}
