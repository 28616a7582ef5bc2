//! docs/soak.svg.

use crate::{
    run::Run,
    samples::Sample,
    support::plot::{Axis, Chart, Line},
};

pub fn charts(run: &Run) -> Vec<Chart> {
    let line = |name: &str, figure: fn(&Sample) -> f64| Line {
        name: name.to_owned(),
        points: run.samples.iter().map(|sample| (sample.minute, figure(sample))).collect(),
    };
    let chart =
        |title: &str, y, lines| Chart { title: title.to_owned(), x: Axis::linear("minutes"), y, lines };
    vec![
        chart(
            "Resident memory of the service",
            Axis::linear("MiB"),
            vec![line("memory", |sample| sample.resident_mib)],
        ),
        chart("Its open files", Axis::linear("files"), vec![line("files", |sample| sample.open_files)]),
        // Logarithmic: a single disturbance would leave everything else on the ground.
        chart(
            "Latency of GET /users/me",
            Axis::logarithmic("ms"),
            vec![line("p50", |sample| sample.p50), line("p99", |sample| sample.p99)],
        ),
    ]
}
