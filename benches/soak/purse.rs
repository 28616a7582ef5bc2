//! The sessions and the tokens that all clients together have.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::client::{ACCESS_TOKEN_TTL, Tokens};

/// A token of this age is not used any more: it might end while a loaded machine lets the request wait.
const OLD: Duration = Duration::from_secs(ACCESS_TOKEN_TTL as u64 - 15);
/// At this age it has ended, whatever part of a second the service counts from.
const DEAD: Duration = Duration::from_secs(ACCESS_TOKEN_TTL as u64 + 2);
/// A session of this age is left to itself, and ends unused.
const LEFT: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Purse {
    /// Those that are refreshed again and again, and those that are revoked.
    kept: Mutex<VecDeque<Session>>,
    doomed: Mutex<VecDeque<Session>>,
    /// The access tokens of those that are kept, in the order of their age.
    tokens: Mutex<VecDeque<(Instant, String)>>,
}

pub struct Session {
    pub began: Instant,
    pub tokens: Tokens,
}

impl Purse {
    pub fn keep(&self, session: Session) {
        self.keep_token(&session.tokens.access);
        lock(&self.kept).push_back(session);
    }

    pub fn doom(&self, session: Session) {
        lock(&self.doomed).push_back(session);
    }

    /// The session that was refreshed longest ago.
    pub fn next_kept(&self) -> Option<Session> {
        let mut kept = lock(&self.kept);
        while let Some(session) = kept.pop_front() {
            if session.began.elapsed() < LEFT {
                return Some(session);
            }
        }
        None
    }

    pub fn next_doomed(&self) -> Option<Session> {
        lock(&self.doomed).pop_front()
    }

    /// One of those that are good, another each turn.
    pub fn living_token(&self, turn: usize) -> Option<String> {
        let tokens = lock(&self.tokens);
        let old = tokens.partition_point(|(issued, _)| issued.elapsed() > OLD);
        // A prime, so that neighbours in age are not neighbours in turn.
        let at = old + (turn * 7919).checked_rem(tokens.len() - old)?;
        tokens.get(at).map(|(_, token)| token.clone())
    }

    /// One that has ended; those that ended before it are forgotten.
    pub fn dead_token(&self) -> Option<String> {
        let mut tokens = lock(&self.tokens);
        let dead = tokens.partition_point(|(issued, _)| issued.elapsed() > DEAD);
        tokens.drain(..dead).next_back().map(|(_, token)| token)
    }

    fn keep_token(&self, token: &str) {
        // The lock first: so their order is that of their age.
        let mut tokens = lock(&self.tokens);
        tokens.push_back((Instant::now(), token.to_owned()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
