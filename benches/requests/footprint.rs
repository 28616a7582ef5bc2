//! The start time and the memory of the service, which runs on all cores.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    population::Population,
    support::{On, Result, Server, Spread, Table, for_each, gatepass, requests},
};

pub const STARTS: usize = 20;

pub fn measure(population: &Population, goals: &mut Table) -> Result<()> {
    let request = requests::users_me("johndoe");
    let (start, idle) = starts(&request, || gatepass::tutorial(On::AnyCore, &[]))?;
    goals.at_most("start to first response, tutorial, in ms", 30.0, start.median, format!("{start:.1}"));
    goals.at_most("resident memory, tutorial, idle, in MiB", 16.0, idle.median, format!("{idle:.1}"));
    let request = requests::users_me(&population.tokens[0].text);
    let (start, _) = starts(&request, || gatepass::secure(On::AnyCore, &population.data, &[]))?;
    let goal = "start to first response, secure, 1,000,000 users, in ms";
    goals.at_most(goal, 200.0, start.median, format!("{start:.1}"));

    let memory = memory_after_use(population, &[])?;
    let goal = "resident memory, secure, 1,000,000 users and 100,000 valid tokens, in MiB";
    goals.at_most(goal, 64.0, memory, format!("{memory:.1}"));
    let size = population.tokens.len().to_string();
    let memory = memory_after_use(population, &["--token-cache-size", &size])?;
    goals.at_most("the same with all of these tokens cached", 64.0, memory, format!("{memory:.1}"));
    Ok(())
}

/// Returns the milliseconds from the start of the process to its first response, and the resident memory of the idle
/// service in MiB.
fn starts(request: &str, start: impl Fn() -> Result<Server>) -> Result<(Spread, Spread)> {
    eprintln!("{STARTS} starts …");
    let (mut first_response, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let began = Instant::now();
        let server = start()?;
        server.first_response(request)?;
        first_response.push(began.elapsed().as_secs_f64() * 1e3);
        thread::sleep(Duration::from_millis(100));
        resident.push(server.resident_mib());
        server.stop()?;
    }
    Ok((Spread::of(first_response), Spread::of(resident)))
}

/// Returns the resident memory in MiB after every valid token was used twice. By the second use, a token may be in the
/// cache.
fn memory_after_use(population: &Population, arguments: &[&str]) -> Result<f64> {
    eprintln!("using {} tokens …", population.tokens.len());
    let server = gatepass::secure(On::AnyCore, &population.data, arguments)?;
    let exchanges = population.exchanges(population.tokens.len());
    server.first_response(&exchanges[0].request)?;
    for _ in 0..2 {
        for_each(server.address, &exchanges, |connection, exchange| exchange.check(connection))?;
    }
    Ok(server.resident_mib())
}
