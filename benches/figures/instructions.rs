//! Instructions for a request, counted by callgrind: what else the machine does cannot move them. Those of the kernel
//! are not among them.

use std::{fs, path::Path, process::Command};

use crate::{
    answer::Answer,
    bare, cases,
    pace::Pace,
    peer::{On, Peer},
    population::Population,
    service,
    support::{
        Failure,
        load::{Exchange, Until},
    },
};

/// Tokens in turn: all of them are known when counting begins.
const TOKENS: usize = 100;

pub struct Instructions {
    pub bare_tutorial: f64,
    pub tutorial: f64,
    pub bare_secure: f64,
    pub secure: f64,
}

/// None where there is no valgrind.
pub fn measure(population: &Population, pace: &Pace) -> Result<Option<Instructions>, Failure> {
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("instructions are not counted: there is no valgrind");
        return Ok(None);
    }
    eprintln!("instructions are counted …");
    let users_me = cases::tutorial_read_users_me();
    let original = service::tutorial(On::Any, Some(1))?;
    original.await_answer(&users_me)?;
    let answer = Answer::of(&users_me, original.address)?;
    let bare_tutorial = for_a_request(pace, &users_me, |on| bare::start(on, &answer))?;
    let tutorial = for_a_request(pace, &users_me, |on| service::tutorial(on, Some(1)))?;

    let users_me = population.exchange(TOKENS);
    let secure = |on: On<'_>| service::secure(on, Some(1), &population.place, &[]);
    let original = secure(On::Any)?;
    original.await_answer(&users_me)?;
    users_me.rewind();
    let answer = Answer::of(&users_me, original.address)?;
    drop(original);
    let bare_secure = for_a_request(pace, &population.exchange(TOKENS).answered_by(&answer.body), |on| {
        bare::start(on, &answer)
    })?;
    let secure = for_a_request(pace, &users_me, secure)?;
    Ok(Some(Instructions { bare_tutorial, tutorial, bare_secure, secure }))
}

/// By the difference of two runs: what start and stop take is in both.
fn for_a_request(
    pace: &Pace,
    exchange: &Exchange,
    start: impl Fn(On<'_>) -> Result<Peer, Failure>,
) -> Result<f64, Failure> {
    let few = 2 * TOKENS;
    let many = few + pace.counted;
    let [few_took, many_took] = [run(few, exchange, &start)?, run(many, exchange, &start)?];
    Ok((many_took - few_took) as f64 / (many - few) as f64)
}

/// The instructions of a whole life with so many requests.
fn run(
    requests: usize,
    exchange: &Exchange,
    start: impl Fn(On<'_>) -> Result<Peer, Failure>,
) -> Result<i64, Failure> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind-{}", std::process::id()));
    let peer = start(On::Callgrind(&file))?;
    peer.await_answer(exchange)?;
    exchange.run_on(1, peer.address, Until::Answered(requests))?;
    peer.process.end()?;
    let counts = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    fs::remove_file(&file).map_err(|error| error.to_string())?;
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.ok_or_else(|| "callgrind wrote no total".to_owned())
}
