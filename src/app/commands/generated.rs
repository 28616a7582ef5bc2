//! Shell completions and man pages, which are generated from the definition of the command line.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use crate::{
    app::{cli, failure::Failure},
    domain::time::Timestamp,
};

/// The environment variable with the build time for reproducible builds, as a Unix timestamp in seconds.
const BUILD_TIME: &str = "SOURCE_DATE_EPOCH";

/// The arguments of `gatepass completions`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// Shell for which to print the script
    shell: Shell,
}

/// The arguments of `gatepass man`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ManArguments {
    /// Command for which to print the page, such as `users add` [default: a summary of all commands]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,

    /// Write the pages of all commands to this directory instead
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
    directory: Option<PathBuf>,
}

/// Prints a completion script.
pub(crate) fn completions(CompletionsArguments { shell }: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut root(), "gatepass", &mut script);
    print(&script)
}

/// Prints the man page of a command, or writes all pages.
pub(crate) fn man(ManArguments { command, directory }: &ManArguments) -> Result<(), Failure> {
    let root = root();
    if let Some(directory) = directory {
        fs::create_dir_all(directory).map_err(|error| unwritable(directory, &error))?;
        return write_pages(&root, directory);
    }
    let mut selected = &root;
    for name in command {
        selected = selected.find_subcommand(name).ok_or_else(|| {
            let known: Vec<_> = selected.get_subcommands().map(Command::get_name).collect();
            let (parent, known) = (selected.get_bin_name().unwrap_or_default(), known.join(", "));
            Failure::usage(match &*known {
                "" => format!("{parent} has no subcommands: remove {name}"),
                known => format!("{parent} has no subcommand {name}: use one of {known}"),
            })
        })?;
    }
    print(&page(&manual(selected), selected)?)
}

/// Returns the command line for completions and man pages: with all options, and without the command `help`.
fn root() -> Command {
    let mut root = show_all_options(cli::command().disable_help_subcommand(true));
    root.build();
    root
}

fn show_all_options(command: Command) -> Command {
    command.mut_args(|arg| arg.hide_short_help(false)).mut_subcommands(show_all_options)
}

/// Returns a page, rendered section by section: clap_mangen itself would list every option in the synopsis, and put the
/// text after the options under the heading EXTRA.
fn page(man: &Man, command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    write!(page, ".SH SYNOPSIS\n{}", text(usage))?;
    man.render_description_section(&mut page)?;
    let more = command.get_after_long_help().or_else(|| command.get_after_help());
    if let Some(more) = more.map(ToString::to_string).filter(|more| !more.is_empty()) {
        write!(page, ".PP\n{}", text(&more))?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    man.render_options_section(&mut page)?;
    let exit_status = "0 for success, 1 for a failure, 2 for an invalid argument or setting.";
    write!(page, ".SH \"EXIT STATUS\"\n{}", text(exit_status))?;
    // mandoc warns about line breaks around empty lines, which clap_mangen writes before possible values.
    Ok(String::from_utf8_lossy(&page).replace("\n.br\n\n.br\n", "\n.sp\n").into_bytes())
}

/// Escapes text for roff.
fn text(text: &str) -> String {
    Roff::new().text([roman(text)]).to_roff()
}

/// Returns the page of a command. Its date is that of [`BUILD_TIME`] if the variable is set, and otherwise today's.
fn manual(command: &Command) -> Man {
    let build_time = env::var(BUILD_TIME).ok().and_then(|seconds| seconds.parse().ok());
    let time = build_time.map_or_else(Timestamp::now, Timestamp::from_unix).to_string();
    let date = time.split('T').next().unwrap_or_default();
    let man = Man::new(command.clone()).date(date).manual("Gatepass Manual");
    man.source(concat!("Gatepass ", env!("CARGO_PKG_VERSION")))
}

fn write_pages(command: &Command, directory: &Path) -> Result<(), Failure> {
    let man = manual(command);
    let file = directory.join(man.get_filename());
    fs::write(&file, page(&man, command)?).map_err(|error| unwritable(&file, &error))?;
    command.get_subcommands().try_for_each(|command| write_pages(command, directory))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", path.display()))
}

fn print(text: &[u8]) -> Result<(), Failure> {
    io::stdout().lock().write_all(text).map_err(Failure::output)
}
