//! The figures as Markdown: for the terminal, and for docs/SCALING.md between its two markers.

use std::{fmt, time::Duration};

use crate::{
    replicas::{REPLICAS, USERS},
    rounds::{COUNTS, ROUNDS, Rounds},
    support::{spread::Spread, table::Table},
    work::{KINDS, Kind, REQUESTS},
};

/// How long an access token lasts by default, and so how often a client refreshes, in seconds.
const TOKEN: f64 = 900.0;

impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut asked = Table::new([
            "each request asks of PostgreSQL",
            "statements",
            "commits that write",
            "bytes of its log",
            "execution in µs",
            "CPU in µs",
        ]);
        for kind in KINDS {
            let each = |figure: fn(&crate::ledger::Ledger) -> f64| {
                self.spread(|round| figure(&round.case(kind, 1).ledger) / REQUESTS)
            };
            asked.row([
                kind.name().to_owned(),
                format!("{:.2}", each(|ledger| ledger.statements)),
                format!("{:.2}", each(|ledger| ledger.writes)),
                format!("{:.0}", each(|ledger| ledger.log_bytes)),
                format!("{:.0}", each(|ledger| ledger.execution * 1e3)),
                format!("{:.0}", self.cpu_of(kind)),
            ]);
        }
        writeln!(f, "{asked}")?;

        let polls = self.spread(|round| round.idle.0.polls / round.idle.1.as_secs_f64() / REPLICAS as f64);
        let cpu = self.cpu_of_a_poll();
        writeln!(
            f,
            "An idle replica polls the table of changes {polls:.1} times a second. With what PostgreSQL does by itself that costs {cpu:.0} µs of CPU in a second.\n"
        )?;

        let mut done = Table::new([
            "requests/s on this machine",
            "1 replica",
            "2 replicas",
            "4 replicas",
            "PostgreSQL's share of a core",
        ]);
        for kind in KINDS {
            let rate = |replicas: usize| {
                format!(
                    "{:.0}",
                    self.spread(|round| REQUESTS / round.case(kind, replicas).took.as_secs_f64())
                )
            };
            let share = self.spread(|round| {
                let case = round.case(kind, REPLICAS);
                share(case.ledger.cpu, case.took)
            });
            // Where it is asked nothing, there is only what it does by itself.
            let share = if kind == Kind::Remembered { String::new() } else { format!("{share:.0} %") };
            let [one, two, four] = COUNTS.map(rate);
            done.row([kind.name().to_owned(), one, two, four, share]);
        }
        writeln!(f, "{done}")?;

        let mut computed = Table::new(["computed of that", "", "how"]);
        for kind in KINDS.into_iter().filter(|kind| *kind != Kind::Remembered) {
            computed.row([
                kind.name().to_owned(),
                format!("{:.0}/s", 1e6 / self.cpu_of(kind).median),
                "a second of one core of PostgreSQL ÷ CPU of one".to_owned(),
            ]);
        }
        let user = self.cpu_of(Kind::Refresh).median + REPLICAS as f64 * self.cpu_of(Kind::FirstSeen).median;
        computed.row([
            format!("users who are active at once, at {REPLICAS} replicas"),
            format!("{:.0}", TOKEN * 1e6 / user),
            format!("a core ÷ (a refresh and {REPLICAS} first looks a user in {TOKEN} s)"),
        ]);
        computed.row([
            "idle replicas".to_owned(),
            format!("{:.0}", 1e6 / cpu.median),
            "a core ÷ their polls, and what PostgreSQL does by itself".to_owned(),
        ]);
        writeln!(f, "{computed}")?;

        writeln!(
            f,
            "Medians of {ROUNDS} rounds of {REQUESTS} requests of each kind by {USERS} clients; in parentheses the least and the \
             most. The first table is of one replica; the audit trail is in it.\n"
        )?;
        writeln!(f, "- Machine: {}. Clients, replicas and PostgreSQL share its cores.", self.machine)?;
        writeln!(
            f,
            "- PostgreSQL {} as it is configured by default, with fsync, on {}.",
            self.postgres, self.disk
        )?;
        writeln!(f, "- Command: `cargo bench --bench scaling -- --write`")
    }
}

impl Rounds {
    /// Microseconds of PostgreSQL's CPU for one request, without the polls that went on meanwhile.
    fn cpu_of(&self, kind: Kind) -> Spread {
        self.spread(|round| {
            let ledger = round.case(kind, 1).ledger;
            let poll = round.idle.0.cpu.as_secs_f64() / round.idle.0.polls.max(1.0);
            (ledger.cpu.as_secs_f64() - ledger.polls * poll).max(0.0) * 1e6 / REQUESTS
        })
    }

    /// Microseconds of PostgreSQL's CPU in a second for one replica that does nothing.
    fn cpu_of_a_poll(&self) -> Spread {
        self.spread(|round| {
            let (ledger, took) = round.idle;
            ledger.cpu.as_secs_f64() * 1e6 / took.as_secs_f64() / REPLICAS as f64
        })
    }
}

/// How much of one core, in percent.
fn share(cpu: Duration, took: Duration) -> f64 {
    cpu.as_secs_f64() / took.as_secs_f64() * 100.0
}
