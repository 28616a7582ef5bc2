//! The rooms of the house: a room imports only from rooms above it in this list.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each room and the rooms it may import from, itself aside.
const ROOMS: [(&str, &[&str]); 5] = [
    ("domain", &[]),
    ("auth", &["domain"]),
    ("adapters", &["domain", "auth"]),
    ("http", &["domain", "auth"]),
    ("app", &["domain", "auth", "adapters", "http"]),
];

/// What a room must not know, whoever brings it.
const STRANGERS: [(&str, &[&str]); 3] = [
    ("domain", &["actix", "utoipa", "serde", "sqlx", "log::", "SystemTime", "Instant"]),
    ("auth", &["actix", "utoipa", "serde", "sqlx", "SystemTime", "Instant"]),
    ("adapters", &["actix"]),
];

fn sources(room: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the room is there").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => files.push((path.clone(), fs::read_to_string(&path).expect("a source file"))),
            }
        }
    }
    assert!(!files.is_empty(), "{room} is empty");
    files
}

/// The first segments of what a file takes from this crate, by `use` or by a full path.
fn imported_rooms(source: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(" ");
    let mut rooms = Vec::new();
    for after in code.split("crate::").skip(1) {
        let first = |text: &str| {
            text.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned)
        };
        match after.strip_prefix('{') {
            None => rooms.extend(first(after)),
            Some(group) => {
                let mut depth = 1;
                let mut item = String::new();
                for c in group.chars() {
                    match c {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || (depth == 1 && c == ',') {
                        rooms.extend(first(&item).filter(|room| !room.is_empty()));
                        item.clear();
                    } else {
                        item.push(c);
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    rooms
}

#[test]
fn a_room_imports_only_from_rooms_above_it() {
    let mut imports = 0;
    for (room, above) in ROOMS {
        for (path, source) in sources(room) {
            for imported in imported_rooms(&source) {
                imports += 1;
                assert!(
                    imported == room || above.contains(&imported.as_str()),
                    "{}: {room} must not import from {imported}",
                    path.display()
                );
            }
        }
    }
    assert!(imports > 20, "only {imports} imports seen: the reader of `use` lines is broken");
}

#[test]
fn the_inner_rooms_know_no_framework_no_database_and_no_clock() {
    for (room, strangers) in STRANGERS {
        for (path, source) in sources(room) {
            let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                for stranger in strangers {
                    assert!(
                        !line.contains(stranger),
                        "{}: {room} must not know {stranger}: {line}",
                        path.display()
                    );
                }
            }
        }
    }
}

#[test]
fn every_room_is_on_the_list() {
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("src");
    for folder in folders.flatten().filter(|entry| entry.path().is_dir()) {
        let name = folder.file_name().into_string().expect("a name");
        assert!(ROOMS.iter().any(|(room, _)| *room == name), "{name} is no room of the house");
    }
}

#[test]
fn the_status_of_an_error_and_a_challenge_stand_in_one_place() {
    let errors = [
        "StatusCode::",
        "HttpResponse::build",
        "HttpResponse::BadRequest",
        "HttpResponse::Unauthorized",
        "HttpResponse::Forbidden",
        "HttpResponse::NotFound",
        "HttpResponse::InternalServerError",
        "WWW_AUTHENTICATE",
    ];
    for (path, source) in sources("http") {
        if path.ends_with("error.rs") {
            continue;
        }
        for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!errors.iter().any(|error| line.contains(error)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    let source = "use crate::{\n    auth::{Auth, Identity},\n    domain::user::User,\n};\nfn f() { crate::http::x() }\n// crate::app";
    assert_eq!(imported_rooms(source), ["auth", "domain", "http"]);
}
