//! `gatepass config`: prints the effective settings.

use clap::Args;

use crate::app::{commands::output::Output, failure::Failure, settings::Settings, sources::Setting};

/// The arguments of `gatepass config`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigArguments {
    /// Print each setting as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    _settings: Settings,
    /// The effective settings, which `cli` adds.
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
        if *json {
            output.json(setting)?;
        } else {
            let Setting { name, source, .. } = setting;
            output.line(format!("{name:names$}  {:values$}  {source}", shown(setting)))?;
        }
    }
    output.finish()
}
