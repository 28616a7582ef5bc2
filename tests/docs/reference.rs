//! The generated parts of pages: the reference, and the listing of `examples/minimal` in docs/first-application.md.
//! Also checks that every audit event and metric is documented.
//!
//! `UPDATE_DOCS=1 cargo test --test integration docs::reference` writes the generated parts.

use std::fmt::Write;

use clap::{Arg, Command};
use gatepass::{app::command_line, events::EventKind};
use serde_json::Value;

use crate::{
    docs::page::{expect_generated, read},
    support::{http::get, program::Gatepass, secure_profile::serve},
};

/// Escapes or replaces characters that would end a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", cell(text)) }
}

fn help(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default()
}

/// Returns the help of an argument, and the default that the help states in brackets.
fn described(arg: &Arg) -> (String, Option<String>) {
    let help = help(arg);
    match help.split_once(" [default: ").and_then(|(text, rest)| Some((text, rest.strip_suffix(']')?))) {
        Some((text, default)) => (text.to_owned(), Some(default.to_owned())),
        None => (help, None),
    }
}

/// Returns the possible values of an argument with their meaning, to append to the description.
fn values(arg: &Arg) -> String {
    let values = arg.get_possible_values();
    let described = values.iter().filter_map(|value| {
        Some(format!("`{}`: {}", value.get_name(), cell(&value.get_help()?.to_string())))
    });
    let described: Vec<_> = described.filter(|_| !arg.is_hide_possible_values_set()).collect();
    if described.is_empty() { String::new() } else { format!(". {}", described.join(". ")) }
}

/// Returns the settings of a command: the options that have a help heading.
fn settings(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let options = command.get_arguments().filter(|arg| arg.get_help_heading().is_some());
    options.filter_map(|arg| Some((arg.get_long()?, arg)))
}

fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    names.first().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn settings_page_is_current() {
    let root = command_line();
    let serve = root.find_subcommand("serve").expect("serve");
    let mut headings = Vec::<&str>::new();
    for (_, arg) in settings(serve) {
        let heading = arg.get_help_heading().expect("a heading");
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    let mut page = String::new();
    for heading in headings {
        let title = heading.trim_end_matches(" options");
        write!(
            page,
            "## {title}\n\n| key | variable | value | default | description |\n|---|---|---|---|---|\n"
        )
        .unwrap();
        for (name, arg) in settings(serve).filter(|(_, arg)| arg.get_help_heading() == Some(heading)) {
            let (description, stated) = described(arg);
            let set: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
            let default = stated.unwrap_or_else(|| code(&set.join(",")));
            let default = if default.is_empty() { "none".to_owned() } else { default };
            let variable = format!("GATEPASS_{}", name.to_uppercase().replace('-', "_"));
            let (description, values) = (cell(&description), values(arg));
            let value = code(&value_name(arg));
            writeln!(page, "| `{name}` | `{variable}` | {value} | {default} | {description}{values} |")
                .unwrap();
        }
        page.push('\n');
    }
    expect_generated("settings.md", "settings", &page);
}

/// Writes a section for each subcommand of `command`.
fn write_commands(page: &mut String, path: &str, command: &Command) {
    for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
        let path = format!("{path} {}", child.get_name());
        if child.has_subcommands() {
            let about = child.get_about().map(ToString::to_string).unwrap_or_default();
            write!(page, "## {}\n\n{about}.\n\n", &path["gatepass ".len()..]).unwrap();
            write_commands(page, &path, child);
            continue;
        }
        let heading = if path.matches(' ').count() == 1 { "##" } else { "###" };
        let arguments = child.get_positionals().map(|arg| match arg.is_required_set() {
            true => format!(" {}", value_name(arg)),
            false => format!(" [{}]", value_name(arg)),
        });
        let arguments: String = arguments.collect();
        let about = child.get_about().map(ToString::to_string).unwrap_or_default();
        write!(page, "{heading} {}\n\n`{path}{arguments}`: {}.\n\n", &path["gatepass ".len()..], about)
            .unwrap();
        let is_specific = |arg: &&Arg| {
            arg.get_help_heading().is_none() && !["help", "version"].contains(&arg.get_id().as_str())
        };
        let options: Vec<_> =
            child.get_arguments().filter(is_specific).filter(|arg| arg.get_long().is_some()).collect();
        if !options.is_empty() {
            page.push_str("| option | |\n|---|---|\n");
        }
        for arg in &options {
            let takes_value = arg.get_action().takes_values();
            let value = if takes_value { format!(" {}", value_name(arg)) } else { String::new() };
            let name = arg.get_long().expect("an option");
            writeln!(page, "| `--{name}{}` | {} |", cell(&value), cell(&help(arg)) + &values(arg)).unwrap();
        }
        if !options.is_empty() {
            page.push('\n');
        }
        let read: Vec<_> = settings(child).map(|(name, _)| format!("`{name}`")).collect();
        let all = settings(child).count() > 40;
        let text = if all { "all".to_owned() } else { read.join(", ") };
        write!(page, "Settings: {text}.\n\n").unwrap();
    }
}

#[test]
fn commands_page_is_current() {
    let mut page = String::new();
    write_commands(&mut page, "gatepass", &command_line());
    expect_generated("commands.md", "commands", &page);
}

#[test]
fn http_api_page_is_current() {
    let gatepass = Gatepass::on_sqlite();
    let document: Value =
        serde_json::from_str(&gatepass.done(&["openapi", "--profile", "secure"])).expect("JSON");
    let mut page = String::from("| request | | requires | responses |\n|---|---|---|---|\n");
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let summary = operation["summary"].as_str().expect("a summary");
            let schemes = operation["security"].as_array().into_iter().flatten().filter_map(Value::as_object);
            let requirement = |(name, scopes): (&String, &Value)| {
                let scopes: Vec<_> =
                    scopes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                match (name.as_str(), scopes.as_slice()) {
                    ("OAuth2PasswordBearer", []) => "an access token".to_owned(),
                    ("OAuth2PasswordBearer", scopes) => {
                        format!("an access token with `{}`", scopes.join(" "))
                    }
                    ("SessionCookie", _) => "the session cookie".to_owned(),
                    ("RegisteredClient", _) => "a confidential client".to_owned(),
                    (other, _) => panic!("expected a known security scheme, got {other}"),
                }
            };
            let requires: Vec<_> = schemes.flatten().map(requirement).collect();
            let statuses = operation["responses"].as_object().expect("responses");
            let statuses: Vec<_> = statuses.keys().map(String::as_str).collect();
            let (method, requires, statuses) =
                (method.to_uppercase(), requires.join(", or "), statuses.join(", "));
            writeln!(page, "| `{method} {path}` | {summary} | {requires} | {statuses} |").unwrap();
        }
    }
    expect_generated("http-api.md", "http-api", &page);
}

#[test]
fn first_application_page_shows_the_minimal_example() {
    let program = read("examples/minimal/src/main.rs");
    expect_generated("first-application.md", "program", &format!("```rust,ignore\n{}\n```", program.trim()));
}

#[test]
fn every_audit_event_is_documented() {
    let page = read("docs/audit-events.md");
    for kind in EventKind::ALL {
        assert!(
            page.contains(&format!("`{}`", kind.as_str())),
            "docs/audit-events.md lacks {}",
            kind.as_str()
        );
    }
}

#[test]
fn every_metric_is_documented() {
    let page = read("docs/metrics.md");
    let gatepass = Gatepass::on_sqlite();
    let service = serve(&gatepass, &["--ops-bind", "127.0.0.1:0"]);
    let ops = service.program.address_after("health checks and metrics on http://");
    let metrics = get("/metrics").send(ops).text();
    let names: Vec<_> = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(names.len() > 10, "{metrics}");
    for line in names {
        let name = line.split(' ').next().unwrap_or_default();
        assert!(page.contains(&format!("`{name}")), "docs/metrics.md lacks {name}");
    }
}
