//! Checks which files the package contains.

use std::{collections::BTreeSet, env, process::Command};

use crate::docs::{
    links::targets,
    page::{read, root, split},
};

#[test]
fn package_contains_the_program_and_the_files_linked_from_the_readme_but_no_tests() {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["package", "--list", "--offline", "--allow-dirty"]).current_dir(root());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let packaged = String::from_utf8(output.stdout).unwrap();
    let packaged: BTreeSet<_> = packaged.lines().collect();

    let (_, readme) = split(&read("README.md"));
    let linked = targets(&readme);
    assert!(linked.len() > 10, "too few links in README.md: {linked:?}");
    let linked = linked.iter().filter(|target| !target.contains("://"));
    let linked = linked.map(|target| target.split('#').next().unwrap());
    let others = ["src/main.rs", "Cargo.lock", "static/docs.html", "packaging/gatepass.service"];
    for file in linked.chain(others) {
        assert!(packaged.contains(file), "expected {file} in {packaged:?}");
    }
    for folder in ["tests/", "benches/", "fuzz/", ".ci/", "target/"] {
        let file = packaged.iter().find(|file| file.starts_with(folder));
        assert!(file.is_none(), "the package contains a file in {folder}: {file:?}");
    }
}
