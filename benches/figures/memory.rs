//! The resident memory of the secure service, once every living token was used.

use crate::{
    peer::On,
    population::Population,
    service,
    support::{
        Failure,
        load::{CONNECTIONS, Until},
    },
};

pub struct Memory {
    /// How many tokens were used.
    pub tokens: usize,
    /// In MiB, with as many remembered as by default.
    pub by_default: f64,
    /// In MiB, with all of them remembered.
    pub remembering_all: f64,
}

pub fn measure(population: &Population) -> Result<Memory, Failure> {
    let tokens = population.count();
    let by_default = after_use(population, &[])?;
    let remembering_all = after_use(population, &["--token-cache-size", &tokens.to_string()])?;
    Ok(Memory { tokens, by_default, remembering_all })
}

fn after_use(population: &Population, arguments: &[&str]) -> Result<f64, Failure> {
    let tokens = population.count();
    eprintln!("{tokens} tokens are used …");
    let service = service::secure(On::Any, None, &population.place, arguments)?;
    let exchange = population.exchange(tokens);
    service.await_answer(&exchange)?;
    // Twice: seen for the first time, and again.
    exchange.run_on(CONNECTIONS, service.address, Until::Answered(2 * tokens))?;
    Ok(service.process.resident_mib())
}
