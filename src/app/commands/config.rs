//! `gatepass config`: prints the settings in force.

use clap::Args;
use serde_json::json;

use crate::app::{
    commands::output::Output,
    failure::Failure,
    settings::Settings,
    sources::{Setting, Source},
};

/// The arguments of `gatepass config`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArguments {
    /// Print each setting as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    _settings: Settings,
    /// The settings in force, which `cli` adds.
    #[arg(skip)]
    pub(crate) in_force: Vec<Setting>,
}

/// Prints the name, the value and the source of each setting.
pub(crate) fn run(ConfigArguments { json, in_force, .. }: &ConfigArguments) -> Result<(), Failure> {
    let mut output = Output::new();
    let shown = |Setting { value, default, .. }: &Setting| match (value, default) {
        (Some(value), _) => value.clone(),
        (None, Some(default)) => format!("({default})"),
        (None, None) => "(none)".to_owned(),
    };
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
    let names = widest(&mut in_force.iter().map(|setting| setting.name.len()));
    let values = widest(&mut in_force.iter().map(|setting| shown(setting).chars().count())).min(60);
    for setting in in_force {
        let Setting { name, value, default, source } = setting;
        if *json {
            let mut line = json!({ "setting": name, "value": value, "default": default });
            let (kind, details) = match source {
                Source::Flag(_) => ("flag", json!({})),
                Source::Variable(variable) => ("environment", json!({ "variable": variable })),
                Source::SecretFile { variable, path } => {
                    ("file", json!({ "variable": variable, "file": path }))
                }
                Source::ConfigFile { path, line } => ("file", json!({ "file": path, "line": line })),
                Source::Default => ("default", json!({})),
            };
            line["source"] = kind.into();
            if let (Some(line), Some(details)) = (line.as_object_mut(), details.as_object()) {
                line.extend(details.clone());
            }
            output.json(&line)?;
        } else {
            output.line(format!("{name:names$}  {:values$}  {source}", shown(setting)))?;
        }
    }
    output.finish()
}
