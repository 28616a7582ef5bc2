//! The folder of the keys: one file a key, and nothing else that would have to be kept.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use zeroize::Zeroizing;

use super::{
    access,
    algorithm::SigningAlgorithm,
    key::Key,
    key_error::{KeyError, Reason, at},
    key_name::KeyName,
    schedule::{KeyState, Rotation, Schedule},
    settings::JwtSettings,
};
use crate::domain::time::Timestamp;

/// Held while a key is made, so that of two processes that start at once one makes the first key.
const LOCK: &str = ".lock";

/// How the names of files begin that are not yet keys.
const UNFINISHED: &str = ".new-";

/// How far a key may lie ahead: the clocks of replicas differ, and keys made in one second get one each.
const AHEAD: Duration = Duration::from_secs(60);

const LONGEST_FILE: u64 = 16 * 1024;

/// The keys as files: what `gatepass keys` shows and changes.
///
/// ```
/// use gatepass::{JwtSettings, KeyDirectory, KeyState, Timestamp};
///
/// # let folder = tempfile::tempdir()?;
/// # let keys_dir = folder.path();
/// let keys = KeyDirectory::new(&JwtSettings::new(keys_dir, "https://auth.example.com"));
/// let now = Timestamp::from_unix(1_700_000_000);
/// keys.rotate(now)?;                      // the first key signs at once
/// let next = keys.rotate(now)?;           // the second one is published before it signs
///
/// assert_eq!(keys.list(now)?[0].state, KeyState::Signing);
/// assert!(matches!(next.state, KeyState::Next { .. }));
/// # Ok::<(), gatepass::BackendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyDirectory {
    path: PathBuf,
    algorithm: SigningAlgorithm,
    rotation: Rotation,
}

/// A key in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// Its name in tokens and in /.well-known/jwks.json.
    pub kid: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its file.
    pub file: PathBuf,
    /// What it does.
    pub state: KeyState,
}

impl KeyDirectory {
    /// The folder and the algorithm that `settings` name. Touches nothing yet.
    pub fn new(settings: &JwtSettings) -> Self {
        Self { path: settings.keys_dir.clone(), algorithm: settings.algorithm, rotation: settings.rotation() }
    }

    /// The keys, oldest first, and what each one does at `now`; none where there is no folder.
    ///
    /// # Errors
    /// Where the folder or a key cannot be read, or others have access that they must not have.
    pub fn list(&self, now: Timestamp) -> Result<Vec<ListedKey>, KeyError> {
        let is_there = self.path.try_exists().map_err(at(&self.path))?;
        let keys = if is_there { self.load_all()? } else { Vec::new() };
        let schedule = Schedule::new(keys.iter().map(|key| key.name.created).collect(), self.rotation);
        let listed = keys.into_iter().enumerate().map(|(index, key)| ListedKey {
            file: self.path_of(&self.file_of(&key.name)),
            state: schedule.state(index, now),
            created: key.name.created,
            kid: key.name.kid,
        });
        Ok(listed.collect())
    }

    /// Makes the next key, which signs once it has been published for the activation delay, or at once where it
    /// is the first one. A running service takes it without a restart.
    ///
    /// # Errors
    /// As [`list`](Self::list), where the key cannot be written, and where the clock of the newest key's maker was
    /// ahead: the next one would wait until then.
    pub fn rotate(&self, now: Timestamp) -> Result<ListedKey, KeyError> {
        self.make_folder()?;
        let _lock = self.lock()?;
        // A damaged key is reported before another one is added.
        let newest = self.list(now)?.pop();
        self.remove_unfinished()?;
        if let Some(key) = newest.as_ref().filter(|key| key.created > now + AHEAD) {
            return Err(self.ahead(key, now).at(&key.file));
        }
        // After every key there is, or it might sign at once.
        let after = newest.map(|key| key.created + Duration::from_secs(1));
        let name = self.create(after.map_or(now, |after| after.max(now)))?;
        let mut keys = self.list(now)?.into_iter();
        keys.find(|key| key.kid == name.kid).ok_or_else(|| Reason::NoKey.at(&self.path))
    }

    /// Removes the keys that count no more, and says which.
    ///
    /// # Errors
    /// As [`list`](Self::list), and where a key cannot be removed.
    pub fn prune(&self, now: Timestamp) -> Result<Vec<ListedKey>, KeyError> {
        let mut keys = self.list(now)?;
        keys.retain(|key| key.state == KeyState::Retired);
        for key in &keys {
            match fs::remove_file(&key.file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Reason::Io(error).at(&key.file));
                }
                _ => {}
            }
        }
        Ok(keys)
    }

    /// All keys, oldest first; makes the folder and the first key where there is none.
    pub(super) fn open(&self, now: Timestamp) -> Result<Vec<Key>, KeyError> {
        self.make_folder()?;
        let keys = self.load_all()?;
        if !keys.is_empty() {
            return Ok(keys);
        }
        let _lock = self.lock()?;
        // Another process may have been first.
        if self.files()?.is_empty() {
            self.create(now)?;
        }
        self.load_all()
    }

    fn load_all(&self) -> Result<Vec<Key>, KeyError> {
        let mut keys = Vec::new();
        for file in self.files()? {
            keys.extend(self.load(&file)?);
        }
        keys.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(keys)
    }

    /// The names of the files that should be keys of the algorithm, in no order.
    pub(super) fn files(&self) -> Result<Vec<String>, KeyError> {
        let fault = at(&self.path);
        access::check_folder(&self.path)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(&fault)? {
            let file = entry.map_err(&fault)?.file_name().to_string_lossy().into_owned();
            if self.stem(&file).is_some() {
                files.push(file);
            }
        }
        Ok(files)
    }

    /// The key of one file, or `None` where the file is gone.
    pub(super) fn load(&self, file: &str) -> Result<Option<Key>, KeyError> {
        let path = self.path_of(file);
        let text = match read(&path, &self.path) {
            Err(Reason::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(at(&path))?,
        };
        let name = self.stem(file).and_then(KeyName::parse);
        let name = name.ok_or_else(|| Reason::Misnamed(self.algorithm.extension()).at(&path))?;
        Key::parse(name, self.algorithm, &text).map(Some).map_err(at(&path))
    }

    pub(super) fn file_of(&self, name: &KeyName) -> String {
        format!("{name}.{}", self.algorithm.extension())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn rotation(&self) -> Rotation {
        self.rotation
    }

    fn stem<'a>(&self, file: &'a str) -> Option<&'a str> {
        file.strip_suffix(self.algorithm.extension())?.strip_suffix('.')
    }

    fn path_of(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    /// Removes what was left by a process that was killed while it made a key. Only who holds the lock makes one.
    fn remove_unfinished(&self) -> Result<(), KeyError> {
        let fault = at::<io::Error>(&self.path);
        for entry in fs::read_dir(&self.path).map_err(&fault)? {
            let entry = entry.map_err(&fault)?;
            let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
            if is_unfinished && entry.file_type().map_err(&fault)?.is_file() {
                fs::remove_file(entry.path()).map_err(at(&entry.path()))?;
            }
        }
        Ok(())
    }

    fn ahead(&self, key: &ListedKey, now: Timestamp) -> Reason {
        let seconds = key.created.as_unix().saturating_sub(now.as_unix());
        Reason::Ahead { seconds, name: self.file_of(&KeyName { created: now, kid: key.kid.clone() }) }
    }

    /// Writes a new key: its file is there whole or not at all.
    fn create(&self, created: Timestamp) -> Result<KeyName, KeyError> {
        let fault = at::<Reason>(&self.path);
        let (key, text) = Key::generate(self.algorithm, created).map_err(&fault)?;
        let path = self.path_of(&self.file_of(&key.name));
        self.write(&path, text.as_bytes()).map_err(at(&path))?;
        Ok(key.name)
    }

    fn write(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        // Of mode 0600 from the beginning.
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.path)?;
        file.write_all(text)?;
        access::give_to_the_folders_owner(file.as_file(), &self.path)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        // The name is on the disk only once the folder is.
        #[cfg(unix)]
        File::open(&self.path)?.sync_all()?;
        Ok(())
    }

    fn make_folder(&self) -> Result<(), KeyError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path).map_err(at(&self.path))
    }

    /// Waits for its turn; the turn ends when the file is dropped.
    fn lock(&self) -> Result<File, KeyError> {
        let path = self.path_of(LOCK);
        let file = access::open_lock(&path, &self.path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
    }
}

fn read(path: &Path, folder: &Path) -> Result<Zeroizing<String>, Reason> {
    let file = access::open_key(path, folder)?;
    let mut text = Zeroizing::new(String::with_capacity(1024));
    if file.take(LONGEST_FILE).read_to_string(&mut text)? as u64 == LONGEST_FILE {
        return Err(Reason::TooLong);
    }
    Ok(text)
}
