//! The sessions and tokens that all clients share.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The access token lifetime in seconds. It is short, so that tokens expire all the time.
pub const ACCESS_TOKEN_TTL: u64 = 40;
/// The maximum age of a token that is used. An older token might expire while its request waits on a busy machine.
const USED: Duration = Duration::from_secs(ACCESS_TOKEN_TTL - 15);
/// The age above which a token has certainly expired: the service rounds times to seconds.
const EXPIRED: Duration = Duration::from_secs(ACCESS_TOKEN_TTL + 2);
/// The maximum age of a session that is refreshed. Older sessions are left to expire.
const REFRESHED: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Sessions {
    refreshed: VecDeque<Session>,
    pub to_revoke: VecDeque<Session>,
    /// The access tokens of refreshed sessions, oldest first.
    tokens: VecDeque<(Instant, String)>,
}

pub struct Session {
    pub began: Instant,
    pub access: String,
    pub refresh: String,
}

impl Sessions {
    pub fn add(&mut self, session: Session) {
        self.tokens.push_back((Instant::now(), session.access.clone()));
        self.refreshed.push_back(session);
    }

    /// Removes and returns the least recently refreshed session. Drops sessions that have become too old.
    pub fn next_to_refresh(&mut self) -> Option<Session> {
        let is_refreshed = |session: &Session| session.began.elapsed() < REFRESHED;
        std::iter::from_fn(|| self.refreshed.pop_front()).find(is_refreshed)
    }

    /// Returns a valid token. Different turns get different tokens.
    pub fn valid_token(&self, turn: usize) -> Option<String> {
        let old = self.tokens.partition_point(|(issued, _)| issued.elapsed() > USED);
        // With a prime as the step, consecutive turns use tokens of different ages.
        let index = old + (turn * 7919).checked_rem(self.tokens.len() - old)?;
        self.tokens.get(index).map(|(_, token)| token.clone())
    }

    /// Removes the expired tokens and returns the newest of them.
    pub fn expired_token(&mut self) -> Option<String> {
        let expired = self.tokens.partition_point(|(issued, _)| issued.elapsed() > EXPIRED);
        self.tokens.drain(..expired).next_back().map(|(_, token)| token)
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
