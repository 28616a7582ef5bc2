//! The start of the service as a user starts it: how long until it answers, and how much memory it then has.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    peer::{self, gatepass},
    support::{Failure, spread::Spread},
};

pub const STARTS: usize = 20;

pub struct Starts {
    /// From the process's start to the last byte of its first answer, in milliseconds.
    pub first_answer: Spread,
    /// The resident memory of the idle service in MiB.
    pub resident: Spread,
}

pub fn measure() -> Result<Starts, Failure> {
    eprintln!("{STARTS} starts …");
    let exchange = peer::read_users_me();
    let (mut first_answer, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let start = Instant::now();
        let service = gatepass(None, None)?;
        service.await_answer(&exchange)?;
        first_answer.push(start.elapsed().as_secs_f64() * 1e3);
        thread::sleep(Duration::from_millis(100));
        resident.push(service.process.resident_mib());
    }
    Ok(Starts { first_answer: Spread::of(first_answer), resident: Spread::of(resident) })
}
