//! The results as Markdown, for the terminal and for docs/benchmarks.md.

use std::fmt;

use crate::{
    rounds::{CLIENTS, HASHING, LOAD, QUIET, Results, Round},
    support::{Table, machine, percentile},
};

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let p99 = self.spread(|round| percentile(&round.loaded, 0.99) / percentile(&round.quiet, 0.99));
        let rate = self.spread(|round| round.sign_in_rate() / round.hash_rate());
        let cpu = self.spread(|round| round.hash_cpu() / round.sign_in_cpu());
        let mut goals = Table::of_goals();
        let goal = "p99 of GET /users/me: under load ÷ without load";
        goals.at_most(goal, 5.0, p99.median, format!("{p99:.2}"));
        let result = format!("{rate:.3}; by CPU {cpu:.3}");
        goals.at_least("sign-ins/s ÷ bare hashes/s", 0.95, rate.median, result);
        writeln!(f, "{goals}")?;

        let mut table = Table::new(["", "without load", "under load"]);
        let cell = |value: &dyn Fn(&Round) -> f64| format!("{:.2}", self.spread(value));
        let mut row = |name: &str, quiet: String, loaded: String| table.row([name.to_owned(), quiet, loaded]);
        for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)] {
            let quiet = cell(&|round| percentile(&round.quiet, share));
            let loaded = cell(&|round| percentile(&round.loaded, share));
            row(&format!("GET /users/me: {name} in ms"), quiet, loaded);
        }
        row("bare hashes/s, sign-ins/s", cell(&Round::hash_rate), cell(&Round::sign_in_rate));
        row("CPU per bare hash, per sign-in, in ms", cell(&Round::hash_cpu), cell(&Round::sign_in_cpu));
        row("503 responses", String::new(), cell(&|round| round.sign_ins.statuses[2]));
        let share = |cpu: f64, round: &Round| cpu / round.sign_ins.seconds / machine::cores() as f64 * 100.0;
        let service = cell(&|round| share(round.service_cpu, round));
        row("the service's share of the cores in %", String::new(), service);
        let clients = cell(&|round| share(round.clients_cpu, round));
        row("the load generator's share in %", String::new(), clients);
        writeln!(f, "{table}")?;

        writeln!(
            f,
            "Medians of {} rounds, each with {} s of bare hashing, {} s without load and {LOAD} s under load from \
             {CLIENTS} clients. Ranges are in parentheses. Ratios are calculated within a round.\n",
            self.0.len(),
            2 * HASHING.as_secs(),
            QUIET.as_secs(),
        )?;
        writeln!(f, "- Machine: {}.", machine::description())?;
        writeln!(f, "- Command: `cargo bench --bench login_load -- --write`")
    }
}
