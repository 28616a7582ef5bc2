//! The results as Markdown, for the terminal and for docs/benchmarks.md.

use std::fmt;

use crate::{
    run::{CACHED, Results, Sample},
    support::{Spread, Table, machine, percentile},
    tasks::TASKS,
};

/// A goal: its description, the value of a sample, the number of decimals, the unit, and a function that compares the
/// medians of the first and the last quarter.
type Goal = (&'static str, fn(&Sample) -> f64, usize, &'static str, fn(f64, f64) -> bool);

const GOALS: [Goal; 5] = [
    (
        "resident memory: grows by at most 1 MiB or 5 %",
        |it| it.resident_mib,
        1,
        " MiB",
        |first, last| last <= (first + 1.0).max(first * 1.05),
    ),
    ("open files: change by at most 9", |it| it.open_files, 0, "", |first, last| (last - first).abs() <= 9.0),
    ("threads: change by at most 3", |it| it.threads, 0, "", |first, last| (last - first).abs() <= 3.0),
    (
        "p50 of GET /users/me: grows by at most 25 %",
        |it| it.p50,
        3,
        " ms",
        |first, last| last <= first * 1.25,
    ),
    ("p99 of GET /users/me: grows by at most 50 %", |it| it.p99, 3, " ms", |first, last| last <= first * 1.5),
];

impl Results {
    fn goals(&self) -> Table {
        let mut table = Table::new(["goal", "first quarter → last quarter", "trend (least squares)", "met"]);
        for (goal, value, decimals, unit, is_met) in GOALS {
            // The first third of the samples is the warm-up.
            let samples = self.samples[self.samples.len() / 3..].iter();
            let points: Vec<_> =
                samples.map(|it| (it.hour, value(it))).filter(|it| it.1.is_finite()).collect();
            let median = |points: &[(f64, f64)]| Spread::of(points.iter().map(|point| point.1)).median;
            let quarter = points.len().div_ceil(4);
            let (first, last) = (median(&points[..quarter]), median(&points[points.len() - quarter..]));
            let change = format!("{first:.decimals$} → {last:.decimals$}{unit}");
            table.goal(goal, [change, format!("{:+.2}{unit} an hour", slope(&points))], is_met(first, last));
        }
        // The share of runs that started on time, for the task that fell furthest behind.
        let seconds = f64::from(self.minutes) * 60.0;
        let done =
            TASKS.iter().zip(&self.tallies).map(|(task, tally)| tally.runs as f64 * task.every.as_secs_f64());
        let in_time = done.fold(seconds, f64::min) / seconds;
        let goal = "requests of each kind sent on time: at least 99 %";
        table.goal(goal, [format!("{:.1} %", in_time * 100.0), String::new()], in_time >= 0.99);
        let busy: usize = self.tallies.iter().map(|tally| tally.busy).sum();
        let sign_ins: usize = self.tallies[1..=2].iter().map(|tally| tally.runs).sum();
        let goal = "sign-ins with status 503: at most 1 %";
        table.goal(goal, [format!("{busy} of {sign_ins}"), String::new()], busy * 100 <= sign_ins);
        table
    }

    fn tasks(&self) -> Table {
        let mut table = Table::new(["request", "due per minute", "responses", "p50", "p99"]);
        for (task, tally) in TASKS.iter().zip(&self.tallies) {
            let latency = |share| format!("{:.2} ms", percentile(&tally.latencies, share));
            let [due, done] = [60.0 / task.every.as_secs_f64(), tally.latencies.len() as f64];
            table.row([
                task.name.into(),
                format!("{due:.0}"),
                format!("{done:.0}"),
                latency(0.5),
                latency(0.99),
            ]);
        }
        table
    }
}

/// Returns the slope of the least-squares line through the points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let mean = |value: fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / points.len() as f64;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    covariance / points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>()
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { minutes, samples, cpu_share, .. } = self;
        writeln!(f, "{}", self.goals())?;
        writeln!(f, "{}", self.tasks())?;
        writeln!(
            f,
            "{minutes} minutes with {} samples. The first third of the samples is the warm-up; the medians of the \
             first and the last quarter of the rest are compared. The service used {:.1} % of the cores and cached up to \
             {CACHED} tokens. Its database grew from {:.1} to {:.1} MiB because of sessions and the audit trail.\n",
            samples.len(),
            cpu_share * 100.0,
            samples[0].database_mib,
            samples[samples.len() - 1].database_mib,
        )?;
        writeln!(f, "- Machine: {}.", machine::description())?;
        writeln!(f, "- Command: `cargo bench --bench soak_test -- --minutes {minutes} --write`")
    }
}
