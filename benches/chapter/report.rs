//! The figures as Markdown: for the terminal, and for docs/BENCHMARKS.md between its two markers.

use std::fmt;

use crate::{
    rounds::{Case, ROUND, ROUNDS, Rounds},
    start::{STARTS, Starts},
    support::{cores::Cores, load::CONNECTIONS, machine, table::Table},
};

pub struct Report {
    pub starts: Starts,
    pub rounds: Rounds,
    pub machine: String,
    pub cores: Cores,
}

impl Report {
    fn goals(&self) -> Table {
        let Self { starts, rounds, .. } = self;
        let met = |met: bool| if met { "yes" } else { "**NO**" }.to_owned();
        let mut table = Table::new(["goal", "figure", "met"]);

        let ratio = rounds.users_me.rate_over(&rounds.bare);
        table.row([
            "GET /users/me: at least 0.95 of the bare handler's requests/s".into(),
            format!("{ratio:.3}; by CPU per request {:.3}", rounds.users_me.thrift_over(&rounds.bare)),
            met(ratio.median >= 0.95),
        ]);
        let ratio = rounds.users_me.rate_over(&rounds.bare_json);
        table.row([
            "the same, where the bare handler writes its JSON too".into(),
            format!("{ratio:.3}; by CPU per request {:.3}", rounds.users_me.thrift_over(&rounds.bare_json)),
            met(ratio.median >= 0.95),
        ]);
        let goal = "GET /users/me: at least 20 times FastAPI's requests/s".into();
        table.row(match &rounds.fastapi {
            Ok([fastapi, _]) => {
                let ratio = rounds.users_me.rate_over(fastapi);
                let thrift = rounds.users_me.thrift_over(fastapi);
                [goal, format!("{ratio:.1}; by CPU per request {thrift:.1}"), met(ratio.median >= 20.0)]
            }
            Err(_) => [goal, "not measured".into(), "?".into()],
        });
        table.row([
            "the idle service: at most 20 MiB of resident memory".into(),
            format!("{:.1}", starts.resident),
            met(starts.resident.median <= 20.0),
        ]);
        table.row([
            "the first answer: within 50 ms of the process's start".into(),
            format!("{:.1} ms", starts.first_answer),
            met(starts.first_answer.median <= 50.0),
        ]);
        table
    }

    fn cases(&self) -> Table {
        let Rounds { bare, bare_json, users_me, token, fastapi, .. } = &self.rounds;
        let mut table = Table::new([
            "one worker each",
            "requests/s",
            "of the bare handler's",
            "CPU per request",
            "p50",
            "p99",
            "of its core used",
        ]);
        let mut row = |name: &str, case: &Case| {
            table.row([
                name.into(),
                format!("{:.0}", case.rate().median),
                format!("{:.3}", case.rate_over(bare)),
                format!(
                    "{:.2} µs ({:.2})",
                    case.cpu_per_request(),
                    case.cpu_per_request() / bare.cpu_per_request()
                ),
                milliseconds(case, 0.5),
                milliseconds(case, 0.99),
                format!("{:.0} %", case.busy() * 100.0),
            ]);
        };
        row("a bare Actix handler", bare);
        row("the same, writing JSON", bare_json);
        row("GET /users/me", users_me);
        row("POST /token", token);
        if let Ok([users_me, token]) = fastapi {
            row("FastAPI: GET /users/me", users_me);
            row("FastAPI: POST /token", token);
        }
        table
    }
}

fn milliseconds(case: &Case, share: f64) -> String {
    format!("{:.2} ms", case.latency(share).as_secs_f64() * 1e3)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rounds { resident_mib, fastapi_resident_mib, fastapi, .. } = &self.rounds;
        writeln!(f, "{}", self.goals())?;
        writeln!(f, "{}", self.cases())?;
        writeln!(
            f,
            "Medians of {ROUNDS} rounds of {} s for each case, with {CONNECTIONS} connections, and of {STARTS} starts; in \
             parentheses the least and the most, and after the CPU time its multiple of the bare handler's. After \
             the load the service had {resident_mib:.1} MiB.",
            ROUND.as_secs_f64(),
        )?;
        writeln!(f)?;
        writeln!(f, "- Machine: {}. {}", self.machine, self.cores.sentence())?;
        match fastapi {
            Ok(_) => {
                let versions = machine::python_sentence();
                writeln!(f, "- FastAPI's side: {versions}; {fastapi_resident_mib:.0} MiB after the load.")?;
            }
            // The terminal has the reason, with this machine's paths; the page needs none.
            Err(_) => writeln!(f, "- FastAPI was left out: python3 could not make an environment for it.")?,
        }
        writeln!(f, "- Command: `cargo bench -- --write`")
    }
}
