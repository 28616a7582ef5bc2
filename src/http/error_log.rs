//! Error logging. Each message is logged at most once a second, even if many requests fail with the same error.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use log::Level;

use crate::domain::{backend_error::BackendError, time::Timestamp};

/// The maximum number of messages that are tracked.
const MAX_MESSAGES: usize = 100;

static MESSAGES: Mutex<Option<Messages>> = Mutex::new(None);

/// Logs a backend error with its chain of causes.
pub(crate) fn log_backend_error(error: &BackendError) {
    let level = if error.is_temporary() { Level::Warn } else { Level::Error };
    log(level, error.to_string());
}

/// Logs a message, at most once a second.
pub(crate) fn log(level: Level, message: impl Into<String>) {
    let mut messages = MESSAGES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(line) = messages.get_or_insert_default().line(message.into(), Timestamp::now()) {
        drop(messages);
        log::log!(level, "{line}");
    }
}

/// The recently logged messages, each with the time of its last log line and its number of occurrences since then.
#[derive(Default)]
struct Messages(HashMap<String, (Timestamp, u64)>);

impl Messages {
    /// Returns the line to log for a message, or `None` if the message was already logged in this second.
    fn line(&mut self, message: String, now: Timestamp) -> Option<String> {
        if let Some((logged, since)) = self.0.get_mut(&message) {
            *since += 1;
            if *logged == now {
                return None;
            }
            let line = match *since {
                1 => message.clone(),
                times => format!("{message} ({times} times since it was last logged)"),
            };
            (*logged, *since) = (now, 0);
            return Some(line);
        }
        if self.0.len() >= MAX_MESSAGES {
            self.0.clear();
        }
        self.0.insert(message.clone(), (now, 0));
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_message_is_logged_at_most_once_a_second() {
        let mut messages = Messages::default();
        let mut line = |text: &str, second| messages.line(text.to_owned(), Timestamp::from_unix(second));
        assert_eq!(line("full", 7).as_deref(), Some("full"));
        assert_eq!(line("full", 7), None);
        assert_eq!(line("lost", 7).as_deref(), Some("lost"));
        assert_eq!(line("full", 7), None);
        assert_eq!(line("full", 8).as_deref(), Some("full (3 times since it was last logged)"));
        assert_eq!(line("full", 8), None);
        assert_eq!(line("lost", 99).as_deref(), Some("lost"));
    }

    #[test]
    fn number_of_tracked_messages_is_limited() {
        let mut messages = Messages::default();
        for number in 0..10_000 {
            assert!(messages.line(number.to_string(), Timestamp::from_unix(7)).is_some());
            assert!(messages.0.len() <= MAX_MESSAGES);
        }
    }
}
