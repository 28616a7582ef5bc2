//! `gatepass audit`: shows the audit trail.

use anstyle::Style;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::{
    adapters::sql::{AuditEntry, AuditFilter, SqlAudit},
    app::{
        audit::as_json,
        commands::{
            Missing,
            output::{FAILED, List, PLAIN, csv_line, escape_formula, escaped},
            with_database,
        },
        failure::Failure,
        settings::DatabaseLocation,
    },
    domain::{event::EventKind, time::Timestamp},
};

/// The number of entries per database query.
const PAGE_SIZE: u32 = 1000;

/// The arguments of `gatepass audit`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AuditArguments {
    #[command(flatten)]
    database: DatabaseLocation,
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum AuditCommand {
    /// List entries, newest first
    List(ListAudit),
}

#[derive(Clone, Debug, Args)]
struct ListAudit {
    /// List only entries since a time, such as 2026-05-04 or 2026-05-04T12:00:00Z, or no older than a duration, such as
    /// 30m, 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// List only entries with this username, case-insensitive
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// List only entries for this event, such as sign_in_failed
    #[arg(long, value_name = "EVENT", value_parser = kind)]
    event: Option<EventKind>,
    /// Maximum number of entries to list
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
    /// Print each entry as a line of JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print comma-separated values with a header; cells that spreadsheets would treat as formulas start with a single
    /// quote
    #[arg(long)]
    csv: bool,
}

fn since(text: &str) -> Result<Timestamp, &'static str> {
    parse_since(text, Timestamp::now())
        .ok_or("expected a date, a time such as 2026-05-04T12:00:00Z, or a duration such as 30m, 12h or 7d")
}

fn parse_since(text: &str, now: Timestamp) -> Option<Timestamp> {
    let parsed = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse::<jiff::Timestamp>());
    if let Ok(time) = parsed {
        return Some(Timestamp::from_unix(time.as_second().try_into().ok()?));
    }
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    Some(Timestamp::from_unix(now.as_unix().saturating_sub(number.checked_mul(unit)?)))
}

fn kind(text: &str) -> Result<EventKind, String> {
    let known = || EventKind::ALL.iter().copied();
    known().find(|kind| kind.as_str() == text).ok_or_else(|| {
        let names: Vec<_> = known().map(EventKind::as_str).collect();
        format!("expected one of {}", names.join(", "))
    })
}

pub(crate) fn run(AuditArguments { database, command }: AuditArguments) -> Result<(), Failure> {
    let AuditCommand::List(arguments) = command;
    with_database(&database, Missing::Fail, async |database| {
        list(&SqlAudit::new(database.clone()), arguments).await
    })
}

async fn list(audit: &SqlAudit, arguments: ListAudit) -> Result<(), Failure> {
    let ListAudit { since, user, event, limit, json, csv } = arguments;
    let filter = AuditFilter { since, user, kind: event };
    let mut list = List::new(json || csv, ["TIME", "EVENT", "USER", "ADDRESS", "DETAILS"]);
    if csv {
        let any = as_json(&AuditEntry::new(EventKind::SignedIn, Timestamp::default()));
        list.output.line(csv_line(any.as_object().into_iter().flatten().map(|(name, _)| name)))?;
    }
    let (mut remaining, mut after) = (limit, None);
    while remaining > 0 {
        let page = audit.list(&filter, after, remaining.min(PAGE_SIZE)).await?;
        for entry in &page.entries {
            if csv {
                let entry = as_json(entry);
                let cells = entry.as_object().into_iter().flatten().map(|(_, value)| cell(value));
                list.output.line(csv_line(cells))?;
            } else {
                list.item(|| as_json(entry), || (style(entry), columns(entry)))?;
            }
        }
        remaining -= page.entries.len() as u32;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    list.finish()
}

fn style(entry: &AuditEntry) -> Style {
    let is_failure = EventKind::ALL.iter().any(|kind| kind.is_failure() && kind.as_str() == entry.event);
    if is_failure { FAILED } else { PLAIN }
}

/// Returns the content of a CSV cell.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escape_formula(text).into_owned(),
        value => value.to_string(),
    }
}

fn columns(entry: &AuditEntry) -> [String; 5] {
    let named =
        |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {}", escaped(value)));
    let details = [
        (entry.count > 1).then(|| format!("{} times", entry.count)),
        entry.actor.as_deref().map(|actor| format!("by {}", escaped(actor))),
        entry.detail.as_deref().map(escaped),
        named("client", &entry.client_id),
        named("session", &entry.session_id),
        named("with", &entry.user_agent),
    ];
    let details = details.into_iter().flatten().collect::<Vec<_>>().join("; ");
    let user = entry.username.as_deref().or(entry.user_id.as_deref()).unwrap_or("-");
    let address = entry.address.as_deref().unwrap_or("-");
    [entry.time.to_string(), entry.event.to_string(), escaped(user), address.to_owned(), details]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_accepts_dates_times_and_durations() {
        let now = Timestamp::from_unix(1_000_000);
        for (text, expected) in [
            ("1970-01-02", 86_400),
            ("1970-01-01T00:01:00Z", 60),
            ("1970-01-01T01:00:00+01:00", 0),
            ("90s", 999_910),
            ("7d", 395_200),
            ("12d", 0),
        ] {
            assert_eq!(parse_since(text, now), Some(Timestamp::from_unix(expected)), "{text}");
        }
        for wrong in ["", "d", "yesterday", "7", "-7d", "7w", "99999999999999999999d", "ä", "1969-01-01"] {
            assert_eq!(parse_since(wrong, now), None, "{wrong}");
        }
    }
}
