//! Starts of the service as a user starts it: how long until it answers, and how much memory it then has.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    cases,
    pace::Pace,
    peer::{On, Peer},
    population::Population,
    service,
    support::{Failure, load::Exchange, spread::Spread},
};

pub struct Starts {
    /// From the process's start to the last byte of its first answer, in milliseconds.
    pub first_answer: Spread,
    /// The resident memory of the idle service in MiB.
    pub resident: Spread,
}

pub fn of_tutorial(pace: &Pace) -> Result<Starts, Failure> {
    measure(pace, &cases::tutorial_read_users_me(), || service::tutorial(On::Any, None))
}

pub fn of_secure(population: &Population, pace: &Pace) -> Result<Starts, Failure> {
    measure(pace, &population.exchange(1), || service::secure(On::Any, None, &population.place, &[]))
}

fn measure(
    pace: &Pace,
    exchange: &Exchange,
    start: impl Fn() -> Result<Peer, Failure>,
) -> Result<Starts, Failure> {
    eprintln!("{} starts …", pace.starts);
    let (mut first_answer, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..pace.starts {
        let began = Instant::now();
        let service = start()?;
        service.await_answer(exchange)?;
        first_answer.push(began.elapsed().as_secs_f64() * 1e3);
        thread::sleep(Duration::from_millis(100));
        resident.push(service.process.resident_mib());
        service.process.end()?;
    }
    Ok(Starts { first_answer: Spread::of(first_answer), resident: Spread::of(resident) })
}
