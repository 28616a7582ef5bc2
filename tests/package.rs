//! The package: its files, and those that README.md links to.

use std::{collections::BTreeSet, env, process::Command};

use crate::docs::{
    links::targets,
    page::{read, root, split},
};

/// Returns the files of the package.
fn packaged() -> BTreeSet<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["package", "--list", "--offline", "--allow-dirty"]).current_dir(root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn files_that_the_readme_links_to_are_in_the_package() {
    let packaged = packaged();
    let (_, text) = split(&read("README.md"));
    for target in targets(&text).iter().filter(|target| !target.contains("://")) {
        let (file, _) = target.split_once('#').unwrap_or((target, ""));
        assert!(packaged.contains(file), "{file} is not in the package: {packaged:?}");
    }
}

#[test]
fn package_contains_the_program_and_no_tests() {
    let packaged = packaged();
    for file in [
        "src/main.rs",
        "Cargo.lock",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "static/docs.html",
        "packaging/gatepass.service",
    ] {
        assert!(packaged.contains(file), "{file} is not in {packaged:?}");
    }
    for folder in ["tests/", "benches/", "fuzz/", ".ci/", "target/"] {
        let file = packaged.iter().find(|file| file.starts_with(folder));
        assert!(file.is_none(), "{file:?}");
    }
}
