//! Throughput against the number of connections, and latency against the load that is offered: the two pictures.

use crate::{
    case::{Case, Name},
    cases::Cases,
    offered,
    pace::Pace,
    support::{
        Failure, latency,
        load::Until,
        plot::{self, Axis, Chart, Line},
        spread::Spread,
    },
};

pub const THROUGHPUT: &str = "throughput.svg";
pub const LATENCY: &str = "latency.svg";

const SHOWN: [Name; 6] = [
    Name::BareTutorial,
    Name::Tutorial,
    Name::SecureSqlite,
    Name::AxumMemory,
    Name::AxumSqlite,
    Name::JwtChapter,
];
const CONNECTIONS: [u16; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/// Of what a case's server answered a second in the rounds.
const LOADS: [u16; 10] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
/// A point is the median of so many turns.
pub const TURNS: usize = 3;

pub struct Curves {
    throughput: Chart,
    latency: [Chart; 2],
}

impl Curves {
    pub fn measure(cases: &Cases, pace: &Pace) -> Result<Self, Failure> {
        let shown: Vec<_> = SHOWN.into_iter().filter_map(|name| cases.get(name)).collect();
        let throughput = points(&shown, &CONNECTIONS, |case, connections| {
            let run =
                case.exchange.run_on(connections.into(), case.peer.address, Until::Passed(pace.point))?;
            Ok([run.latencies.len() as f64 / run.elapsed.as_secs_f64(), 0.0])
        })?;
        let latency = points(&shown, &LOADS, |case, percent| {
            let rate = case.rate().median * f64::from(percent) / 100.0;
            let latencies = offered::latencies(&case.exchange, case.peer.address, rate, pace.point)?;
            Ok([0.5, 0.99].map(|share| latency::within(&latencies, share) * 1e3))
        })?;
        let [throughput, _] = throughput;
        let [p50, p99] = latency;
        Ok(Self {
            throughput: Chart {
                title: "Requests per second".into(),
                x: Axis::logarithmic("connections").marked(CONNECTIONS.map(f64::from).to_vec()),
                y: Axis::logarithmic("requests/s"),
                lines: throughput,
            },
            latency: [("Latency: p50", p50), ("Latency: p99", p99)].map(|(title, lines)| Chart {
                title: title.into(),
                x: Axis::linear("offered load, % of what the server answers at 32 connections")
                    .marked([0].into_iter().chain(LOADS).map(f64::from).collect()),
                y: Axis::logarithmic("ms"),
                lines,
            }),
        })
    }

    /// Puts them into docs/.
    pub fn write(&self) -> Result<(), Failure> {
        plot::write(THROUGHPUT, std::slice::from_ref(&self.throughput))?;
        plot::write(LATENCY, &self.latency)
    }
}

/// Two figures of each case at each x. The cases take turns.
fn points(
    cases: &[&Case],
    at: &[u16],
    measure: impl Fn(&Case, u16) -> Result<[f64; 2], Failure>,
) -> Result<[Vec<Line>; 2], Failure> {
    let mut lines = [const { Vec::new() }; 2];
    for lines in &mut lines {
        lines.extend(cases.iter().map(|case| Line { name: case.name.words().into(), points: Vec::new() }));
    }
    for &x in at {
        eprintln!("curves: {x} …");
        let mut turns = vec![Vec::new(); cases.len()];
        for _ in 0..TURNS {
            for (case, figures) in cases.iter().zip(&mut turns) {
                figures.push(measure(case, x)?);
            }
        }
        for (number, figures) in turns.iter().enumerate() {
            for (which, lines) in lines.iter_mut().enumerate() {
                let median = Spread::of(figures.iter().map(|figures| figures[which]).collect()).median;
                lines[number].points.push((f64::from(x), median));
            }
        }
    }
    Ok(lines)
}
