//! The command line: commands, their options, and the errors for invalid arguments.

use std::{collections::BTreeSet, env, ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{
    Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand,
    builder::BoolishValueParser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::app::{
    commands::{
        audit::AuditArguments,
        check::CheckArguments,
        clients::ClientsArguments,
        config::ConfigArguments,
        generated::{CompletionsArguments, ManArguments},
        keys::KeysArguments,
        sessions::SessionsArguments,
        throttle::ThrottleArguments,
        users::UsersArguments,
    },
    settings::{ApiSettings, ListenSettings, ProfileSettings, Settings},
    sources::{self, FileValue, variable_name},
};

const COMMANDS_HELP: &str = "\
Without a command, gatepass runs the service: `gatepass --bind ADDRESS:PORT` means
`gatepass serve --bind ADDRESS:PORT`. `gatepass COMMAND --help` explains the options of a command.
Every option of the service can also be set by an environment variable, such as GATEPASS_BIND for
--bind, or in the --config file, such as bind = 'ADDRESS:PORT'. The command line takes precedence
over variables, and variables over the file. RUST_LOG sets the log level, such as warn or debug
[default: info].";

const MORE_OPTIONS: &str = "\
--help shows all options. Each can also be set by an environment variable, such as GATEPASS_BIND for --bind.";

/// The settings that most users need. `-h` shows only these; `--help` shows all settings.
const COMMON_OPTIONS: [&str; 7] =
    ["profile", "bind", "expose-tutorial", "tls-cert", "database-url", "keys-dir", "issuer"];

/// Password sign-in service with OAuth2 tokens and interactive API documentation
#[derive(Debug, Parser)]
#[command(name = "gatepass", version, after_help = COMMANDS_HELP)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// TOML configuration file, with the names of these options as keys
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        hide_short_help = true,
        help_heading = "Configuration options"
    )]
    config: Option<PathBuf>,
}

/// A command and its options.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service
    #[command(after_help = MORE_OPTIONS, after_long_help = "")]
    Serve(Box<Settings>),
    /// Manage users
    Users(UsersArguments),
    /// Manage clients: programs that request tokens
    Clients(ClientsArguments),
    /// List or end user sessions
    Sessions(SessionsArguments),
    /// Show or change the keys that sign tokens
    Keys(KeysArguments),
    /// Reset login throttling
    Throttle(ThrottleArguments),
    /// Show the audit trail
    Audit(AuditArguments),
    /// Check settings, database and keys; exits with 1 if something is wrong
    #[command(after_help = MORE_OPTIONS, after_long_help = "")]
    Check(Box<CheckArguments>),
    /// Print the settings of the service and the source of each value
    #[command(after_help = MORE_OPTIONS, after_long_help = "")]
    Config(Box<ConfigArguments>),
    /// Print the OpenAPI document
    Openapi(OpenapiArguments),
    /// Check that the service at --bind responds; exits with 1 if it does not
    Healthcheck(ListenSettings),
    /// Print a shell completion script
    Completions(CompletionsArguments),
    /// Print the man page of a command
    Man(ManArguments),
}

/// The options of `gatepass openapi`.
#[derive(Clone, Debug, Args)]
pub(crate) struct OpenapiArguments {
    #[command(flatten)]
    pub(crate) profile: ProfileSettings,
    #[command(flatten)]
    pub(crate) api: ApiSettings,
}

/// Parses the arguments and the environment of this process.
///
/// # Errors
/// Returns the exit code after printing help or a one-line error.
pub(crate) fn parse() -> Result<Command, ExitCode> {
    let mut arguments = with_command(env::args_os().skip(1).collect());
    let mut files = Vec::new();
    let parsed = parse_with_files(&mut arguments, &mut files);
    parsed.map_err(|error| report(&error, &arguments, &files))
}

/// Parses the arguments, reads the files that arguments and variables name, and adds the values in these files to the
/// arguments.
fn parse_with_files(
    arguments: &mut Vec<OsString>,
    files: &mut Vec<FileValue>,
) -> Result<Command, clap::Error> {
    let matches = match matches(arguments) {
        Err(error) if is_output(&error) => return Err(error),
        result => check_variables(&command()).and(result)?,
    };
    let mut root = command();
    // Adds the global options to the subcommands.
    root.build();
    let (mut selected, mut own_matches) = (&root, &matches);
    while let Some((name, below)) = own_matches.subcommand()
        && let Some(command) = selected.find_subcommand(name)
    {
        (selected, own_matches) = (command, below);
    }
    *files = sources::read_files(selected, own_matches, service(&root))?;
    let end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    let added = files.iter().map(|file| format!("--{}={}", file.name, *file.value).into());
    arguments.splice(end..end, added);
    let mut command = parse_from(arguments)?;
    let password_files = files.iter().filter_map(FileValue::password_file).collect();
    match &mut command {
        Command::Config(config) => config.in_force = sources::in_force(selected, own_matches, files),
        Command::Serve(settings) => settings.password_files = password_files,
        Command::Check(check) => check.settings.password_files = password_files,
        _ => {}
    }
    Ok(command)
}

/// Returns the command `serve`, which has all settings.
fn service(root: &clap::Command) -> &clap::Command {
    root.find_subcommand("serve").unwrap_or(root)
}

/// Returns a warning for each variable that begins with `GATEPASS_` but is not a setting.
pub(crate) fn unknown_variables() -> Vec<String> {
    let mut root = command();
    root.build();
    let settings = || sources::settings(service(&root));
    let files = settings().filter_map(|(_, arg)| sources::file_variable(arg));
    let known: BTreeSet<_> = settings().map(|(name, _)| variable_name(name)).chain(files).collect();
    // Kubernetes sets these variables in every container of a namespace that has a service named `gatepass`.
    let is_of_kubernetes = |name: &str| {
        name.starts_with("GATEPASS_SERVICE_") || name == "GATEPASS_PORT" || name.starts_with("GATEPASS_PORT_")
    };
    let names = env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let unknown = names.filter(|name| name.starts_with("GATEPASS_") && !known.contains(name));
    let unknown: BTreeSet<_> = unknown.filter(|name| !is_of_kubernetes(name)).collect();
    let warning = |name: String| {
        let hint = sources::suggestion(&name, known.iter().cloned());
        let hint = hint.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
        format!("ignoring the unknown environment variable {name}{hint}")
    };
    unknown.into_iter().map(warning).collect()
}

impl Settings {
    /// Returns the settings of a service that is started with these arguments.
    ///
    /// # Errors
    /// If an argument is invalid.
    pub fn from_arguments<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Self, clap::Error> {
        let arguments = with_command(arguments.into_iter().map(OsString::from).collect());
        match parse_from(&arguments)? {
            Command::Serve(settings) => Ok(*settings),
            _ => Err(clap::Error::raw(
                ErrorKind::InvalidSubcommand,
                "expected options of `gatepass serve`, found another command",
            )),
        }
    }
}

/// Inserts `serve` unless the arguments begin with a command, `--help` or `--version`.
fn with_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let first = arguments.first().map(|argument| argument.to_string_lossy());
    let has_command = first.is_some_and(|first| {
        !first.starts_with('-') || ["-h", "--help", "-V", "--version"].contains(&&*first)
    });
    if !has_command {
        arguments.insert(0, "serve".into());
    }
    arguments
}

fn matches(arguments: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let name = OsString::from("gatepass");
    command().try_get_matches_from([&name].into_iter().chain(arguments))
}

fn parse_from(arguments: &[OsString]) -> Result<Command, clap::Error> {
    Ok(CommandLine::from_arg_matches(&matches(arguments)?)?.command)
}

/// Returns the command line with all commands and options, for the documentation.
pub fn command_line() -> clap::Command {
    let mut command = command();
    command.build();
    command
}

/// Returns the definition of the command line.
pub(crate) fn command() -> clap::Command {
    configure(CommandLine::command())
}

/// Applies the rules that all commands share. An option under a help heading is a setting.
fn configure(command: clap::Command) -> clap::Command {
    let has_commands = command.has_subcommands();
    // If required arguments are missing, a command prints a one-line error instead of its help.
    command.arg_required_else_help(false).mut_subcommands(configure).mut_args(|arg| {
        let (Some(name), Some(_)) = (arg.get_long().map(str::to_owned), arg.get_help_heading()) else {
            return arg;
        };
        let is_flag = matches!(arg.get_action(), ArgAction::SetTrue);
        let arg = if is_flag { optional_boolean(arg) } else { arg };
        let variable = variable_name(&name);
        // An empty variable is ignored: Docker Compose replaces `${VAR:-}` with an empty value if VAR is not set.
        let arg = if env::var_os(&variable).is_some_and(|value| value.is_empty()) {
            arg
        } else {
            arg.env(variable)
        };
        let is_hidden = arg.is_hide_short_help_set() || !COMMON_OPTIONS.contains(&name.as_str());
        arg.global(has_commands).hide_short_help(is_hidden)
    })
}

/// Checks that no option's variable has quotes or white space around its value. Env files with quotes or CRLF line
/// endings cause such values.
fn check_variables(command: &clap::Command) -> Result<(), clap::Error> {
    let option_variables = command.get_arguments().filter_map(|arg| arg.get_env().map(OsString::from));
    let files = command.get_arguments().filter_map(sources::file_variable).map(OsString::from);
    for variable in option_variables.chain(files) {
        let value = env::var_os(&variable).unwrap_or_default();
        let text = value.to_string_lossy();
        let is_quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
        if text.trim() != text || is_quoted('"') || is_quoted('\'') {
            let variable = variable.to_string_lossy();
            let message = format!("{variable} has quotes or white space around its value; remove them");
            return Err(clap::Error::raw(ErrorKind::InvalidValue, message));
        }
    }
    command.get_subcommands().try_for_each(check_variables)
}

/// Returns a flag that also accepts `=true` and `=false`, since an environment variable needs a value.
fn optional_boolean(arg: Arg) -> Arg {
    arg.action(ArgAction::Set)
        .value_name("true|false")
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .hide_default_value(true)
        .hide_possible_values(true)
        .value_parser(BoolishValueParser::new())
}

/// Prints help in clap's format, or a one-line error.
fn report(error: &clap::Error, arguments: &[OsString], files: &[FileValue]) -> ExitCode {
    if is_output(error) {
        return if error.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    eprintln!("gatepass: {}", explain(error, arguments, files));
    ExitCode::from(2)
}

/// Returns whether the "error" is a request for help or the version.
fn is_output(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

fn explain(error: &clap::Error, arguments: &[OsString], files: &[FileValue]) -> String {
    let message = error.to_string();
    // clap's message consists of paragraphs: the error, tips and the usage.
    let paragraphs = message.split("\n\n").take_while(|text| !text.starts_with("Usage: "));
    let paragraphs = paragraphs.filter(|text| !text.starts_with("For more information"));
    let lines = paragraphs.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let text = lines.collect::<Vec<_>>().join("; ").replace("; tip: ", "; ");
    let mut command = &command();
    let known = arguments.iter().map_while(|name| {
        command = command.find_subcommand(name)?;
        Some(format!(" {}", command.get_name()))
    });
    let path: String = known.collect();
    format!("{}{}; see gatepass{path} --help", text.trim_start_matches("error: "), source(error, files))
}

/// Describes the environment variable or the file that an invalid value came from: clap names only the option.
fn source(error: &clap::Error, files: &[FileValue]) -> String {
    let (Some(ContextValue::String(option)), Some(ContextValue::String(value))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return String::new();
    };
    let option = option.split([' ', '=', '[']).next().unwrap_or_default();
    let name = option.trim_start_matches('-');
    if let Some(file) = files.iter().find(|file| file.name == name) {
        return format!(" (from {})", file.source);
    }
    let variable = variable_name(name);
    let is_argument = env::args_os().skip(1).any(|argument| {
        let argument = argument.to_string_lossy();
        argument.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    });
    match env::var(&variable) {
        Ok(set) if set == *value && !is_argument => format!(" (from {variable})"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_passes_clap_debug_assertions() {
        command().debug_assert();
    }

    fn with_subcommands(command: &clap::Command) -> Vec<clap::Command> {
        let subcommands = command.get_subcommands().flat_map(with_subcommands);
        [command.clone()].into_iter().chain(subcommands).collect()
    }

    #[test]
    fn short_help_of_every_command_has_at_most_40_lines() {
        let mut command = command().term_width(80);
        command.build();
        for mut command in with_subcommands(&command) {
            let help = command.render_help().to_string();
            assert!(help.lines().count() <= 40, "expected at most 40 lines, found:\n{help}");
        }
    }

    #[test]
    fn every_setting_is_an_option_of_serve_with_a_known_type() {
        let mut command = command();
        command.build();
        let settings = |command: &clap::Command| -> Vec<String> {
            let args = command.get_arguments().filter(|arg| arg.get_env().is_some());
            args.map(|arg| arg.get_long().unwrap().to_owned()).collect()
        };
        let all = settings(command.find_subcommand("serve").unwrap());
        assert!(all.len() > 40, "expected more than 40 settings, found {all:?}");
        for (name, arg) in sources::settings(service(&command)) {
            assert!(sources::has_known_type(arg), "unknown value name for --{name}: add it to `sources`");
        }
        for command in with_subcommands(&command) {
            for name in settings(&command) {
                assert!(all.contains(&name), "--{name} of `{}` is missing from `serve`", command.get_name());
            }
        }
    }
}
