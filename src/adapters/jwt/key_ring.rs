//! The keys in memory: a snapshot that is replaced when the folder changes.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use super::{
    jwk::JwkSet,
    key::Key,
    key_directory::KeyDirectory,
    key_error::{KeyError, Reason},
    schedule::{KeyState, Schedule},
};
use crate::domain::{
    invalidation::{CacheInvalidator, Invalidation},
    time::Timestamp,
};

/// The keys of a folder, kept up to date by whoever calls [`refresh`](Self::refresh).
pub(super) struct KeyRing {
    folder: KeyDirectory,
    snapshot: RwLock<Arc<Snapshot>>,
    /// What is wrong by file, as far as the log has it.
    complaints: Mutex<BTreeMap<String, String>>,
    listeners: Mutex<Vec<Arc<dyn CacheInvalidator>>>,
}

/// The keys at a moment. Which of them signs and verifies is a question of the time alone.
pub(super) struct Snapshot {
    keys: Vec<Arc<Key>>,
    schedule: Schedule,
}

impl KeyRing {
    pub(super) fn open(folder: KeyDirectory, now: Timestamp) -> Result<Self, KeyError> {
        let keys: Vec<_> = folder.open(now)?.into_iter().map(Arc::new).collect();
        if keys.is_empty() {
            return Err(Reason::NoKey.at(folder.path()));
        }
        let snapshot = RwLock::new(Arc::new(Snapshot::new(keys, &folder)));
        Ok(Self { folder, snapshot, complaints: Mutex::default(), listeners: Mutex::default() })
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks for changes in the folder. What cannot be read is logged once, and the keys that were read before
    /// stay; a key whose file was removed is gone, as long as another one is left. May wait for the disk.
    pub(super) fn refresh(&self) {
        // Of two who look at once, the second one must not put an older answer in place of a newer one.
        let mut logged = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.snapshot();
        let mut complaints = BTreeMap::new();
        let mut keys = Vec::new();
        match self.folder.files() {
            Ok(files) => {
                for file in files {
                    // A file is never changed: what was read once is not read again.
                    match before.keys.iter().find(|key| self.folder.file_of(&key.name) == file) {
                        Some(known) => keys.push(Arc::clone(known)),
                        None => match self.folder.load(&file) {
                            Ok(new) => keys.extend(new.map(Arc::new)),
                            Err(error) => drop(complaints.insert(file, error.to_string())),
                        },
                    }
                }
                if keys.is_empty() {
                    let error = Reason::NoKey.at(self.folder.path());
                    complaints.insert(String::new(), error.to_string());
                }
            }
            Err(error) => drop(complaints.insert(String::new(), error.to_string())),
        }
        for (file, complaint) in &complaints {
            if logged.get(file) != Some(complaint) {
                log::error!("{complaint}; the keys that were read before stay in use");
            }
        }
        *logged = complaints;
        if keys.is_empty() {
            return;
        }
        keys.sort_by(|one, other| one.name.cmp(&other.name));
        let is_same = keys.len() == before.keys.len()
            && keys.iter().zip(&before.keys).all(|(one, other)| Arc::ptr_eq(one, other));
        if is_same {
            return;
        }
        let is_one_gone = log_changes(&before.keys, &keys);
        let after = Arc::new(Snapshot::new(keys, &self.folder));
        // The old keys are dropped after the lock is.
        drop(mem::replace(&mut *self.snapshot.write().unwrap_or_else(PoisonError::into_inner), after));
        if is_one_gone {
            let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.iter().for_each(|listener| listener.invalidate(&Invalidation::Everything));
        }
    }

    pub(super) fn watch(&self, listener: Arc<dyn CacheInvalidator>) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }
}

/// Whether a key is gone.
fn log_changes(before: &[Arc<Key>], after: &[Arc<Key>]) -> bool {
    let only_in = |these: &[Arc<Key>], those: &[Arc<Key>]| {
        let is_new = |key: &&Arc<Key>| !those.iter().any(|other| Arc::ptr_eq(key, other));
        these.iter().filter(is_new).map(|key| key.name.kid.clone()).collect::<Vec<_>>()
    };
    for kid in only_in(after, before) {
        log::info!("key {kid} is new");
    }
    let gone = only_in(before, after);
    for kid in &gone {
        log::info!("key {kid} is gone");
    }
    !gone.is_empty()
}

impl Snapshot {
    fn new(keys: Vec<Arc<Key>>, folder: &KeyDirectory) -> Self {
        let created = keys.iter().map(|key| key.name.created).collect();
        Self { keys, schedule: Schedule::new(created, folder.rotation()) }
    }

    /// The key that signs.
    pub(super) fn signing(&self, now: Timestamp) -> Option<&Key> {
        self.keys.get(self.schedule.signing(now)?).map(AsRef::as_ref)
    }

    /// Whether it has a key of that name, whatever that does.
    pub(super) fn knows(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.name.kid == kid)
    }

    /// The key of that name, where it verifies.
    pub(super) fn verifying(&self, kid: &str, now: Timestamp) -> Option<&Key> {
        self.published(now).find(|key| key.name.kid == kid)
    }

    /// The public halves of all keys that verify.
    pub(super) fn jwks(&self, now: Timestamp) -> JwkSet<'_> {
        JwkSet { keys: self.published(now).filter_map(Key::jwk).collect() }
    }

    fn published(&self, now: Timestamp) -> impl Iterator<Item = &Key> {
        let counts = move |index| self.schedule.state(index, now) != KeyState::Retired;
        self.keys.iter().enumerate().filter(move |(index, _)| counts(*index)).map(|(_, key)| key.as_ref())
    }
}
