//! The figures as Markdown: for the terminal, and for docs/BENCHMARKS.md between its two markers.

use std::fmt;

use crate::{
    rounds::{HASHING, QUIET, ROUNDS, Rounds, STORM},
    sign_ins::CLIENTS,
    support::{latency, table::Table},
};

impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let met = |met: bool| if met { "yes" } else { "**NO**" }.to_owned();
        let slower = self.spread(|round| round.p99_stormy() / round.p99_quiet());
        let of_bare = self.spread(|round| round.sign_in_rate() / round.bare_rate());
        let by_cpu = self.spread(|round| round.cpu_of_hash() / round.cpu_of_sign_in());
        let mut goals = Table::new(["goal", "figure", "met"]);
        goals.row([
            "p99 of GET /users/me in the storm: under 5 times its quiet value".into(),
            format!("{slower:.2}"),
            met(slower.median < 5.0),
        ]);
        goals.row([
            "sign-ins/s: at least 0.95 of what the cores can hash".into(),
            format!("{of_bare:.3}; by CPU {by_cpu:.3}"),
            met(of_bare.median >= 0.95),
        ]);
        writeln!(f, "{goals}")?;

        let mut figures = Table::new(["", "quiet", "in the storm"]);
        for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            let milliseconds = |latencies: &[_]| latency::within(latencies, share) * 1e3;
            let (quiet, stormy) = (
                self.spread(|round| milliseconds(&round.quiet)),
                self.spread(|round| milliseconds(&round.stormy)),
            );
            figures.row([
                format!("GET /users/me: {name} in ms"),
                format!("{quiet:.2}"),
                format!("{stormy:.2}"),
            ]);
        }
        let rate = self.spread(|round| round.sign_in_rate());
        figures.row(["sign-ins/s".into(), String::new(), format!("{rate:.1}")]);
        let bare = self.spread(|round| round.bare_rate());
        figures.row(["hashes/s of the cores alone".into(), format!("{bare:.1}"), String::new()]);
        let cpu = self.spread(|round| round.cpu_of_sign_in());
        let bare = self.spread(|round| round.cpu_of_hash());
        figures.row([
            "CPU of a sign-in, and of a hash alone, in ms".into(),
            format!("{bare:.2}"),
            format!("{cpu:.2}"),
        ]);
        let busy = self.spread(|round| f64::from(round.answers.busy));
        figures.row(["answered 503".into(), String::new(), format!("{busy:.0}")]);
        let share = |time: std::time::Duration, round: &crate::rounds::Round| {
            time.as_secs_f64() / round.wall.as_secs_f64() / self.cores as f64 * 100.0
        };
        let service = self.spread(|round| share(round.cpu, round));
        figures.row(["the service's share of the cores in %".into(), String::new(), format!("{service:.0}")]);
        let client = self.spread(|round| share(round.client_cpu, round));
        figures.row(["the load generator's in %".into(), String::new(), format!("{client:.1}")]);
        writeln!(f, "{figures}")?;

        writeln!(
            f,
            "Medians of {ROUNDS} rounds of {} s of hashing alone, {} s of quiet and {} s of storm by {CLIENTS} clients; in \
             parentheses the least and the most. A ratio is taken within a round.",
            2.0 * HASHING.as_secs_f64(),
            QUIET.as_secs_f64(),
            STORM.as_secs_f64(),
        )?;
        writeln!(f)?;
        writeln!(f, "- Machine: {}.", self.machine)?;
        writeln!(f, "- Command: `cargo bench --bench storm -- --write`")
    }
}
