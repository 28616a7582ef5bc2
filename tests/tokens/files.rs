//! The key directory: permissions, damaged keys, concurrent starts.

use std::{
    env, fs,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{LazyLock, Mutex, mpsc},
    thread,
};

use gatepass::jwt::{
    JwtSettings, JwtTokens, KeyDirectory, KeyState, RemoteJwtVerifier, SigningAlgorithm, SigningKeys,
};
use log::{LevelFilter, Log, Metadata, Record};

use crate::{
    support::{
        forge::{Forge, key_files, kid, part, with},
        http::get,
        wait::{TIMEOUT, wait_until},
    },
    tokens::service::{ISSUER, Tokens, at, issue, key_set, now, serve, sign_in, users_me, verify},
};

const BOTH: [SigningAlgorithm; 2] = [SigningAlgorithm::EdDsa, SigningAlgorithm::Hs256];

/// The log messages of this process.
struct Lines(Mutex<Vec<String>>);

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

fn logged(text: &str) -> usize {
    LOG.0.lock().unwrap().iter().filter(|line| line.contains(text)).count()
}

static LOG: LazyLock<&Lines> = LazyLock::new(|| {
    let lines: &Lines = Box::leak(Box::new(Lines(Mutex::new(Vec::new()))));
    log::set_logger(lines).expect("the first logger");
    log::set_max_level(LevelFilter::Info);
    lines
});

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes a key file that only its owner can read.
fn write_key(keys_dir: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let file = keys_dir.join(name);
    fs::write(&file, content).unwrap();
    chmod(&file, 0o600);
    file
}

/// Opens the keys with these settings and returns the expected error.
fn start_error(settings: &JwtSettings) -> String {
    JwtTokens::open_at(settings.clone(), at(2000)).expect_err("unusable keys").to_string()
}

#[test]
fn directory_and_first_key_are_created_with_access_only_for_the_owner() {
    for algorithm in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let keys_dir = folder.path().join("a/b/keys");
        let mut settings = JwtSettings::new(SigningKeys::directory(&keys_dir), ISSUER);
        settings.algorithm = Some(algorithm);
        let first = JwtTokens::open_at(settings.clone(), at(1000)).unwrap();
        assert_eq!(mode(&keys_dir), 0o700);
        let keys = KeyDirectory::new(&keys_dir, &settings);
        let listed = keys.list_at(at(1000)).unwrap();
        assert_eq!((listed.len(), listed[0].state, listed[0].created), (1, KeyState::Signing, at(1000)));
        assert_eq!(mode(&listed[0].file), 0o600);

        let again = JwtTokens::open_at(settings, at(1001)).unwrap();
        assert!(verify(&again, &issue(&first, at(1001)), at(1001)).is_some());
        assert_eq!(keys.list_at(at(1001)).unwrap(), listed);
    }
}

#[test]
fn other_files_in_the_directory_are_ignored() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    for name in ["README", ".new-x7f3Ab", "1000-kid.pem.bak", "pem", ".DS_Store", "1000-kid.der"] {
        fs::write(tokens.keys_dir.join(name), "x").unwrap();
    }
    fs::create_dir(tokens.keys_dir.join("lost+found")).unwrap();
    JwtTokens::open_at(tokens.settings.clone(), at(1000)).expect("one key");
    assert_eq!(tokens.keys().list_at(at(1000)).unwrap().len(), 1);
}

#[test]
fn newer_of_two_files_with_the_same_key_is_used_and_the_older_one_is_logged() {
    LazyLock::force(&LOG);
    for algorithm in BOTH {
        let tokens = Tokens::open(algorithm, at(1000));
        let old = tokens.keys().list_at(at(1000)).unwrap().remove(0);
        let name = old.file.file_name().unwrap().to_str().unwrap();
        let copy = name.replacen("1000-", "1500-", 1);
        write_key(&tokens.keys_dir, &copy, fs::read(&old.file).unwrap());
        let report = format!("{}: the newer file {copy} has the same key ID", old.file.display());

        tokens.tokens.refresh();
        tokens.tokens.refresh();
        assert_eq!(logged(&report), 1);
        let restarted = JwtTokens::open_at(tokens.settings.clone(), at(2000)).expect("one key");
        assert_eq!(logged(&report), 2);
        let token = issue(&restarted, at(2000));
        assert!(verify(&tokens.tokens, &token, at(2000)).is_some());
        for issuer in [&tokens.tokens, &restarted] {
            if algorithm != SigningAlgorithm::Hs256 {
                let set = key_set(issuer, at(2000)).to_string();
                assert_eq!(set.matches(&old.kid).count(), 1, "{set}");
                RemoteJwtVerifier::new(ISSUER, ISSUER).set_keys(set).unwrap();
            }
        }
        let listed = tokens.keys().list_at(at(2000)).unwrap();
        assert_eq!((listed.len(), listed[0].created), (1, at(1500)));
    }
}

#[test]
fn startup_with_a_key_that_other_users_can_access_fails() {
    for algorithm in BOTH {
        let tokens = Tokens::open(algorithm, at(1000));
        let file = tokens.keys().list_at(at(1000)).unwrap().remove(0).file;
        for wrong in [0o644, 0o664, 0o604, 0o666, 0o602, 0o601] {
            chmod(&file, wrong);
            let line = start_error(&tokens.settings);
            assert!(line.starts_with(&format!("{}: ", file.display())), "{line}");
            assert!(line.contains(&format!("{wrong:o}")) && line.contains("chmod 600"), "{line}");
        }
        for (right, kept) in [(0o600, 0o600), (0o400, 0o400), (0o660, 0o600)] {
            chmod(&file, right);
            assert!(JwtTokens::open_at(tokens.settings.clone(), at(1000)).is_ok(), "{right:o}");
            assert_eq!(mode(&file), kept, "{right:o}");
        }
    }
}

#[test]
fn startup_with_a_directory_that_other_users_can_write_to_fails() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    chmod(&tokens.keys_dir, 0o777);
    let line = start_error(&tokens.settings);
    assert!(line.starts_with(&format!("{}: ", tokens.keys_dir.display())) && line.contains("777"), "{line}");
    for wrong in [0o1777, 0o772] {
        chmod(&tokens.keys_dir, wrong);
        assert!(
            start_error(&tokens.settings).contains("other users can add keys to this directory"),
            "{wrong:o}"
        );
    }
    // 2770 is the mode of a Kubernetes volume with `fsGroup`.
    for (right, kept) in [(0o700, 0o700), (0o755, 0o755), (0o500, 0o500), (0o2770, 0o750)] {
        chmod(&tokens.keys_dir, right);
        assert!(JwtTokens::open_at(tokens.settings.clone(), at(1000)).is_ok(), "{right:o}");
        assert_eq!(mode(&tokens.keys_dir), kept, "{right:o}");
    }
}

/// The user that the service runs as in a container, and another user.
const SERVICE: u32 = 65532;
const STRANGER: u32 = 1234;

/// Returns whether the tests run as root. Only root can change the owner of files.
fn is_root() -> bool {
    tempfile::tempfile().unwrap().metadata().unwrap().uid() == 0
}

fn give(path: &Path, owner: u32) {
    chown(path, Some(owner), Some(owner)).unwrap();
}

#[test]
fn root_creates_keys_for_the_directory_owner_and_rejects_keys_of_other_users() {
    if !is_root() {
        return;
    }
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let keys = tokens.keys();
    let first = keys.list_at(at(1000)).unwrap().remove(0).file;
    fs::remove_file(tokens.keys_dir.join(".lock")).unwrap();
    give(&tokens.keys_dir, SERVICE);
    let next = keys.rotate_at(at(1000)).expect("keys of root and of the owner").file;
    for file in [&next, &tokens.keys_dir.join(".lock")] {
        let metadata = fs::metadata(file).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), mode(file)), (SERVICE, SERVICE, 0o600), "{file:?}");
    }
    give(&first, STRANGER);
    let line = start_error(&tokens.settings);
    assert!(line.starts_with(&format!("{}: ", first.display())) && line.contains("1234"), "{line}");
    // In a directory that root owns, keys that belong to the service's user are not accepted.
    give(&first, 0);
    give(&tokens.keys_dir, 0);
    assert!(
        start_error(&tokens.settings).starts_with(&format!("{}: ", next.display())),
        "{}",
        start_error(&tokens.settings)
    );
}

#[test]
fn link_in_place_of_the_lock_file_is_not_followed_and_its_target_keeps_its_owner() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let (lock, target) = (tokens.keys_dir.join(".lock"), tokens.folder.path().join("target"));
    fs::remove_file(&lock).unwrap();
    symlink(&target, &lock).unwrap();
    if is_root() {
        give(&tokens.keys_dir, SERVICE);
    }
    let rotate = || tokens.keys().rotate_at(at(1000)).map_err(|error| error.to_string());
    assert!(rotate().unwrap_err().starts_with(&format!("{}: ", lock.display())));
    assert!(!target.exists());

    fs::write(&target, "secret").unwrap();
    let owner = || fs::metadata(&target).unwrap().uid();
    let before = owner();
    rotate().unwrap_err();
    assert_eq!((owner(), fs::read_to_string(&target).unwrap().as_str()), (before, "secret"));

    // A file that the directory's owner linked or moved to this name keeps its owner too.
    fs::remove_file(&lock).unwrap();
    fs::hard_link(&target, &lock).unwrap();
    rotate().expect("any file can be locked");
    assert_eq!(owner(), before);
    fs::rename(&target, tokens.folder.path().join("first")).unwrap();
    fs::remove_file(tokens.folder.path().join("first")).unwrap();
    rotate().expect("any file can be locked");
    assert_eq!(fs::metadata(&lock).unwrap().uid(), before);
}

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").args(["-m", "600"]).arg(path).status().expect("mkfifo runs");
    assert!(made.success());
}

/// Runs `work`, which must end within [`TIMEOUT`].
fn with_deadline<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(work()));
    receive.recv_timeout(TIMEOUT).expect("the work should end in time")
}

#[test]
fn fifo_named_like_a_key_prevents_startup_but_does_not_affect_a_running_service() {
    LazyLock::force(&LOG);
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, now());
    let address = serve(&tokens.tokens);
    let token = sign_in(address);
    let forge = Forge::with_key_of(&tokens.keys_dir);
    let fifo = tokens.keys_dir.join("1500-fifo.pem");
    make_fifo(&fifo);

    for number in 0..20 {
        let header = with(&forge.header(), "kid", serde_json::json!(format!("unknown-{number}")));
        assert_eq!(users_me(address, &forge.sign(header, part(&token, 1))).status, 401);
        assert_eq!(users_me(address, &token).status, 200);
        assert_eq!(get("/.well-known/jwks.json").send(address).status, 200);
    }
    let message = format!("{}: not a regular file", fifo.display());
    wait_until(TIMEOUT, "the error is logged", || logged(&message) == 1);

    let (settings, keys) = (tokens.settings.clone(), tokens.keys());
    assert!(with_deadline(move || start_error(&settings)).starts_with(&message));
    assert!(with_deadline(move || keys.rotate_at(now())).unwrap_err().to_string().starts_with(&message));
}

#[test]
fn rotation_removes_temporary_files_left_behind_by_an_interrupted_rotation() {
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let [left, directory, note] =
        [".new-x7f3Ab", ".new-directory", "new-note"].map(|name| tokens.keys_dir.join(name));
    fs::write(&left, "a private key").unwrap();
    fs::create_dir(&directory).unwrap();
    fs::write(&note, "a note").unwrap();
    tokens.keys().rotate_at(at(1000)).unwrap();
    assert!(!left.exists() && directory.exists() && note.exists());
}

#[test]
fn startup_with_a_damaged_key_fails_with_one_line_that_names_the_file() {
    let other = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let other_pem = key_files(&other.keys_dir, "pem").remove(0).1;
    let eddsa: Vec<(&str, Vec<u8>, &str)> = vec![
        ("1500-kid.pem", b"".to_vec(), "PKCS#8"),
        ("1500-kid.pem", b"garbage".to_vec(), "PKCS#8"),
        ("1500-kid.pem", other_pem.as_bytes()[..60].to_vec(), "PKCS#8"),
        ("1500-kid.pem", other_pem.replace('M', "N").into_bytes(), "PKCS#8"),
        ("1500-kid.pem", other_pem.replace("PRIVATE", "PUBLIC").into_bytes(), "PKCS#8"),
        ("1500-kid.pem", b"\xff\xfe".to_vec(), "UTF-8"),
        ("1500-kid.pem", vec![b'x'; 20_000], "too large"),
        ("1500-kid.pem", other_pem.clone().into_bytes(), "the key, whose kid is"),
        ("key.pem", other_pem.clone().into_bytes(), "SECONDS-KID.pem"),
        ("1500.pem", other_pem.clone().into_bytes(), "SECONDS-KID.pem"),
    ];
    let hs256: Vec<(&str, Vec<u8>, &str)> = vec![
        ("1500-kid.hs256", b"".to_vec(), "32 bytes"),
        ("1500-kid.hs256", b"secret".to_vec(), "base64url"),
        ("1500-kid.hs256", [b'='; 64].to_vec(), "base64url"),
        ("key.hs256", [b'A'; 64].to_vec(), "SECONDS-KID.hs256"),
    ];
    for (algorithm, damages) in [(SigningAlgorithm::EdDsa, eddsa), (SigningAlgorithm::Hs256, hs256)] {
        for (name, bytes, word) in damages {
            let tokens = Tokens::open(algorithm, at(1000));
            let file = write_key(&tokens.keys_dir, name, bytes);
            let line = start_error(&tokens.settings);
            assert!(line.starts_with(&format!("{}: ", file.display())), "{line}");
            assert!(
                line.contains(word) && !line.contains('\n'),
                "expected one line with {word:?}, got {line:?}"
            );
            let line = tokens.keys().rotate_at(at(2000)).unwrap_err().to_string();
            assert!(line.contains(name), "{line}");
        }
    }
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    fs::DirBuilder::new().mode(0o700).create(tokens.keys_dir.join("1500-kid.pem")).unwrap();
    assert!(start_error(&tokens.settings).contains("1500-kid.pem: "), "{}", start_error(&tokens.settings));
}

#[test]
fn startup_with_a_path_that_is_not_a_directory_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let line = start_error(&JwtSettings::new(SigningKeys::directory(&path), ISSUER));
        assert!(line.starts_with(&format!("{}: ", path.display())), "{line}");
    }
}

#[test]
fn key_directory_error_at_run_time_is_logged_once_and_the_last_keys_stay_in_use() {
    LazyLock::force(&LOG);
    let opened = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let (tokens, keys_dir, folder) = (&opened.tokens, &opened.keys_dir, &opened.folder);
    let token = issue(tokens, at(1000));
    let original = opened.keys().list_at(at(1000)).unwrap().remove(0).file;
    let name = "1500-damaged-while-it-runs.pem";
    let damaged = keys_dir.join(name);
    let message = format!("{}: not a private key in PKCS#8 PEM", damaged.display());

    write_key(keys_dir, name, "garbage");
    for _ in 0..5 {
        tokens.refresh();
    }
    assert_eq!(logged(&message), 1);
    assert!(verify(tokens, &token, at(1000)).is_some());

    // A valid key is used even if another one is damaged.
    let other = KeyDirectory::new(folder.path().join("other"), &opened.settings);
    let next = other.rotate_at(at(1500)).unwrap();
    fs::copy(&next.file, keys_dir.join(next.file.file_name().unwrap())).unwrap();
    tokens.refresh();
    assert_eq!(kid(&issue(tokens, at(2000))), next.kid);

    // A damaged key that is removed and then reappears is logged again.
    fs::remove_file(&damaged).unwrap();
    tokens.refresh();
    write_key(keys_dir, name, "garbage");
    tokens.refresh();
    assert_eq!(logged(&message), 2);

    // If the directory is missing or empty, the last keys stay in use.
    fs::rename(keys_dir, folder.path().join("away")).unwrap();
    for _ in 0..3 {
        tokens.refresh();
    }
    assert_eq!(logged(&format!("{}: No such file", keys_dir.display())), 1);
    assert!(verify(tokens, &token, at(1000)).is_some());
    fs::DirBuilder::new().mode(0o700).create(keys_dir).unwrap();
    tokens.refresh();
    assert_eq!(logged(&format!("{}: this directory contains no key", keys_dir.display())), 1);
    assert!(verify(tokens, &issue(tokens, at(2000)), at(2000)).is_some());
    assert!(!original.exists());
}

/// The environment variable with the directory of the keys that [`issue_token_if_run_as_a_child_process`] uses.
const KEYS_DIR: &str = "TOKENS_TEST_KEYS_DIR";

fn issue_in_child_process(keys_dir: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["tokens::files::issue_token_if_run_as_a_child_process", "--exact", "--nocapture"])
        .env(KEYS_DIR, keys_dir)
        .stdout(Stdio::piped());
    command
}

#[test]
fn issue_token_if_run_as_a_child_process() {
    let Ok(keys_dir) = env::var(KEYS_DIR) else { return };
    let settings = JwtSettings::new(SigningKeys::directory(keys_dir), ISSUER);
    let tokens = JwtTokens::open_at(settings, at(1000)).expect("usable keys");
    println!("\ntoken={}", issue(&tokens, at(1000)));
}

#[test]
fn processes_that_start_concurrently_create_only_one_key() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let keys_dir = folder.path().join("keys");
        let children: Vec<_> =
            (0..6).map(|_| issue_in_child_process(&keys_dir).spawn().expect("the process starts")).collect();
        let tokens: Vec<_> = children
            .into_iter()
            .map(|child| {
                let output = child.wait_with_output().unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                let token = text.lines().find_map(|line| line.strip_prefix("token="));
                token.unwrap_or_else(|| panic!("expected a token, got {text}")).to_owned()
            })
            .collect();
        assert_eq!(key_files(&keys_dir, "pem").len(), 1);
        let settings = JwtSettings::new(SigningKeys::directory(&keys_dir), ISSUER);
        let replica = JwtTokens::open_at(settings, at(1000)).unwrap();
        assert_eq!(tokens.len(), 6);
        for token in tokens {
            assert!(verify(&replica, &token, at(1000)).is_some());
        }
    }
}

#[test]
fn key_directory_is_no_longer_read_after_the_last_clone_is_dropped() {
    LazyLock::force(&LOG);
    let [dropped, control] = [(); 2].map(|()| Tokens::open(SigningAlgorithm::EdDsa, at(1000)));
    let damage = |keys_dir: &Path, name: &str| write_key(keys_dir, name, "garbage").display().to_string();
    let is_read = |tokens: &Tokens, name: &str| {
        let file = damage(&tokens.keys_dir, name);
        wait_until(TIMEOUT, "the directory is read", || logged(&file) == 1);
    };
    let clone = dropped.tokens.clone();
    let Tokens { tokens, keys_dir, folder: _folder, .. } = dropped;
    drop(tokens);
    let first = damage(&keys_dir, "1500-before-the-last-drop.pem");
    wait_until(TIMEOUT, "the directory is read", || logged(&first) == 1);
    drop(clone);
    // A read that began before the drop may still finish. All directories are read once a second.
    is_read(&control, "1500-after-the-drop.pem");
    let second = damage(&keys_dir, "1501-after-the-last-drop.pem");
    is_read(&control, "1501-soon.pem");
    is_read(&control, "1502-one-period-later.pem");
    assert_eq!(logged(&second), 0);
}
