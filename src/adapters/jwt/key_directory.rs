//! The key directory: one file per key, and no other state.

use std::{
    fs::{self, DirBuilder, DirEntry, File},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use zeroize::Zeroizing;

use super::{
    access,
    algorithm::{self, Sign, SigningAlgorithm},
    key::{Key, KeyName},
    key_error::{KeyError, Reason, at},
    schedule::{KeyState, Rotation, Schedule},
    settings::JwtSettings,
};
use crate::domain::time::Timestamp;

/// The lock file. It is locked while a key is created, so that only one of several processes creates the first key.
const LOCK: &str = ".lock";

/// The prefix of key files that are still being written.
const UNFINISHED: &str = ".new-";

/// The maximum time by which a key's timestamp may be ahead of the clock. It may be ahead because the clocks of
/// replicas differ, and because keys created in the same second get successive timestamps.
const MAX_AHEAD: Duration = Duration::from_secs(60);

const MAX_FILE_LENGTH: u64 = 16 * 1024;

/// A key directory, as managed by `gatepass keys`.
///
/// ```
/// use gatepass::jwt::{JwtSettings, KeyDirectory, KeyState, SigningKeys};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("keys");
/// let settings = JwtSettings::new(SigningKeys::directory(&path), "https://auth.example.com");
/// let keys = KeyDirectory::new(path, &settings);
/// keys.rotate()?; // The first key is used immediately.
/// let next = keys.rotate()?; // The second one is published before it is used.
///
/// assert_eq!(keys.list()?[0].state, KeyState::Signing);
/// assert!(matches!(next.state, KeyState::Next { .. }));
/// # Ok::<(), gatepass::BackendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyDirectory {
    path: PathBuf,
    algorithm: Option<SigningAlgorithm>,
    pub(super) rotation: Rotation,
}

/// A key in a key directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// The key ID in tokens and in the key set.
    pub kid: String,
    /// The creation time.
    pub created: Timestamp,
    /// The algorithm of the tokens that the key signs.
    pub algorithm: SigningAlgorithm,
    /// The key file.
    pub file: PathBuf,
    /// The state of the key.
    pub state: KeyState,
}

impl KeyDirectory {
    /// Creates a handle to the keys in `path`, with the durations and the algorithm for new keys from `settings`. Does
    /// not access the disk.
    pub fn new(path: impl Into<PathBuf>, settings: &JwtSettings) -> Self {
        Self { path: path.into(), algorithm: settings.algorithm, rotation: settings.rotation() }
    }

    /// Returns the keys, oldest first; an empty list if the directory does not exist.
    ///
    /// # Errors
    /// [`KeyError`] if the directory or a key cannot be read, or its owner or mode is insecure.
    pub fn list(&self) -> Result<Vec<ListedKey>, KeyError> {
        self.list_at(Timestamp::now())
    }

    /// Creates the next key. It is used after the activation delay, or immediately if it is the first one. Running
    /// services notice the key within a second. Its algorithm is the one in the settings. If they specify none, it is
    /// that of the newest key, or ES256 for the first key.
    ///
    /// # Errors
    /// [`KeyError`] as for [`list`](Self::list), if the key cannot be written, or if the creation time of the newest
    /// key is over a minute ahead of the clock: the next key would not be used before that time.
    pub fn rotate(&self) -> Result<ListedKey, KeyError> {
        self.rotate_at(Timestamp::now())
    }

    /// Adds a private key in PKCS#8 PEM as the next key: P-256 for ES256, RSA with 2048 to 4096 bits for RS256, or
    /// Ed25519 for EdDSA.
    ///
    /// # Errors
    /// [`KeyError`] as for [`rotate`](Self::rotate), or if `pem` is not such a key, or the directory already contains
    /// it.
    pub fn import(&self, pem: &str) -> Result<ListedKey, KeyError> {
        let imported = algorithm::import(pem.trim()).map_err(at("imported key".as_ref()))?;
        self.add(Timestamp::now(), |_| Ok(imported))
    }

    /// Removes the retired keys and returns them.
    ///
    /// # Errors
    /// [`KeyError`] as for [`list`](Self::list), or if a key cannot be removed.
    pub fn prune(&self) -> Result<Vec<ListedKey>, KeyError> {
        self.prune_at(Timestamp::now())
    }

    /// Like [`list`](Self::list), but at a fixed time; for tests.
    #[doc(hidden)]
    pub fn list_at(&self, now: Timestamp) -> Result<Vec<ListedKey>, KeyError> {
        let exists = self.path.try_exists().map_err(at(&self.path))?;
        let keys = if exists { self.read_all()? } else { Vec::new() };
        let schedule = Schedule::new(&keys, self.rotation);
        let listed = keys.iter().enumerate().map(|(index, key)| ListedKey {
            kid: key.name.kid.clone(),
            created: key.name.created,
            algorithm: key.algorithm(),
            file: self.path.join(key.file_name()),
            state: schedule.state(index, now),
        });
        Ok(listed.collect())
    }

    /// Like [`rotate`](Self::rotate), but at a fixed time; for tests.
    #[doc(hidden)]
    pub fn rotate_at(&self, now: Timestamp) -> Result<ListedKey, KeyError> {
        self.add(now, |newest| self.algorithm.or(newest).unwrap_or_default().generate())
    }

    /// Adds the key that `make` returns together with the text of its file. `make` is called with the algorithm of the
    /// newest key.
    fn add(
        &self,
        now: Timestamp,
        make: impl FnOnce(Option<SigningAlgorithm>) -> Result<Material, Reason>,
    ) -> Result<ListedKey, KeyError> {
        self.create_directory()?;
        let _lock = self.lock()?;
        // Lists the keys first, so that a damaged key is reported before a new one is added.
        let keys = self.list_at(now)?;
        self.remove_unfinished()?;
        let newest = keys.last();
        let created = match newest {
            Some(newest) if newest.created > now + MAX_AHEAD => {
                let seconds = newest.created.as_unix().saturating_sub(now.as_unix());
                let stem = KeyName { created: now, kid: newest.kid.clone() };
                let name = format!("{stem}.{}", newest.algorithm.extension());
                return Err(Reason::Ahead { seconds, name }.at(&newest.file));
            }
            // The new key must be newer than all existing keys. Otherwise it might be used immediately.
            Some(newest) => now.max(newest.created + Duration::from_secs(1)),
            None => now,
        };
        let (material, text) = make(newest.map(|key| key.algorithm)).map_err(at(&self.path))?;
        let key = Key::new(material, created).map_err(at(&self.path))?;
        if let Some(known) = keys.iter().find(|known| known.kid == key.name.kid) {
            return Err(Reason::AlreadyExists.at(&known.file));
        }
        self.write(&key, &text)?;
        let mut keys = self.list_at(now)?.into_iter();
        keys.find(|listed| listed.kid == key.name.kid).ok_or_else(|| self.no_key())
    }

    /// Like [`prune`](Self::prune), but at a fixed time; for tests.
    #[doc(hidden)]
    pub fn prune_at(&self, now: Timestamp) -> Result<Vec<ListedKey>, KeyError> {
        let mut keys = self.list_at(now)?;
        keys.retain(|key| key.state == KeyState::Retired);
        for key in &keys {
            match fs::remove_file(&key.file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(&key.file)(error)),
                _ => {}
            }
        }
        Ok(keys)
    }

    /// Returns all keys, oldest first; at least one. Creates the directory and the first key if they do not exist.
    pub(super) fn open(&self, now: Timestamp) -> Result<Vec<Arc<Key>>, KeyError> {
        self.create_directory()?;
        access::restrict_to_owner(&self.path);
        for entry in self.entries()? {
            if algorithm::split_file_name(&entry.file_name().to_string_lossy()).is_some() {
                access::restrict_to_owner(&entry.path());
            }
        }
        let mut keys = self.read_all()?;
        if keys.is_empty() {
            let _lock = self.lock()?;
            // Another process may have created the first key.
            keys = self.read_all()?;
            if keys.is_empty() {
                let (material, text) =
                    self.algorithm.unwrap_or_default().generate().map_err(at(&self.path))?;
                self.write(&Key::new(material, now).map_err(at(&self.path))?, &text)?;
                keys = self.read_all()?;
            }
        }
        if keys.is_empty() { Err(self.no_key()) } else { Ok(keys) }
    }

    fn read_all(&self) -> Result<Vec<Arc<Key>>, KeyError> {
        let (keys, errors) = self.read(&[])?;
        for error in errors {
            // This file is not needed: a newer one has the same key ID.
            if !matches!(error.reason, Reason::SameKid(_)) {
                return Err(error);
            }
            log::error!("{error}");
        }
        Ok(keys)
    }

    /// Reads the keys, oldest first, and returns them with the errors of unusable ones. If several files have the same
    /// kid, the newest is used. Files of `known` keys are not read again: a file's content never changes.
    pub(super) fn read(&self, known: &[Arc<Key>]) -> Result<(Vec<Arc<Key>>, Vec<KeyError>), KeyError> {
        access::check_directory(&self.path)?;
        let (mut keys, mut errors) = (Vec::new(), Vec::new());
        for entry in self.entries()? {
            let file = entry.file_name().to_string_lossy().into_owned();
            let Some((stem, extension)) = algorithm::split_file_name(&file) else { continue };
            match known.iter().find(|key| key.file_name() == file) {
                Some(known) => keys.push(Arc::clone(known)),
                None => match self.load(&entry.path(), stem, extension) {
                    Ok(key) => keys.push(Arc::new(key)),
                    // The file was removed concurrently.
                    Err(Reason::Io(error)) if error.kind() == ErrorKind::NotFound => {}
                    Err(reason) => errors.push(reason.at(&entry.path())),
                },
            }
        }
        keys.sort_by(|one, other| one.name.cmp(&other.name));
        let mut newest: Vec<Arc<Key>> = Vec::with_capacity(keys.len());
        for key in keys.into_iter().rev() {
            match newest.iter().find(|newer| newer.name.kid == key.name.kid) {
                Some(newer) => {
                    errors.push(Reason::SameKid(newer.file_name()).at(&self.path.join(key.file_name())));
                }
                None => newest.push(key),
            }
        }
        newest.reverse();
        Ok((newest, errors))
    }

    fn load(&self, path: &Path, stem: &str, extension: &str) -> Result<Key, Reason> {
        let file = access::open_key(path, &self.path)?;
        let mut text = Zeroizing::new(String::with_capacity(1024));
        if file.take(MAX_FILE_LENGTH).read_to_string(&mut text)? as u64 == MAX_FILE_LENGTH {
            return Err(Reason::TooLong);
        }
        let name = KeyName::parse(stem).ok_or_else(|| Reason::FileName(extension.to_owned()))?;
        Key::parse(name, extension, &text)
    }

    pub(super) fn no_key(&self) -> KeyError {
        Reason::NoKey.at(&self.path)
    }

    fn entries(&self) -> Result<Vec<DirEntry>, KeyError> {
        fs::read_dir(&self.path).and_then(Iterator::collect).map_err(at(&self.path))
    }

    /// Removes files that were left behind by processes that were killed while creating a key. The caller must hold the
    /// lock.
    fn remove_unfinished(&self) -> Result<(), KeyError> {
        for entry in self.entries()? {
            let is_file = entry.file_type().map_err(at(&self.path))?.is_file();
            if is_file && entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                fs::remove_file(entry.path()).map_err(at(&entry.path()))?;
            }
        }
        Ok(())
    }

    /// Writes the file of a key, atomically.
    fn write(&self, key: &Key, text: &str) -> Result<(), KeyError> {
        let path = self.path.join(key.file_name());
        let write = || {
            // tempfile creates files with mode 0600.
            let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.path)?;
            file.write_all(text.as_bytes())?;
            access::give_to_directory_owner(file.as_file(), &self.path)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            // Syncing the directory makes the rename durable.
            #[cfg(unix)]
            File::open(&self.path)?.sync_all()?;
            io::Result::Ok(())
        };
        write().map_err(at(&path))
    }

    fn create_directory(&self) -> Result<(), KeyError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path).map_err(at(&self.path))
    }

    /// Waits for the lock, which is held until the returned file is dropped.
    fn lock(&self) -> Result<File, KeyError> {
        let path = self.path.join(LOCK);
        let file = access::open_lock(&path, &self.path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
    }
}

/// A key and the text of its file.
type Material = (Box<dyn Sign>, Zeroizing<String>);
