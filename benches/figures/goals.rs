//! What was to be reached, beside what was.

use crate::{
    case::{Case, Name},
    first_seen::FirstSeen,
    goal::{Bound, Goal},
    measured::Measured,
    support::spread::Spread,
};

pub fn of(measured: &Measured) -> Vec<Goal> {
    let mut goals = Vec::new();
    rates(measured, &mut goals);
    first_seen("SQLite", Some(&measured.first_seen_sqlite), &mut goals);
    first_seen("PostgreSQL", measured.first_seen_postgres.as_ref(), &mut goals);
    goals.push(Goal {
        what: "POST /token, secure, sign-ins/s: at least 0.95 of what the cores can hash".into(),
        figure: "see *A storm of sign-ins* below".into(),
        value: None,
        bound: Bound::AtLeast(0.95),
    });
    footprint(measured, &mut goals);
    goals
}

fn rates(measured: &Measured, goals: &mut Vec<Goal>) {
    let over = |what: &str, name, other, bound| {
        let pair = measured.cases.get(name).zip(measured.cases.get(other));
        let goal = |(case, other): (&Case, &Case)| {
            let (rate, thrift) = (case.rate_over(other), case.thrift_over(other));
            (format!("{rate:.3}; by CPU per request {thrift:.3}"), rate.median)
        };
        let (figure, value) = pair.map(goal).unzip();
        let figure = figure.unwrap_or_else(|| "not measured".to_owned());
        Goal { what: what.to_owned(), figure, value, bound: Bound::AtLeast(bound) }
    };
    goals.extend([
        over(
            "GET /users/me, tutorial: at least 0.92 of the bare handler's requests/s",
            Name::Tutorial,
            Name::BareTutorial,
            0.92,
        ),
        over(
            "GET /users/me, secure, 1,000,000 users in SQLite, 10,000 tokens in turn: at least 0.85 of it",
            Name::SecureSqlite,
            Name::BareSecure,
            0.85,
        ),
        over("the same on PostgreSQL: at least 0.85", Name::SecurePostgres, Name::BareSecure, 0.85),
        over(
            "the same on SQLite against FastAPI's chapter with JWT: at least 20 times",
            Name::SecureSqlite,
            Name::JwtChapter,
            20.0,
        ),
        over(
            "GET /users/me, secure, from 1,000 to 1,000,000 users: at least 0.95 of the requests/s",
            Name::SecureSqlite,
            Name::SecureFew,
            0.95,
        ),
    ]);
}

fn first_seen(database: &str, first_seen: Option<&FirstSeen>, goals: &mut Vec<Goal>) {
    let what = format!(
        "a token seen for the first time, {database}: at most 1.3 times a bare Ed25519 verification and look-up"
    );
    let figure = first_seen.map_or_else(
        || "not measured".to_owned(),
        |first_seen| {
            let (wall, cpu) = (first_seen.ratio(|cost| cost.wall), first_seen.ratio(|cost| cost.cpu));
            format!("{wall:.2}; by CPU {cpu:.2}")
        },
    );
    let value = first_seen.map(|first_seen| first_seen.ratio(|cost| cost.wall).median);
    goals.push(Goal { what, figure, value, bound: Bound::AtMost(1.3) });
}

fn footprint(measured: &Measured, goals: &mut Vec<Goal>) {
    let Measured { tutorial_starts, secure_starts, memory, documentation, .. } = measured;
    let most = |what: &str, figure: String, value: f64, bound: f64| Goal {
        what: what.to_owned(),
        figure,
        value: Some(value),
        bound: Bound::AtMost(bound),
    };
    let spread = |what: &str, spread: Spread, unit: &str, bound: f64| {
        most(what, format!("{spread:.1} {unit}"), spread.median, bound)
    };
    goals.extend([
        spread("resident memory, tutorial, idle: at most 16 MiB", tutorial_starts.resident, "MiB", 16.0),
        most(
            "resident memory, secure, 1,000,000 users and 100,000 living tokens: at most 64 MiB",
            format!("{:.1} MiB", memory.by_default),
            memory.by_default,
            64.0,
        ),
        most(
            "the same where all of these tokens are remembered",
            format!("{:.1} MiB", memory.remembering_all),
            memory.remembering_all,
            64.0,
        ),
        spread("start to first answer, tutorial: at most 30 ms", tutorial_starts.first_answer, "ms", 30.0),
        spread(
            "start to first answer, secure, 1,000,000 users: at most 200 ms",
            secure_starts.first_answer,
            "ms",
            200.0,
        ),
        most(
            "/docs, first load: at most 500 KiB over the wire",
            format!("{:.1} KiB in {} answers", documentation.kib(), documentation.files),
            documentation.kib(),
            500.0,
        ),
        Goal {
            what: "then 304 for each of them".into(),
            figure: format!("{} of {}", documentation.not_modified, documentation.files),
            value: Some(documentation.not_modified as f64 / documentation.files as f64),
            bound: Bound::AtLeast(1.0),
        },
    ]);
}
