//! Holds the keys in memory, and reloads them when the key directory changes.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    algorithm::{PublicKeyMembers, SigningAlgorithm},
    key::{Key, KeyName},
    key_directory::KeyDirectory,
    key_error::KeyError,
    schedule::{KeyState, Schedule},
    settings::{JwtSettings, Source},
};
use crate::domain::{
    invalidation::{CacheInvalidator, Invalidation},
    time::Timestamp,
};

/// The time between two reads of the directory. Changes are noticed within this time plus [`MIN_PAUSE`], which is less
/// than a second.
const WATCH_INTERVAL: Duration = Duration::from_millis(800);

/// The minimum time between two reads of the directory, even if many tokens have an unknown kid.
const MIN_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct KeyRing {
    /// `None` if the keys do not change.
    pub(super) directory: Option<KeyDirectory>,
    keys: RwLock<Keys>,
    /// The errors from the last read.
    errors: Mutex<BTreeSet<String>>,
    invalidators: Mutex<Vec<Arc<dyn CacheInvalidator>>>,
    unknown_kid: Notify,
}

/// The keys, oldest first, and their schedule. There is at least one key.
struct Keys {
    keys: Vec<Arc<Key>>,
    schedule: Schedule,
}

impl KeyRing {
    pub(super) fn open(settings: &JwtSettings, now: Timestamp) -> Result<Self, KeyError> {
        let (directory, keys) = match &settings.keys.0 {
            Source::Directory(path) => {
                let directory = KeyDirectory::new(path, settings);
                let keys = directory.open(now)?;
                (Some(directory), keys)
            }
            Source::Fixed(key) => (None, vec![Arc::clone(key)]),
        };
        let schedule = Schedule::new(&keys, settings.rotation());
        let (own, wanted) = (keys[schedule.signing(now)].algorithm(), settings.algorithm);
        if directory.is_some() && wanted.is_some_and(|wanted| wanted != own) {
            log::warn!(
                "the current key signs with {}: the configured algorithm is used only for new keys",
                own.name()
            );
        }
        Ok(Self {
            directory,
            keys: RwLock::new(Keys { schedule, keys }),
            errors: Mutex::default(),
            invalidators: Mutex::default(),
            unknown_kid: Notify::new(),
        })
    }

    /// Returns the key that signs new tokens.
    pub(super) fn signing(&self, now: Timestamp) -> Arc<Key> {
        let Keys { keys, schedule } = &*self.read();
        Arc::clone(&keys[schedule.signing(now)])
    }

    /// Returns the key with this kid, if its tokens are still accepted. An unknown kid makes [`watch`](Self::watch)
    /// read the directory, because another replica may have created a key.
    pub(super) fn verifying(&self, kid: &str, now: Timestamp) -> Option<Arc<Key>> {
        let key = self.read().published(now).find(|key| key.name.kid == kid).cloned();
        if key.is_none() {
            self.unknown_kid.notify_one();
        }
        key
    }

    /// Returns the public keys that verify tokens, including keys that do not sign yet.
    pub(super) fn public_keys(&self, now: Timestamp) -> Vec<PublicKeyMembers> {
        self.read().published(now).filter_map(|key| key.jwk()).collect()
    }

    /// Returns the algorithms of the keys that verify tokens.
    pub(super) fn algorithms(&self, now: Timestamp) -> Vec<SigningAlgorithm> {
        let mut algorithms = Vec::new();
        for key in self.read().published(now) {
            if !algorithms.contains(&key.algorithm()) {
                algorithms.push(key.algorithm());
            }
        }
        algorithms
    }

    /// Registers a cache to clear whenever a key is removed.
    pub(super) fn invalidate_on_removal(&self, invalidator: Arc<dyn CacheInvalidator>) {
        self.invalidators.lock().unwrap_or_else(PoisonError::into_inner).push(invalidator);
    }

    /// Reads the directory periodically, on a thread for blocking work.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            let _ = timeout(WATCH_INTERVAL, self.unknown_kid.notified()).await;
            let ring = Arc::clone(&self);
            let _ = spawn_blocking(move || ring.refresh()).await;
            sleep(MIN_PAUSE).await;
        }
    }

    /// Reads the directory; blocks on disk I/O. Each error is logged once. A known key is kept until its file is
    /// removed. If no key is left, the last keys are kept.
    pub(super) fn refresh(&self) {
        let Some(directory) = &self.directory else { return };
        // The lock is held until the end, so that a concurrent call cannot replace newer keys with older ones.
        let mut logged = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.read().keys.clone();
        let (keys, mut errors) = directory.read(&before).unwrap_or_else(|error| (Vec::new(), vec![error]));
        if keys.is_empty() && errors.is_empty() {
            errors.push(directory.no_key());
        }
        let errors = errors.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
        for error in errors.difference(&logged) {
            log::error!("{error}; the keys in memory stay in use");
        }
        *logged = errors;
        let (old, new) = (names(&before), names(&keys));
        if keys.is_empty() || old == new {
            return;
        }
        for kid in new.difference(&old).map(|name| &name.kid) {
            log::info!("key {kid} was added");
        }
        for kid in old.difference(&new).map(|name| &name.kid) {
            log::info!("key {kid} was removed");
        }
        let is_any_removed = !old.is_subset(&new);
        let schedule = Schedule::new(&keys, directory.rotation);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Keys { keys, schedule };
        if is_any_removed {
            let invalidators = self.invalidators.lock().unwrap_or_else(PoisonError::into_inner);
            invalidators.iter().for_each(|invalidator| invalidator.invalidate(&Invalidation::Everything));
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn published(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Key>> {
        let keys = self.keys.iter().enumerate();
        keys.filter(move |(index, _)| self.schedule.state(*index, now) != KeyState::Retired)
            .map(|(_, key)| key)
    }
}

/// Returns the names of the keys. A name always belongs to the same key.
fn names(keys: &[Arc<Key>]) -> BTreeSet<&KeyName> {
    keys.iter().map(|key| &key.name).collect()
}
