//! `gatepass users add | list | show | set | passwd | disable | enable | remove`

use std::{io, path::Path};

use serde_json::{Value, json};

use crate::support::program::{Gatepass, Run, users_jsonl};

#[test]
fn users_add_stores_the_given_fields() {
    let gatepass = Gatepass::on_sqlite();
    let options = ["--full-name=John Doe", "--email=johndoe@example.com", "--scopes=me users:read"];
    assert_eq!(gatepass.add("johndoe", &options).done(), "added johndoe\n");

    let user = gatepass.json(&["users", "show", "JOHNDOE"]);
    assert_eq!(user["username"], "johndoe");
    assert_eq!(user["email"], "johndoe@example.com");
    assert_eq!(user["full_name"], "John Doe");
    assert_eq!(user["disabled"], false);
    assert_eq!(user["scopes"], json!(["me", "users:read"]));
    assert_eq!(user["id"].as_str().unwrap().len(), 36);
    assert_eq!(user["created"], user["changed"]);
    assert!(user["created"].as_str().unwrap().ends_with('Z'));
    assert_eq!(user.as_object().unwrap().len(), 8, "the user should have 8 fields and no hash: {user}");

    let text = gatepass.done(&["users", "show", "johndoe"]);
    for word in ["johndoe", "johndoe@example.com", "John Doe", "enabled", "me users:read"] {
        assert!(text.contains(word), "{text}");
    }

    let added = gatepass.add("alice", &["--json"]).done();
    let added: Value = serde_json::from_str(&added).unwrap();
    assert_eq!(added, gatepass.json(&["users", "show", "alice"]));
    assert_eq!((&added["email"], &added["full_name"]), (&Value::Null, &Value::Null));
    assert_eq!((&added["scopes"], &added["disabled"]), (&json!(["me"]), &json!(false)));
    gatepass.add("bob", &["--scopes", ""]).done();
    assert_eq!(gatepass.json(&["users", "show", "bob"])["scopes"], json!([]));
}

#[test]
fn users_add_with_a_taken_name_in_different_case_fails() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("Straße", &[]).done();
    for name in ["Straße", "STRASSE", "straße"] {
        gatepass.add(name, &[]).fails(1, &[name, "taken"]);
    }
    assert_eq!(gatepass.usernames(), ["Straße"]);
}

#[test]
fn invalid_user_fields_are_usage_errors() {
    let gatepass = Gatepass::on_sqlite();
    for (name, word) in
        [("", "empty"), (" x", "white space"), ("a\u{1b}[31m", "control"), ("\u{202e}x", "invisible")]
    {
        gatepass.add(name, &[]).fails(2, &[word]);
    }
    gatepass.add("x", &["--email", "nowhere"]).fails(2, &["email"]);
    gatepass.add("x", &["--scopes", "a\"b"]).fails(2, &["scope"]);
    gatepass.add("x", &["--scopes", &"x".repeat(2049)]).fails(2, &["2048 bytes"]);
    gatepass.run(&["users", "set", "x", "--scopes", &"x".repeat(2049)]).fails(2, &["2048 bytes"]);
    gatepass.add("x", &["--full-name", "a\nb"]).fails(2, &["control"]);
    gatepass.run(&["users", "add", "x", "--password", "secret"]).fails(2, &["--password"]);
    assert_eq!(gatepass.usernames(), [""; 0]);
}

#[test]
fn password_stdin_reads_the_first_line_and_refuses_an_empty_line() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.run_with(&["users", "add", "x", "--password-stdin"], "").fails(1, &["empty"]);
    gatepass.run_with(&["users", "add", "x", "--password-stdin"], "\n").fails(1, &["empty"]);
    assert_eq!(gatepass.usernames(), [""; 0]);
    gatepass
        .run_with(&["users", "add", "x", "--password-stdin"], "purple teapots in one line\r\nand another")
        .done();
    let other = gatepass.run_with(&["users", "add", "y", "--password-stdin"], "purple teapots in one line");
    assert_eq!(other.done(), "added y\n");
}

#[test]
fn weak_password_is_refused_with_the_reason() {
    let gatepass = Gatepass::on_sqlite();
    let list = gatepass.folder.write("list.txt", "password\n");
    let empty = gatepass.folder.write("empty.txt", "");
    // The SHA-1 hash of "we planted four walnut trees".
    let breached = gatepass.folder.write("breached.txt", "13ce04c880026ae1e858a6ce15a4f5fcdb5b323b:17\n");
    let add = |password: &str, options: &[&str]| {
        let arguments =
            [&["users", "add", "johndoe", "--full-name=John Smith", "--password-stdin"], options].concat();
        gatepass.run_with(&arguments, &format!("{password}\n"))
    };
    let (short, acme) = ("--password-min-length=8", "--issuer=https://auth.acme.example/login");
    let (common, context) =
        ("too common or too easy to guess", "choose a password that does not contain them");
    for (password, options, reason) in [
        ("h5J!pWz8", &[][..], "at least 15 characters"),
        ("h5J!pWz", &[short], "at least 8 characters"),
        ("Password@123", &[short], common),
        ("johnsmith2025!!", &[], context),
        ("acmeacmeacme2025", &[], common),
        ("acmeacmeacme2025", &[acme], context),
        (
            "we planted four walnut trees",
            &["--password-blocklist", &breached],
            "in a list of breached passwords",
        ),
    ] {
        add(password, options).fails(1, &[reason]);
    }
    for (file, reason) in
        [(&*list, "the line at byte 0 is not a SHA-1 hash"), (&empty, "it is empty"), ("/x", "/x: ")]
    {
        add("h5J!pWz8", &["--password-blocklist", file]).fails(2, &["password blocklist", file, reason]);
        let check = gatepass.run(&["check", "--profile=secure", "--password-blocklist", file]);
        assert!(check.code == Some(1) && check.out.contains(reason), "{}", check.out);
        gatepass.run(&["serve", "--profile=secure", "--password-blocklist", file]).fails(2, &[file, reason]);
    }
    add("h5J!pWz8", &["--password-min-length=7"]).fails(2, &["--password-min-length", "8..=64"]);
    assert_eq!(gatepass.usernames(), [""; 0]);

    add("h5J!pWz8", &[short, "--password-blocklist", &breached]).done();
    let passwd = ["users", "passwd", "johndoe", "--password-stdin", short];
    gatepass.run_with(&passwd, "h5J!pWz8\n").fails(1, &["the same as the current password"]);
    gatepass.run_with(&passwd, "h5J!pWz9\n").done();
}

#[test]
fn users_list_is_sorted_by_username() {
    Gatepass::on_both(|gatepass| {
        if gatepass.url.starts_with("sqlite:") {
            gatepass
                .run(&["users", "list"])
                .fails(1, &["gatepass.db", "does not exist", "gatepass users add"]);
        } else {
            assert_eq!(gatepass.done(&["users", "list", "--json"]), "");
        }
        for name in ["bob", "Alice", "carol"] {
            gatepass.add(name, &["--scopes", "me"]).done();
        }
        gatepass.done(&["users", "disable", "bob"]);
        assert_eq!(gatepass.usernames(), ["Alice", "bob", "carol"]);
        let text = gatepass.done(&["users", "list"]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].starts_with("USERNAME "));
        assert!(lines[2].starts_with("bob ") && lines[2].contains(" disabled "), "{text}");
        assert!(!text.contains("password"), "{text}");
    });
}

#[test]
fn users_list_keeps_columns_aligned_with_wide_characters() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("田中", &["--full-name", "田中 太郎", "--disabled"]).done();
    gatepass.add("johndoe", &["--full-name", "e\u{301}", "--email", &format!("{}@x", "x".repeat(50))]).done();
    gatepass.add("😀", &["--email", "smile@example.com"]).done();
    let spaces = |count| " ".repeat(count);
    let expected = [
        format!("USERNAME  EMAIL{}FULL NAME  STATE     SCOPES\n", spaces(37)),
        format!("johndoe   {}@x  e\u{301}          enabled   me\n", "x".repeat(50)),
        format!("田中      -{}田中 太郎  disabled  me\n", spaces(41)),
        format!("😀        smile@example.com{}-          enabled   me\n", spaces(25)),
    ];
    assert_eq!(gatepass.done(&["users", "list"]), expected.concat());
}

#[test]
fn users_list_filter_matches_username_email_and_full_name_case_insensitively() {
    Gatepass::on_both(|gatepass| {
        let add = |name: &str, email: &str, full_name: &str| {
            gatepass.add(name, &["--email", email, "--full-name", full_name]).done();
        };
        add("johndoe", "JohnDoe@Example.com", "John Doe");
        add("Straße", "", "Jürgen Groß");
        add("100%_\\", "", "Иван Петров");
        let list = |options: &[&str]| {
            let users = gatepass.json_lines(&[&["users", "list", "--json"], options].concat());
            users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let [percent, john, street] = ["100%_\\", "johndoe", "Straße"];
        for (filter, expected) in [
            ("JOHN", &[john][..]),
            ("n do", &[john]),
            ("example.COM", &[john]),
            ("STRASSE", &[street]),
            ("straße", &[street]),
            ("gross", &[street]),
            ("JÜRGEN", &[street]),
            ("ju\u{308}rgen GROß", &[street]),
            ("иВАН п", &[percent]),
            ("Petrov", &[]),
            ("%", &[percent]),
            ("_", &[percent]),
            ("\\", &[percent]),
            ("' OR '1'='1", &[]),
            ("o", &[john, street]),
            ("", &[percent, john, street]),
        ] {
            assert_eq!(list(&["--filter", filter]), expected, "{filter:?}");
        }
        gatepass.run(&["users", "list", "--filter", &"x".repeat(256)]).fails(2, &["255 characters"]);

        // There are more users than one query returns, and the filter matches all of them.
        let file = gatepass.folder.write("users.jsonl", users_jsonl(1200));
        gatepass.done(&["users", "import", &file]);
        assert_eq!(list(&["--filter", "USER"]).len(), 1200);
        assert_eq!(
            list(&["--filter", "R119"]),
            ["user119"]
                .into_iter()
                .map(str::to_owned)
                .chain((1190..1200).map(|n| format!("user{n}")))
                .collect::<Vec<_>>()
        );
    });
}

#[test]
fn users_list_reports_when_there_are_more_users_than_the_limit() {
    let gatepass = Gatepass::on_sqlite();
    for name in ["alice", "bob", "carol"] {
        gatepass.add(name, &[]).done();
    }
    let run = gatepass.run(&["users", "list", "--limit", "2"]);
    assert_eq!((run.code, run.out.lines().count()), (Some(0), 3), "{}", run.out);
    assert_eq!(run.err, "gatepass: there are more than 2 users; raise --limit to list more\n");
    assert_eq!(gatepass.done(&["users", "list", "--limit=3"]).lines().count(), 4);
    assert_eq!(gatepass.done(&["users", "list", "--limit=1", "--filter=BOB"]).lines().count(), 2);
    gatepass.run(&["users", "list", "--limit", "0"]).fails(2, &["--limit"]);
}

#[test]
fn command_with_closed_output_succeeds() {
    let gatepass = Gatepass::on_sqlite();
    // The list of 1000 users does not fit into the output buffer.
    let file = gatepass.folder.write("users.jsonl", users_jsonl(1000));
    gatepass.done(&["users", "import", &file]);
    for arguments in ["users list", "users export", "config", "openapi", "man", "completions bash"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let arguments: Vec<_> = arguments.split(' ').collect();
        let output = gatepass.command(&arguments).stdout(writer).output().unwrap();
        let result = (output.status.code(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(result, (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn users_set_changes_only_the_given_fields() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("johndoe", &["--email", "old@example.com", "--full-name", "Old", "--scopes", "me"]).done();
    assert_eq!(
        gatepass.done(&["users", "set", "JohnDoe", "--email", "new@example.com"]),
        "changed JohnDoe\n"
    );
    let user = gatepass.json(&["users", "set", "johndoe", "--scopes", "a b"]);
    assert_eq!((&user["email"], &user["full_name"]), (&json!("new@example.com"), &json!("Old")));
    assert_eq!(user["scopes"], json!(["a", "b"]));
    let user = gatepass.json(&["users", "set", "johndoe", "--email", "", "--full-name", "", "--scopes", ""]);
    assert_eq!((&user["email"], &user["full_name"]), (&Value::Null, &Value::Null));
    assert_eq!(user["scopes"], json!([]));

    gatepass.run(&["users", "set", "johndoe"]).fails(2, &["--email"]);
    gatepass.run(&["users", "set", "johndoe", "--email", "x"]).fails(2, &["--email"]);
}

#[test]
fn users_passwd_replaces_only_the_hash_of_the_given_user() {
    Gatepass::on_both(|gatepass| {
        gatepass.add("johndoe", &[]).done();
        gatepass.add("alice", &[]).done();
        let (before, alice) = (gatepass.hash("johndoe"), gatepass.hash("alice"));
        let passwd = gatepass
            .run_with(&["users", "passwd", "johndoe", "--password-stdin"], "purple teapots swim north\n");
        assert_eq!(passwd.done(), "set the password of johndoe\n");
        assert_ne!(gatepass.hash("johndoe"), before);
        assert_eq!(gatepass.hash("alice"), alice);
    });
}

#[test]
fn users_disable_and_enable_change_the_state() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("johndoe", &[]).done();
    assert_eq!(gatepass.done(&["users", "disable", "johndoe"]), "disabled johndoe\n");
    assert_eq!(gatepass.json(&["users", "show", "johndoe"])["disabled"], true);
    gatepass.done(&["users", "disable", "johndoe"]);
    assert_eq!(gatepass.done(&["users", "enable", "johndoe"]), "enabled johndoe\n");
    assert_eq!(gatepass.json(&["users", "show", "johndoe"])["disabled"], false);

    gatepass.add("alice", &["--disabled"]).done();
    assert_eq!(gatepass.json(&["users", "show", "alice"])["disabled"], true);
}

#[test]
fn users_remove_without_confirmation_fails() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("johndoe", &[]).done();
    gatepass.run_with(&["users", "remove", "johndoe"], "y\n").fails(2, &["johndoe", "--yes"]);
    assert_eq!(gatepass.usernames(), ["johndoe"]);
    assert_eq!(gatepass.done(&["users", "remove", "JOHNDOE", "--yes"]), "removed johndoe\n");
    assert_eq!(gatepass.usernames(), [""; 0]);
    gatepass.run(&["users", "remove", "johndoe", "--yes"]).fails(1, &["johndoe"]);
}

#[test]
fn commands_on_an_unknown_user_fail_with_one_line() {
    let gatepass = Gatepass::on_sqlite();
    gatepass.add("johndoe", &[]).done();
    for name in ["nobody", "' OR '1'='1", "%", "", "x\u{1b}[31m"] {
        for arguments in [
            vec!["users", "show", name],
            vec!["users", "set", name, "--scopes", "me"],
            vec!["users", "passwd", name, "--password-stdin"],
            vec!["users", "disable", name],
            vec!["users", "enable", name],
            vec!["users", "remove", name],
        ] {
            let run = gatepass.run(&arguments);
            assert!(!run.err.trim_end().contains(char::is_control), "{:?}", run.err);
            run.fails(1, &["user ", " does not exist"]);
        }
    }
}

#[test]
fn hostile_usernames_are_stored_unchanged() {
    let gatepass = Gatepass::on_sqlite();
    let names = ["'; DROP TABLE users; --", "%", "$(reboot)", "\\", "<script>", "田中 😀"];
    for name in names {
        gatepass.add(name, &[]).done();
        assert_eq!(gatepass.json(&["users", "show", name])["username"], name);
    }
    assert_eq!(gatepass.usernames().len(), names.len());
    // After --, a username may look like an option.
    let add = ["users", "add", "--password-stdin", "--", "--yes"];
    gatepass.run_with(&add, "a passphrase of nobody\n").done();
    assert!(gatepass.done(&["users", "show", "--", "--yes"]).contains("--yes"));
}

#[test]
fn only_commands_that_add_data_create_a_database() {
    let gatepass = Gatepass::on_sqlite();
    let file = gatepass.folder.file("gatepass.db");
    for command in [
        &["users", "list"][..],
        &["users", "show", "x"],
        &["users", "set", "x", "--scopes", "me"],
        &["users", "passwd", "x", "--password-stdin"],
        &["users", "disable", "x"],
        &["users", "enable", "x"],
        &["users", "remove", "x", "--yes"],
        &["users", "export"],
        &["clients", "list"],
        &["clients", "remove", "x", "--yes"],
        &["audit", "list"],
    ] {
        gatepass.run(command).fails(1, &[&file, "does not exist", "--database-url"]);
        assert!(!Path::new(&file).exists(), "{command:?}");
    }
    for command in [&["users", "import", "-", "--format", "jsonl"][..], &["clients", "add", "web"]] {
        let gatepass = Gatepass::on_sqlite();
        gatepass.done(command);
        assert!(Path::new(&gatepass.folder.file("gatepass.db")).exists(), "{command:?}");
    }
}

#[test]
fn commands_accept_only_options_that_they_use() {
    let gatepass = Gatepass::on_sqlite();
    for (command, option) in [
        (&["users", "list"][..], "--bind=127.0.0.1:8000"),
        (&["users", "list"], "--argon2-memory=1024"),
        (&["clients", "add", "web"], "--keys-dir=keys"),
        (&["keys", "list"], "--database-url=sqlite:gatepass.db"),
        (&["audit", "list"], "--profile=secure"),
        (&["openapi"], "--database-url=sqlite:gatepass.db"),
        (&["healthcheck"], "--profile=secure"),
    ] {
        let name = option.split('=').next().unwrap();
        gatepass.run(&[command, &[option]].concat()).fails(2, &["unexpected argument", name]);
    }
    gatepass.run(&["users", "--database-url", "mysql:x", "list"]).fails(2, &["--database-url"]);
}

#[test]
fn help_does_not_need_a_database() {
    let gatepass = Gatepass::on_sqlite();
    let help = gatepass.done(&["users", "passwd", "--help"]);
    assert!(
        help.contains("Usage: gatepass users passwd") && help.contains("end all the user's sessions"),
        "{help}"
    );
    for commands in ["users", "clients"] {
        gatepass.run(&[commands]).fails(2, &["add, list"]);
        let mut without_url = gatepass.command(&[commands]);
        let output = without_url.env_remove("GATEPASS_DATABASE_URL").output().unwrap();
        Run::from(output).fails(2, &["add, list"]);
    }
    assert!(!gatepass.folder.path().join("gatepass.db").exists());
}
