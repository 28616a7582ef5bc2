//! The results as Markdown, for the terminal and for docs/scaling.md.

use std::fmt;

use crate::{
    rounds::{NUMBERS, REPLICAS, Results},
    support::{Spread, Table, machine},
    usage::{CPU, EXECUTION, LOG_BYTES, POLLS, STATEMENTS, WRITES},
    work::{KINDS, Kind, REQUESTS, USERS},
};

/// The default access token lifetime in seconds. A client refreshes its token once per lifetime.
const TOKEN_TTL: f64 = 900.0;

impl Results {
    /// Returns PostgreSQL's CPU time per request in microseconds, excluding the polls.
    fn request_cpu(&self, kind: Kind) -> Spread {
        self.case(1, kind, |round, usage, _| {
            let poll = round.idle.0[CPU] / round.idle.0[POLLS].max(1.0);
            (usage[CPU] - usage[POLLS] * poll).max(0.0) / REQUESTS
        })
    }

    /// Returns PostgreSQL's CPU time per idle replica, in microseconds per second.
    fn idle_cpu(&self) -> Spread {
        self.spread(|round| round.idle.0[CPU] / round.idle.1 / REPLICAS as f64)
    }

    fn usage(&self) -> Table {
        let mut table = Table::new([
            "PostgreSQL's work per request",
            "statements",
            "commits that write",
            "WAL bytes",
            "execution in µs",
            "CPU in µs",
        ]);
        for kind in KINDS {
            let each = |index: usize| self.case(1, kind, |_, usage, _| usage[index] / REQUESTS);
            table.row([
                kind.name().to_owned(),
                format!("{:.2}", each(STATEMENTS)),
                format!("{:.2}", each(WRITES)),
                format!("{:.0}", each(LOG_BYTES)),
                format!("{:.0}", each(EXECUTION)),
                format!("{:.0}", self.request_cpu(kind)),
            ]);
        }
        table
    }

    fn rates(&self) -> Table {
        let mut table = Table::new([
            "requests/s on this machine",
            "1 replica",
            "2 replicas",
            "4 replicas",
            "PostgreSQL's share of a core",
        ]);
        for kind in KINDS {
            let rate = |number| format!("{:.0}", self.case(number, kind, |_, _, seconds| REQUESTS / seconds));
            let share = self.case(REPLICAS, kind, |_, usage, seconds| usage[CPU] / seconds / 1e4);
            // Cached tokens need no query: PostgreSQL does only background work.
            let share = if kind == Kind::Cached { String::new() } else { format!("{share:.0} %") };
            table.row([kind.name().to_owned()].into_iter().chain(NUMBERS.map(rate)).chain([share]));
        }
        table
    }

    fn computed(&self) -> Table {
        let mut table = Table::new(["computed from these results", "", "calculation"]);
        let mut row =
            |name: &str, value: String, how: &str| table.row([name, &value, how].map(str::to_owned));
        for kind in KINDS.into_iter().filter(|kind| *kind != Kind::Cached) {
            let rate = format!("{:.0}/s", 1e6 / self.request_cpu(kind).median);
            row(kind.name(), rate, "one core ÷ CPU per request");
        }
        let [refresh, first_seen] =
            [Kind::Refresh, Kind::FirstSeen].map(|kind| self.request_cpu(kind).median);
        row(
            &format!("concurrently active users, with {REPLICAS} replicas"),
            format!("{:.0}", TOKEN_TTL * 1e6 / (refresh + REPLICAS as f64 * first_seen)),
            &format!(
                "one core ÷ (one refresh and {REPLICAS} tokens seen for the first time per user in {TOKEN_TTL} s)"
            ),
        );
        let idle = format!("{:.0}", 1e6 / self.idle_cpu().median);
        row("idle replicas", idle, "one core ÷ CPU per idle replica, including background work");
        table
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.usage())?;
        let polls = self.spread(|round| round.idle.0[POLLS] / round.idle.1 / REPLICAS as f64);
        writeln!(
            f,
            "An idle replica polls the change feed {polls:.1} times a second. Including PostgreSQL's background work, this \
             takes {:.0} µs of CPU per second.\n",
            self.idle_cpu()
        )?;
        writeln!(f, "{}", self.rates())?;
        writeln!(f, "{}", self.computed())?;
        writeln!(
            f,
            "Medians of {} rounds of {REQUESTS} requests of each kind from {USERS} clients. Ranges are in parentheses. \
             The first table is for one replica and includes the audit trail.\n",
            self.rounds.len()
        )?;
        writeln!(
            f,
            "- Machine: {}. Clients, replicas and PostgreSQL share its cores.",
            machine::description()
        )?;
        let Self { postgres, file_system, .. } = self;
        writeln!(
            f,
            "- PostgreSQL {postgres} with its default configuration, including fsync, on {file_system}."
        )?;
        writeln!(f, "- Command: `cargo bench --bench scaling -- --write`")
    }
}
