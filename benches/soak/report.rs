//! The figures as Markdown: for the terminal, and for docs/BENCHMARKS.md between its two markers.

use std::{fmt, thread};

use crate::{
    errands::ERRANDS,
    flatness::Flatness,
    run::{REMEMBERED, Run},
    support::table::Table,
    tally::milliseconds,
};

impl Run {
    fn goals(&self) -> Table {
        let met = |met: bool| if met { "yes" } else { "**NO**" }.to_owned();
        let mut table = Table::new(["goal", "first quarter → last quarter", "by least squares", "met"]);

        let memory = Flatness::of(self, |sample| sample.resident_mib);
        table.row([
            "resident memory: at most 1 MiB or 5 % more".into(),
            format!("{:.1} → {:.1} MiB", memory.first, memory.last),
            format!("{:+.2} MiB an hour", memory.per_hour),
            met(memory.growth() <= 1.0 || memory.ratio() <= 1.05),
        ]);
        let files = Flatness::of(self, |sample| sample.open_files);
        table.row([
            "open files: the same, give or take 9".into(),
            format!("{:.0} → {:.0}", files.first, files.last),
            format!("{:+.1} an hour", files.per_hour),
            met(files.growth().abs() <= 9.0),
        ]);
        let threads = Flatness::of(self, |sample| sample.threads);
        table.row([
            "threads: the same, give or take 3".into(),
            format!("{:.0} → {:.0}", threads.first, threads.last),
            format!("{:+.1} an hour", threads.per_hour),
            met(threads.growth().abs() <= 3.0),
        ]);
        for (goal, latency, most) in [
            ("p50 of GET /users/me: at most 1.25 times", Flatness::of(self, |sample| sample.p50), 1.25),
            ("p99 of GET /users/me: at most 1.5 times", Flatness::of(self, |sample| sample.p99), 1.5),
        ] {
            table.row([
                goal.into(),
                format!("{:.3} → {:.3} ms: {:.2} times", latency.first, latency.last, latency.ratio()),
                format!("{:+.3} ms an hour", latency.per_hour),
                met(latency.ratio() <= most),
            ]);
        }
        let kept_up = self.kept_up();
        table.row([
            "requests of each kind at their time: at least 99 of 100".into(),
            format!("{:.1} %", kept_up * 100.0),
            String::new(),
            met(kept_up >= 0.99),
        ]);
        let (busy, asked) = self.sign_ins();
        table.row([
            "sign-ins that are answered 503: at most 1 in 100".into(),
            format!("{busy} of {asked}"),
            String::new(),
            met(busy * 100 <= asked),
        ]);
        table
    }

    fn errands(&self) -> Table {
        let mut table = Table::new(["what is asked", "due a minute", "answered", "p50", "p99"]);
        for (errand, tally) in ERRANDS.iter().zip(&self.tallies) {
            let latencies = tally.latencies();
            let within = |share| format!("{:.2} ms", milliseconds(&latencies, share));
            table.row([
                errand.name.into(),
                format!("{:.0}", 60.0 / errand.every.as_secs_f64()),
                latencies.len().to_string(),
                within(0.5),
                within(0.99),
            ]);
        }
        table
    }

    /// The share of what was due, of the kind that has fallen behind most.
    fn kept_up(&self) -> f64 {
        let shares = ERRANDS.iter().zip(&self.tallies).map(|(errand, tally)| {
            let due = f64::from(self.minutes) * 60.0 / errand.every.as_secs_f64();
            f64::from(tally.runs()) / due
        });
        shares.fold(1.0, f64::min)
    }

    /// How many were answered 503, of how many.
    fn sign_ins(&self) -> (usize, usize) {
        let busy: u32 = self.tallies.iter().map(|tally| tally.busy()).sum();
        let answered: usize = self.tallies[1..=2].iter().map(|tally| tally.latencies().len()).sum();
        (busy as usize, busy as usize + answered)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, count) = (self.minutes, self.samples.len());
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let share = self.cpu.as_secs_f64() / (f64::from(minutes) * 60.0 * cores as f64) * 100.0;
        writeln!(f, "{}", self.goals())?;
        writeln!(f, "{}", self.errands())?;
        write!(
            f,
            "{minutes} minutes with {count} samples. The first third is for warming up, and of the rest the medians of \
             the first and of the last quarter are held against each other. The service used {share:.1} % of the cores, \
             and remembered up to {REMEMBERED} tokens."
        )?;
        if let [first, .., last] = &self.samples[..] {
            let (first, last) = (first.database_mib, last.database_mib);
            write!(
                f,
                " Its database grew from {first:.1} to {last:.1} MiB, by sessions and the audit trail."
            )?;
        }
        writeln!(f, "\n")?;
        writeln!(f, "- Machine: {}.", self.machine)?;
        writeln!(f, "- Command: `cargo bench --bench soak -- --minutes {minutes} --write`")
    }
}
