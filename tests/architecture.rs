//! Checks the layers of docs/architecture.md: a module imports only from its own layer and the layers that it may use.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each layer, the layers that it may import from, and the crates and items that it must not use.
const LAYERS: [(&str, &[&str], &[&str]); 6] = [
    ("domain", &[], &["actix", "utoipa", "sqlx", "log::", "clap"]),
    ("auth", &["domain"], &["actix", "utoipa", "sqlx", "SystemTime", "clap"]),
    ("adapters", &["domain", "auth"], &["actix", "clap"]),
    ("http", &["domain", "auth"], &["sqlx", "clap"]),
    ("testing", &["domain", "auth", "adapters", "http"], &["sqlx", "clap"]),
    ("app", &["domain", "auth", "adapters", "http"], &[]),
];

/// Returns the path and the code of each source file in a folder of src. Comment lines are removed.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder)];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).expect("a folder").flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                files.push((path.clone(), code.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    assert!(!files.is_empty(), "no source files in src/{folder}");
    files
}

/// Returns the layers that code imports from: the word after each `crate::`, or the first word of each item in braces.
fn imports(code: &str) -> Vec<&str> {
    let imports = code.split("crate::").skip(1).flat_map(|rest| {
        let mut depth = 0;
        let is_separator = |c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 1 && matches!(c, '{' | ',')
        };
        match rest.strip_prefix('{') {
            Some(_) => rest.split(';').next().unwrap_or_default().split(is_separator).collect(),
            None => vec![rest],
        }
    });
    let is_end = |c: char| !c.is_alphanumeric() && c != '_';
    let words = imports.filter_map(|item| item.trim().split(is_end).next());
    words.filter(|import| LAYERS.iter().any(|(layer, ..)| layer == import)).collect()
}

#[test]
fn layers_import_only_from_allowed_layers() {
    let mut count = 0;
    for (layer, allowed, _) in LAYERS {
        for (path, code) in sources(layer) {
            for import in imports(&code) {
                count += 1;
                let is_allowed = import == layer || allowed.contains(&import);
                assert!(is_allowed, "{}: {layer} must not import from {import}", path.display());
            }
        }
    }
    assert!(count > 100, "expected more than 100 imports, found {count}");
}

#[test]
fn layers_do_not_use_forbidden_crates_or_items() {
    for (layer, _, forbidden) in LAYERS {
        for (path, code) in sources(layer) {
            for name in forbidden {
                assert!(!code.contains(name), "{}: {layer} must not use {name}", path.display());
            }
        }
    }
}

#[test]
fn http_layer_sets_error_statuses_and_challenges_only_in_error_rs() {
    let forbidden =
        ["StatusCode::", "HttpResponse::build", "BadRequest()", "Unauthorized()", "WWW_AUTHENTICATE"];
    for (path, code) in sources("http") {
        for name in forbidden.iter().filter(|_| !path.ends_with("error.rs")) {
            assert!(!code.contains(name), "{}: {name} belongs in http/error.rs", path.display());
        }
    }
}

#[test]
fn every_folder_of_src_is_a_layer() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("src").flatten() {
        let name = entry.file_name().into_string().expect("a name");
        let is_layer = LAYERS.iter().any(|(layer, ..)| *layer == name);
        assert!(is_layer || entry.path().is_file(), "{name} is not a layer");
    }
}

#[test]
fn imports_finds_the_layers_in_paths_and_groups() {
    let code =
        "use crate::{\n    auth::{Auth, app},\n    domain::user::User,\n};\nfn f() { crate::http::x() }";
    assert_eq!(imports(code), ["auth", "domain", "http"]);
}
