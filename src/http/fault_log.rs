//! What the log says of faults: each once a second, however many requests meet it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use log::Level;

use crate::{
    domain::{backend_error::BackendError, time::Timestamp},
    http::clock,
};

/// Of so many faults it is known when they were last in the log.
const REMEMBERED: usize = 100;

static LINES: Mutex<Option<Lines>> = Mutex::new(None);

/// The one line in the log for a port that failed.
pub(crate) fn report(fault: &BackendError) {
    let level = if fault.is_temporary() { Level::Warn } else { Level::Error };
    say(level, fault.to_string());
}

/// A line in the log, once a second.
pub(crate) fn say(level: Level, what: String) {
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(line) = lines.get_or_insert_default().line(what, clock::now()) {
        drop(lines);
        log::log!(level, "{line}");
    }
}

/// The faults that were in the log lately: when, and how often they were met since.
#[derive(Default)]
struct Lines(HashMap<String, (Timestamp, u64)>);

impl Lines {
    /// What to log now of a fault, if anything.
    fn line(&mut self, fault: String, now: Timestamp) -> Option<String> {
        if let Some((logged, since)) = self.0.get_mut(&fault) {
            *since += 1;
            if *logged == now {
                return None;
            }
            let line = match *since {
                1 => fault.clone(),
                times => format!("{fault} ({times} times since it was logged last)"),
            };
            (*logged, *since) = (now, 0);
            return Some(line);
        }
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(fault.clone(), (now, 0));
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_one_fault_is_a_line_a_second() {
        let mut lines = Lines::default();
        let mut line = |fault: &str, second| lines.line(fault.to_owned(), Timestamp::from_unix(second));
        assert_eq!(line("full", 7).as_deref(), Some("full"));
        assert_eq!(line("full", 7), None);
        assert_eq!(line("lost", 7).as_deref(), Some("lost"));
        assert_eq!(line("full", 7), None);
        assert_eq!(line("full", 8).as_deref(), Some("full (3 times since it was logged last)"));
        assert_eq!(line("full", 8), None);
        assert_eq!(line("lost", 99).as_deref(), Some("lost"));
    }

    #[test]
    fn many_faults_take_little_memory() {
        let mut lines = Lines::default();
        for number in 0..10_000 {
            assert!(lines.line(number.to_string(), Timestamp::from_unix(7)).is_some());
            assert!(lines.0.len() <= REMEMBERED);
        }
    }
}
