//! The figures as Markdown: for the terminal, and for docs/BENCHMARKS.md between its two markers.

use std::fmt;

use crate::{
    curve::{self, TURNS},
    first_seen::FirstSeen,
    goal, goals,
    instructions::Instructions,
    measured::Measured,
    support::{load::CONNECTIONS, machine, table::Table},
    versions,
};

pub struct Report<'a>(pub &'a Measured);

impl Report<'_> {
    fn cases(&self) -> Table {
        let mut table = Table::new([
            "one worker each",
            "requests/s",
            "of the bare handler's",
            "CPU per request",
            "p50",
            "p99",
            "of its core used",
        ]);
        let cases = &self.0.cases;
        for case in cases.all() {
            // The bare handlers are never left out.
            let bare = cases.get(case.name.bare()).unwrap_or(case);
            table.row([
                case.name.words().into(),
                format!("{:.0}", case.rate().median),
                format!("{:.3}", case.rate_over(bare)),
                format!("{:.2} µs ({:.2})", case.cpu_per_request(), 1.0 / case.thrift_over(bare)),
                format!("{:.2} ms", case.latency(0.5)),
                format!("{:.2} ms", case.latency(0.99)),
                format!("{:.0} %", case.busy() * 100.0),
            ]);
        }
        table
    }

    fn first_seen(&self) -> Table {
        let mut table =
            Table::new(["a token, µs", "seen for the first time", "bare", "by CPU", "bare, by CPU"]);
        let Measured { first_seen_sqlite, first_seen_postgres, .. } = self.0;
        let mut row = |name: &str, first_seen: &FirstSeen| {
            table.row([
                name.into(),
                format!("{:.0}", first_seen.service(|cost| cost.wall)),
                format!("{:.0}", first_seen.bare(|cost| cost.wall)),
                format!("{:.0}", first_seen.service(|cost| cost.cpu)),
                format!("{:.0}", first_seen.bare(|cost| cost.cpu)),
            ]);
        };
        row("SQLite", first_seen_sqlite);
        if let Some(first_seen) = first_seen_postgres {
            row("PostgreSQL", first_seen);
        }
        table
    }
}

fn instructions(counts: &Instructions) -> Table {
    let Instructions { bare_tutorial, tutorial, bare_secure, secure } = counts;
    let mut table = Table::new(["instructions per request", "bare handler", "GET /users/me", "ratio"]);
    for (name, bare, gatepass) in [("tutorial", bare_tutorial, tutorial), ("secure", bare_secure, secure)] {
        let ratio = format!("{:.2}", gatepass / bare);
        table.row([name.into(), format!("{bare:.0}"), format!("{gatepass:.0}"), ratio]);
    }
    table
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measured { pace, machine, cores, memory, cases, instructions: counts, postgres_version, .. } =
            self.0;
        writeln!(f, "{}", goal::table(goals::of(self.0)))?;
        writeln!(f, "{}", self.cases())?;
        writeln!(f, "{}", self.first_seen())?;
        match counts {
            Some(counts) => writeln!(f, "{}", instructions(counts))?,
            None => writeln!(f, "Instructions were not counted: there is no valgrind on this machine.\n")?,
        }
        writeln!(
            f,
            "Medians of {} rounds of {} s for each case, with {CONNECTIONS} connections, and of {} starts; in parentheses \
             the least and the most, and after the CPU time its multiple of the bare handler's. {} different tokens \
             of as many users come in turn, {} living ones were used for the memory.",
            pace.rounds,
            pace.round.as_secs_f64(),
            pace.starts,
            pace.tokens,
            memory.tokens,
        )?;
        writeln!(f)?;
        writeln!(f, "![Requests per second against the number of connections]({})\n", curve::THROUGHPUT)?;
        writeln!(f, "![Latency against the load]({})\n", curve::LATENCY)?;
        writeln!(
            f,
            "Each point is the median of {TURNS} turns of {} s; every server has one worker.\n",
            pace.point.as_secs_f64()
        )?;
        writeln!(f, "- Machine: {machine}. {}", cores.sentence())?;
        writeln!(f, "- Versions: {}.", versions::sentence())?;
        for what in &cases.left_out {
            writeln!(f, "- {what} was left out: it is not on this machine.")?;
        }
        if let Some(version) = postgres_version {
            writeln!(f, "- PostgreSQL {version}.")?;
        }
        if cases.get(crate::case::Name::Chapter).is_some() {
            writeln!(f, "- FastAPI's side: {}.", machine::python_sentence())?;
        }
        writeln!(f, "- Command: `cargo bench --bench figures -- --write`")
    }
}
