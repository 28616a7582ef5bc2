//! Tests completion scripts in shells, and man pages with `man`.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{
    folder::Folder,
    program::{Gatepass, Run},
    service, skip,
};

fn gatepass(arguments: &[&str]) -> Run {
    Run::from(service::gatepass(arguments, &[]).output().unwrap())
}

/// Runs a program, with lines of 200 columns for `man`. Returns `None` and marks the test as skipped if the program is
/// missing.
fn try_run(program: &str, arguments: &[&str]) -> Option<Run> {
    let run = Command::new(program).args(arguments).env("MANWIDTH", "200").stdin(Stdio::null()).output();
    run.map(Run::from).inspect_err(|error| skip(format!("{program}: {error}"))).ok()
}

/// Writes the completion script of a shell to a file, and returns its path.
fn script(folder: &Folder, shell: &str) -> String {
    let script = folder.file(shell);
    fs::write(&script, gatepass(&["completions", shell]).done()).unwrap();
    script
}

/// Incomplete command lines, each with a word that its completions must contain.
const LINES: [(&str, &str); 4] = [
    ("gatepass us", "users"),
    ("gatepass users a", "add"),
    ("gatepass serve --prof", "--profile"),
    ("gatepass serve --profile s", "secure"),
];

#[test]
fn bash_completes_commands_options_and_values() {
    let folder = Folder::create();
    let script = script(&folder, "bash");
    for (line, expected) in LINES {
        // When TAB is pressed, bash calls the function that `complete -F` registered.
        let press_tab = format!(
            "source {script}; [[ $(complete -p gatepass) =~ -F\\ ([^\\ ]+) ]]; \
             COMP_LINE='{line}' COMP_POINT=${{#COMP_LINE}}; read -ra COMP_WORDS <<< \"$COMP_LINE\"; COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             \"${{BASH_REMATCH[1]}}\" gatepass \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; \
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let Some(run) = try_run("bash", &["--norc", "-c", &press_tab]) else { return };
        let words = run.done();
        assert!(words.lines().any(|word| word == expected), "{line}: {words}");
    }
}

#[test]
fn fish_completes_commands_options_and_values() {
    let folder = Folder::create();
    let script = script(&folder, "fish");
    for (line, expected) in LINES {
        let press_tab = format!("source {script}; complete --do-complete '{line}'");
        let Some(run) = try_run("fish", &["--no-config", "-c", &press_tab]) else { return };
        let words = run.done();
        let has_word = words.lines().any(|line| line.split('\t').next() == Some(expected));
        assert!(has_word, "{line}: {words}");
    }
}

#[test]
fn zsh_loads_the_completion_script() {
    let folder = Folder::create();
    let file = script(&folder, "zsh");
    let load = format!(
        "autoload -Uz compinit; compinit -D -u; source {file}; [[ ${{_comps[gatepass]}} == _gatepass ]]"
    );
    for arguments in [["-f", "-n", &file].as_slice(), &["-f", "-c", &load]] {
        let Some(run) = try_run("zsh", arguments) else { return };
        assert_eq!(run.done(), "");
    }
}

#[test]
fn completions_for_an_unknown_shell_fail() {
    gatepass(&["completions", "tcsh"]).fails(2, &["tcsh", "bash"]);
    gatepass(&["completions"]).fails(2, &["SHELL"]);
}

#[test]
fn man_pages_are_written_and_render_without_warnings() {
    let folder = Folder::create();
    let pages = folder.file("pages");
    assert_eq!(gatepass(&["man", "--directory", &pages]).done(), "");
    let mut names: Vec<_> = fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in ["gatepass.1", "gatepass-serve.1", "gatepass-users-add.1", "gatepass-man.1"] {
        assert!(names.iter().any(|page| page == name), "expected {name} in {names:?}");
    }
    for (page, words) in [
        ("gatepass", ["gatepass-users(1)", "EXIT STATUS"]),
        ("gatepass-serve", ["GATEPASS_DATABASE_URL", "Number of threads that serve requests"]),
        ("gatepass-users-add", ["--password-stdin", "gatepass users add"]),
    ] {
        let path = format!("{pages}/{page}.1");
        let Some(run) = try_run("man", &["-l", &path]) else { return };
        let text = run.done();
        assert!(words.iter().all(|word| text.contains(word)), "{page}: {text}");
        let command: Vec<_> = page.split('-').skip(1).collect();
        let printed = gatepass(&[&["man"], &*command].concat()).done();
        assert_eq!(printed, fs::read_to_string(&path).unwrap(), "{page}");
    }
    let paths: Vec<_> = names.iter().map(|name| Path::new(&pages).join(name)).collect();
    let paths: Vec<_> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    for (program, options) in
        [("mandoc", ["-T", "lint", "-W", "warning"].as_slice()), ("man", &["--warnings", "-l"])]
    {
        let Some(run) = try_run(program, &[options, &paths].concat()) else { return };
        assert!(run.out.starts_with(if program == "man" { "gatepass" } else { "" }), "{}", run.out);
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{program}: {}", run.out);
    }
}

#[test]
fn completions_and_man_pages_contain_no_values_of_environment_variables() {
    let gatepass = Gatepass::on_sqlite();
    for arguments in [["completions", "bash"], ["man", "serve"]] {
        let text = gatepass.done(&arguments);
        assert!(!text.contains(gatepass.folder.path().to_str().unwrap()), "{arguments:?}");
    }
}

#[test]
fn man_with_an_unknown_command_or_an_unwritable_directory_fails() {
    gatepass(&["man", "users", "ad"]).fails(2, &["gatepass users", "ad", "add, list"]);
    gatepass(&["man", "check", "x"]).fails(2, &["gatepass check has no subcommands"]);
    gatepass(&["man", "--directory", "/proc/pages"]).fails(1, &["cannot write /proc/pages"]);
}
