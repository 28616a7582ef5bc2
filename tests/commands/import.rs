//! `gatepass users import` and `export`

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::program::{Gatepass, HASH, users_jsonl};

fn jsonl() -> String {
    r#"{"username":"johndoe","email":"johndoe@example.com","full_name":"John Doe","disabled":false,"scopes":["me","users:read"],"hashed_password":"HASH"}

{"hashed_password":"HASH","username":"Alice","disabled":true,"scopes":"me items","email":null}
"#
    .replace("HASH", HASH)
}

fn csv() -> String {
    "username,email,full_name,disabled,scopes,hashed_password\n\
                   johndoe,johndoe@example.com,John Doe,false,me users:read,HASH\n\
                   Alice,,,true,me items,HASH\n"
        .replace("HASH", HASH)
}

fn assert_imported(gatepass: &Gatepass) {
    let alice = gatepass.json(&["users", "show", "alice"]);
    assert_eq!((&alice["username"], &alice["email"]), (&json!("Alice"), &json!(null)));
    assert_eq!((&alice["disabled"], &alice["scopes"]), (&json!(true), &json!(["me", "items"])));
    let johndoe = gatepass.json(&["users", "show", "johndoe"]);
    assert_eq!(
        (&johndoe["email"], &johndoe["full_name"]),
        (&json!("johndoe@example.com"), &json!("John Doe"))
    );
    assert_eq!((&johndoe["disabled"], &johndoe["scopes"]), (&json!(false), &json!(["me", "users:read"])));
    assert_eq!(gatepass.hash("johndoe"), HASH);
    assert_eq!(gatepass.usernames().len(), 2);
}

#[test]
fn import_reads_json_lines_and_csv() {
    let gatepass = Gatepass::on_sqlite();
    for (name, content) in
        [("users.jsonl", jsonl()), ("users.csv", csv()), ("bom.csv", format!("\u{feff}{}", csv()))]
    {
        let file = gatepass.folder.write(name, content);
        assert_eq!(gatepass.done(&["users", "import", &file]), "imported 2 users\n");
        assert_imported(&gatepass);
        gatepass.done(&["users", "remove", "johndoe", "--yes"]);
        gatepass.done(&["users", "remove", "alice", "--yes"]);
    }
    let unnamed = gatepass.folder.write("users", csv());
    gatepass.run(&["users", "import", &unnamed]).fails(2, &["--format"]);
    let imported = gatepass.json(&["users", "import", &unnamed, "--format", "csv"]);
    assert_eq!(imported, json!({"imported": 2, "updated": 0, "skipped": 0, "invalid": 0}));
    assert_imported(&gatepass);
}

#[test]
fn import_reads_standard_input_and_pipes() {
    let gatepass = Gatepass::on_sqlite();
    let run = gatepass.run_with(&["users", "import", "-", "--format", "jsonl"], &jsonl());
    assert_eq!(run.done(), "imported 2 users\n");
    assert_imported(&gatepass);

    let gatepass = Gatepass::on_sqlite();
    let pipe = gatepass.folder.file("users.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = thread::spawn({
        let pipe = pipe.clone();
        move || fs::write(pipe, jsonl())
    });
    assert_eq!(gatepass.done(&["users", "import", &pipe]), "imported 2 users\n");
    writer.join().unwrap().unwrap();
    assert_imported(&gatepass);
    let folder = gatepass.folder.path().to_str().unwrap();
    gatepass.run(&["users", "import", folder, "--format", "csv"]).fails(1, &["cannot read", "directory"]);
}

#[test]
fn importing_an_exported_file_recreates_the_same_users() {
    Gatepass::on_both(|gatepass| {
        let hostile = json!({
            "username": "a,\"b'; --", "email": "x@y", "full_name": "=1+1,\"\" \\n é 😀 <&>", "disabled": true,
            "scopes": ["a,b", "c;d"], "hashed_password": HASH,
        });
        let file = gatepass.folder.write("users.jsonl", format!("{}{hostile}\n", jsonl()));
        gatepass.done(&["users", "import", &file]);
        let whole = gatepass.done(&["users", "export"]);
        assert_eq!(whole.lines().count(), 3);
        for name in ["out.jsonl", "out.csv"] {
            let file = gatepass.folder.file(name);
            assert_eq!(gatepass.done(&["users", "export", &file]), "exported 3 users\n");
            let other = Gatepass::on_sqlite();
            assert_eq!(other.done(&["users", "import", &file]), "imported 3 users\n");
            assert_eq!(other.done(&["users", "export"]), whole, "{name}");
        }
        let csv = gatepass.done(&["users", "export", "--format", "csv"]);
        assert_eq!(csv, fs::read_to_string(gatepass.folder.file("out.csv")).unwrap());
    });
}

#[test]
fn export_creates_a_private_file_and_overwrites_an_existing_file_only_with_confirmation() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("johndoe", &[]).done();
    let file = gatepass.folder.write("users.csv", "mine");
    gatepass.run_with(&["users", "export", &file], "y\n").fails(2, &["users.csv", "--yes"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    gatepass.done(&["users", "export", &file, "--yes"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    gatepass.run(&["users", "export", "/nonexistent/users.csv"]).fails(1, &["/nonexistent/users.csv"]);
    let mine = gatepass.folder.write("users.csv.part", "mine");
    gatepass.done(&["users", "export", &file, "--yes"]);
    gatepass.done(&["users", "export", "bare.csv"]);
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    let mut left: Vec<_> =
        fs::read_dir(gatepass.folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left, ["bare.csv", "gatepass.db", "users.csv", "users.csv.part"]);
}

/// Asserts that the import of a file fails with these errors and does not change the users.
fn assert_errors(gatepass: &Gatepass, name: &str, content: &[u8], errors: &[&str]) {
    let before = gatepass.usernames();
    let file = gatepass.folder.write(name, content);
    let run = gatepass.run(&["users", "import", &file]);
    assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{}", run.err);
    let mut expected: Vec<_> = errors.iter().map(|error| format!("{file}:{error}")).collect();
    let count = if errors.len() == 1 { "1 error".into() } else { format!("{} errors", errors.len()) };
    expected.push(format!("gatepass: {count}: nothing was imported"));
    assert_eq!(run.err.lines().collect::<Vec<_>>(), expected);
    assert_eq!(gatepass.usernames(), before);
}

#[test]
fn import_errors_in_json_lines_name_line_and_field() {
    Gatepass::on_both(|gatepass| {
        gatepass.add("Taken", &[]).done();
        let content = [
            r#"{"username":"fine","hashed_password":"HASH"}"#,
            r#"{"username":"","hashed_password":"HASH"}"#,
            r#"{"hashed_password":"HASH"}"#,
            r#"{"username":"a","hashed_password":""}"#,
            r#"{"username":"b"}"#,
            "",
            r#"{"username":"FINE","hashed_password":"HASH"}"#,
            r#"{"username":"taken","hashed_password":"HASH"}"#,
            r#"{"username":"c","hashed_password":"HASH","password":"x","email":"nowhere"}"#,
            r#"{"username":"d","hashed_password":"HASH","disabled":"no","scopes":["a b"]}"#,
            r#"{"username":"e","hashed_password":"HASH","scopes":[1],"full_name":7}"#,
            r#"{"username":"f","#,
            r#"["username"]"#,
            r#"{"username":"g\u0000","hashed_password":"HASH"}"#,
            r#"{"username":"h","hashed_password":"HASH","x\u001b[31m":"y"}"#,
            r#"{"username":"i","hashed_password":"secret"}"#,
            r#"{"username":"j","hashed_password":"HASH","user\u006eame":"k"}"#,
            r#"{"username":"l","hashed_password":"HASH","scopes":"LONG"}"#,
            r#"{"username":"m","hashed_password":"HASH","scopes":["me","LONG"]}"#,
        ]
        .join("\n")
        .replace("HASH", HASH)
        .replace("LONG", &"x".repeat(2049));
        assert_errors(
            gatepass,
            "users.jsonl",
            content.as_bytes(),
            &[
                "2: username: it is empty",
                "3: username: it is empty",
                "4: hashed_password: missing or empty",
                "5: hashed_password: missing or empty",
                "7: username: duplicate of line 1",
                "8: username: already taken",
                "9: password: unknown field",
                "9: email: it is not an email address",
                "10: disabled: expected true or false",
                "10: scopes: \"a b\" is not a scope: a scope consists of visible ASCII characters other than \" and \\",
                "11: scopes: expected a string or a list of strings",
                "11: full_name: expected a string",
                "12: line: invalid JSON at column 16",
                "13: line: expected a JSON object",
                "14: username: it contains a control or invisible character",
                "15: x\\u{1b}[31m: unknown field",
                "16: hashed_password: password hash of an unknown kind",
                "17: line: a field appears twice",
                "18: scopes: the list of scopes is longer than 2048 bytes, which is the limit for tokens",
                "19: scopes: the list of scopes is longer than 2048 bytes, which is the limit for tokens",
            ],
        );
        assert_eq!(gatepass.usernames(), ["Taken"]);
    });
}

#[test]
fn import_errors_in_csv_name_line_and_field() {
    let gatepass = Gatepass::on_sqlite();
    let text = "username,hashed_password,disabled\n\
        fine,HASH,\n\
        a,HASH\n\
        b,HASH,maybe\n\
        \"c\nd\",HASH,false\n";
    let content = [text, "\u{0},HASH,false\n,,\n"].concat().replace("HASH", HASH).into_bytes();
    // Replaces NUL with a byte that is never valid in UTF-8.
    let content: Vec<u8> = content.into_iter().map(|byte| if byte == 0 { 0xff } else { byte }).collect();
    assert_errors(
        &gatepass,
        "users.csv",
        &content,
        &[
            "3: line: expected 3 fields as in the header, found 2",
            "4: disabled: expected true or false",
            "5: username: it contains a control or invisible character",
            "7: username: invalid UTF-8",
            "7: username: it is empty",
            "8: username: it is empty",
            "8: hashed_password: missing or empty",
        ],
    );
    let header = b"username,name,username\nx,y,z\n";
    assert_errors(
        &gatepass,
        "users.csv",
        header,
        &[
            "1: name: unknown field",
            "1: username: appears twice in the header",
            "1: hashed_password: missing from the header",
        ],
    );
}

/// Returns a line of JSON for a user with this hash.
fn user(username: &str, hash: &str) -> String {
    format!("{}\n", json!({ "username": username, "hashed_password": hash }))
}

#[test]
fn import_with_skip_invalid_adds_the_valid_users_and_prints_reasons_without_hashes() {
    Gatepass::on_both(|gatepass| {
        gatepass.add("Taken", &[]).done();
        let hidden = "c2VjcmV0c2VjcmV0c2VjcmV0";
        let content = [
            user("fine", HASH),
            user("costly", &format!("$argon2id$v=19$m=1048576,t=1,p=1${hidden}${hidden}")),
            user("unknown", &format!("$6${hidden}")),
            user("malformed", &format!("pbkdf2_sha256$1000${hidden}")),
            user("fast", &format!("{{SSHA}}{hidden}")),
            user("FINE", HASH),
            user("taken", HASH),
            "{\n".to_owned(),
            user("django", "!unusable"),
        ];
        let file = gatepass.folder.write("users.jsonl", content.concat());
        let run = gatepass.run(&["users", "import", &file, "--skip-invalid"]);
        assert_eq!((run.code, run.out.as_str()), (Some(0), "imported 2 users, skipped 7 invalid\n"));
        let expected = [
            "2: hashed_password: Argon2 hash with parameters over the limit",
            "3: hashed_password: password hash of an unknown kind",
            "4: hashed_password: malformed PBKDF2 hash",
            "5: hashed_password: SHA-1 hash, which does not protect the password; import `!` as the hash, and set a new password",
            "6: username: duplicate of line 1",
            "7: username: already taken",
            "8: line: invalid JSON at column 1",
        ];
        let expected = expected.map(|error| format!("{file}:{error}"));
        assert_eq!(run.err.lines().collect::<Vec<_>>(), expected);
        assert!(!run.err.contains(hidden));
        assert_eq!(gatepass.usernames(), ["django", "fine", "Taken"]);
    });
    let gatepass = Gatepass::on_sqlite();
    let csv = gatepass.folder.write("users.csv", format!("name,hashed_password\njohndoe,{HASH}\n"));
    let run = gatepass.run(&["users", "import", &csv, "--skip-invalid"]);
    assert!(run.code == Some(1) && run.err.contains("2 errors: nothing was imported"), "{}", run.err);
}

#[test]
fn on_conflict_skip_keeps_existing_users_and_on_conflict_update_sets_only_the_fields_in_the_file() {
    Gatepass::on_both(|gatepass| {
        let fields =
            ["--full-name", "John Doe", "--email", "johndoe@example.com", "--scopes", "me users:read"];
        gatepass.add("JohnDoe", &fields).done();
        let before = gatepass.json(&["users", "show", "johndoe"]);
        let old = gatepass.hash("JohnDoe");
        let csv = format!("username,full_name,hashed_password\njohndoe,Johnny,{HASH}\nalice,,{HASH}\n");
        let file = gatepass.folder.write("users.csv", csv);
        gatepass
            .run(&["users", "import", &file, "--on-conflict", "nothing"])
            .fails(2, &["error, skip, update"]);
        let run = gatepass.run(&["users", "import", &file]);
        assert!(run.code == Some(1) && run.err.contains("2: username: already taken"), "{}", run.err);

        let import = |action| gatepass.done(&["users", "import", &file, "--on-conflict", action]);
        assert_eq!(import("skip"), "imported 1 user, kept 1 unchanged\n");
        assert_eq!(gatepass.json(&["users", "show", "johndoe"]), before);
        assert_eq!(gatepass.hash("JohnDoe"), old);

        assert_eq!(import("update"), "imported 0 users, updated 2\n");
        let after = gatepass.json(&["users", "show", "johndoe"]);
        for field in ["id", "username", "email", "scopes", "disabled", "created"] {
            assert_eq!(after[field], before[field], "{field}");
        }
        assert_eq!(after["full_name"], "Johnny");
        assert_eq!(gatepass.json(&["users", "show", "alice"])["full_name"], json!(null));
        // The file may be older than the user's password.
        assert_eq!((gatepass.hash("JohnDoe"), gatepass.hash("alice")), (old, HASH.to_owned()));
        let update = ["users", "import", &file, "--on-conflict", "update", "--update-passwords"];
        assert_eq!(gatepass.done(&update), "imported 0 users, updated 2\n");
        assert_eq!(gatepass.hash("JohnDoe"), HASH);
        gatepass.run(&["users", "import", &file, "--update-passwords"]).fails(2, &["--on-conflict update"]);
        let entries = gatepass.done(&["audit", "list"]);
        assert!(entries.contains("0 added, 2 updated"), "{entries}");
    });
}

#[test]
fn import_update_without_a_value_keeps_state_scopes_and_password() {
    Gatepass::on_both(|gatepass| {
        gatepass.add("johndoe", &["--scopes", "me users:read", "--email", "johndoe@example.com"]).done();
        gatepass.done(&["users", "disable", "johndoe"]);
        let hash = gatepass.hash("johndoe");
        let expect = |scopes: &[&str], disabled: bool| {
            let shown = gatepass.json(&["users", "show", "johndoe"]);
            assert_eq!((&shown["scopes"], &shown["disabled"]), (&json!(scopes), &json!(disabled)));
            assert_eq!((&shown["full_name"], gatepass.hash("johndoe")), (&json!("Johnny"), hash.clone()));
        };
        let update = ["--on-conflict", "update", "--update-passwords"];
        for (name, content) in [
            ("a.csv", "username,full_name,disabled,scopes,hashed_password\njohndoe,Johnny,,,\n"),
            ("b.csv", "username,full_name\njohndoe,Johnny\n"),
            (
                "a.jsonl",
                r#"{"username":"johndoe","full_name":"Johnny","disabled":null,"scopes":null,"hashed_password":null}"#,
            ),
            ("b.jsonl", r#"{"username":"johndoe","full_name":"Johnny"}"#),
        ] {
            let file = gatepass.folder.write(name, content);
            let updated = gatepass.done(&[&["users", "import", &file], &update[..]].concat());
            assert_eq!(updated, "imported 0 users, updated 1\n", "{name}");
            expect(&["me", "users:read"], true);
        }
        let values =
            gatepass.folder.write("c.jsonl", r#"{"username":"johndoe","disabled":false,"scopes":[]}"#);
        gatepass.done(&[&["users", "import", &values], &update[..]].concat());
        expect(&[], false);

        // New users need a hash.
        let other = "username,full_name\njohndoe,Changed\nalice,Alice\n";
        let other = gatepass.folder.write("new.csv", other);
        let run = gatepass.run(&[&["users", "import", &other], &update[..]].concat());
        let errors = format!(
            "{other}:3: hashed_password: missing or empty\ngatepass: 1 error: nothing was imported\n"
        );
        assert_eq!((run.code, run.err), (Some(1), errors));
        expect(&[], false);
        assert_eq!(gatepass.usernames(), ["johndoe"]);
    });
}

#[test]
fn import_of_utf_16_or_cr_line_endings_fails_with_the_reason() {
    let gatepass = Gatepass::on_sqlite();
    let csv = csv();
    let utf_16 = |bytes: fn(u16) -> [u8; 2]| csv.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let (little, big) = (utf_16(u16::to_le_bytes), utf_16(u16::to_be_bytes));
    for (name, content, reason) in [
        ("le.csv", [b"\xff\xfe", &*little].concat(), "UTF-16; convert it to UTF-8"),
        ("be.csv", [b"\xfe\xff", &*big].concat(), "UTF-16; convert it to UTF-8"),
        ("le.jsonl", little, "UTF-16; convert it to UTF-8"),
        ("be.jsonl", big, "UTF-16; convert it to UTF-8"),
        ("cr.csv", csv.replace('\n', "\r").into_bytes(), "carriage returns only; convert them to line feeds"),
        (
            "cr.jsonl",
            jsonl().replace('\n', "\r").into_bytes(),
            "carriage returns only; convert them to line feeds",
        ),
    ] {
        let file = gatepass.folder.write(name, content);
        gatepass.run(&["users", "import", &file]).fails(1, &["cannot read", name, reason]);
    }
}

#[test]
fn import_with_many_errors_prints_100_and_the_number_of_further_errors() {
    let gatepass = Gatepass::on_sqlite();
    let file = gatepass.folder.write("users.jsonl", "{}\n".repeat(700));
    let run = gatepass.run(&["users", "import", &file]);
    assert_eq!(run.code, Some(1));
    let lines: Vec<_> = run.err.lines().collect();
    assert_eq!(lines.len(), 102);
    assert_eq!(lines[99], format!("{file}:50: hashed_password: missing or empty"));
    assert_eq!(lines[100], "and 1300 more");
    assert_eq!(lines[101], "gatepass: 1400 errors: nothing was imported");
}

#[test]
fn import_of_an_unreadable_file_fails_with_one_line() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.run(&["users", "import", "/nonexistent/users.csv"]).fails(1, &["/nonexistent/users.csv"]);
    let file = gatepass.folder.write("users.jsonl", "x".repeat(2 * 1024 * 1024));
    gatepass.run(&["users", "import", &file]).fails(1, &["users.jsonl", "1 MiB"]);
    let row = format!("someone,{HASH}\n");
    let open_quote = format!("username,hashed_password\nfine,{HASH}\n\"open,{HASH}\n{}", row.repeat(30_000));
    let file = gatepass.folder.write("users.csv", open_quote);
    gatepass.run(&["users", "import", &file]).fails(1, &["users.csv", "line 3 ", "1 MiB", "quote"]);
    let file = gatepass.folder.write("users.csv", format!("\"{}", row.repeat(30_000)));
    gatepass.run(&["users", "import", &file]).fails(1, &["users.csv", "line 1 ", "1 MiB", "quote"]);
    // The limit of 1 MiB applies to a line, not to the file.
    let name = "x".repeat(200);
    let many: String = (0..5000).map(|number| format!("user{number},{name},{HASH}\n")).collect();
    assert!(many.len() > 1024 * 1024);
    let file = gatepass.folder.write("users.csv", format!("username,full_name,hashed_password\n{many}"));
    assert_eq!(gatepass.done(&["users", "import", &file]), "imported 5000 users\n");
    let empty = gatepass.folder.write("empty.jsonl", "");
    assert_eq!(gatepass.done(&["users", "import", &empty]), "imported 0 users\n");
}

#[test]
fn killed_import_adds_all_users_or_none() {
    Gatepass::on_both(|gatepass| {
        gatepass.add("johndoe", &[]).done();
        let file = gatepass.folder.write("users.jsonl", users_jsonl(3000));
        let other = Gatepass::on_sqlite();
        other.add("johndoe", &[]).done();
        let start = Instant::now();
        other.done(&["users", "import", &file]);
        let usual = start.elapsed();
        let mut killed = 0;
        // After most of these delays, the import is writing users.
        for percent in [15, 30, 45, 60, 75, 90, 1000] {
            let mut command = gatepass.command(&["users", "import", &file]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let end = Instant::now() + usual * percent / 100;
            while Instant::now() < end && child.try_wait().unwrap().is_none() {
                thread::park_timeout(Duration::from_millis(2));
            }
            let _ = child.kill();
            let succeeded = child.wait().unwrap().success();
            let count = gatepass.usernames().len();
            // An import that is killed between its commit and its exit has added all users.
            assert!(count == 3001 || count == 1 && !succeeded, "expected 1 or 3001 users, got {count}");
            if count == 3001 {
                break;
            }
            killed += 1;
        }
        assert!(killed > 0, "expected at least one import to be killed before it ended");
    });
}

#[test]
fn csv_import_errors_name_the_correct_line_with_lf_and_crlf() {
    let gatepass = Gatepass::on_sqlite();
    let csv = "username,full_name,hashed_password\n\njohndoe,John Doe,HASH\n,\"Alice\nin two lines\",HASH\n\n\
               bob,Bob\neve,\"Eve\",HASH,more\n,Mallory,HASH\ntrent,\"Trent,HASH\n";
    for (name, ending) in [("lf.csv", "\n"), ("crlf.csv", "\r\n")] {
        let file = gatepass.folder.write(name, csv.replace("HASH", HASH).replace('\n', ending));
        let run = gatepass.run(&["users", "import", &file]);
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""));
        let lines: Vec<_> =
            run.err.lines().filter_map(|line| line.split_once(".csv:")?.1.split(": ").next()).collect();
        assert_eq!(lines, ["4", "4", "7", "8", "9", "10"], "{}", run.err);
    }
}

#[test]
fn exported_csv_contains_no_formulas_and_can_be_imported_again() {
    let names = ["=1+1", "+49 30 1234", "-x", "@home", "'=quoted", "plain's"];
    let line = |(number, name): (usize, &&str)| {
        format!(
            "{}\n",
            json!({ "username": format!("user{number}"), "full_name": name, "hashed_password": HASH })
        )
    };
    let input: String = names.iter().enumerate().map(line).collect();
    let [first, second] = [(); 2].map(|()| Gatepass::on_sqlite());
    first.run_with(&["users", "import", "-", "--format=jsonl"], &input).done();
    let csv = first.done(&["users", "export", "--format=csv"]);
    for line in csv.lines().skip(1) {
        let full_name = line.split(',').nth(2).unwrap();
        assert!(!full_name.starts_with(['=', '+', '-', '@']), "{line}");
    }
    second.run_with(&["users", "import", "-", "--format=csv"], &csv).done();
    let users = second.json_lines(&["users", "list", "--json"]);
    let imported: Vec<_> = users.iter().map(|user| user["full_name"].as_str().unwrap()).collect();
    assert_eq!(imported, names);
    assert_eq!(second.done(&["users", "export", "--format=csv"]), csv);
}
