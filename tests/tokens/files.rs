//! The folder of the keys: made, damaged, shared.

use std::{
    env, fs,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
    sync::{LazyLock, Mutex, mpsc},
    thread,
    time::Duration,
};

use gatepass::{JwtSettings, JwtTokens, KeyDirectory, KeyState, SigningAlgorithm};
use log::{LevelFilter, Log, Metadata, Record};

use crate::{
    forge::{Forge, key_files, kid, part, with},
    service::{ISSUER, Tokens, at, issue, now, serve, sign_in, users_me, verify, wait_for},
    support::{http::get, service::PATIENCE},
};

const BOTH: [SigningAlgorithm; 2] = [SigningAlgorithm::EdDsa, SigningAlgorithm::Hs256];

/// The log of this process.
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

/// The line with which a start on this folder fails.
fn fault(settings: &JwtSettings) -> String {
    JwtTokens::open(settings.clone(), at(2000)).expect_err("it does not start").to_string()
}

#[test]
fn the_folder_and_the_first_key_are_made_for_the_owner_alone() {
    for algorithm in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = JwtSettings::new(folder.path().join("a/b/keys"), ISSUER);
        settings.algorithm = algorithm;
        let first = JwtTokens::open(settings.clone(), at(1000)).unwrap();
        assert_eq!(mode(&settings.keys_dir), 0o700);
        let listed = KeyDirectory::new(&settings).list(at(1000)).unwrap();
        assert_eq!((listed.len(), listed[0].state, listed[0].created), (1, KeyState::Signing, at(1000)));
        assert_eq!(mode(&listed[0].file), 0o600);

        let again = JwtTokens::open(settings.clone(), at(1001)).unwrap();
        assert!(verify(&again, &issue(&first, at(1001)), at(1001)).is_some());
        assert_eq!(KeyDirectory::new(&settings).list(at(1001)).unwrap(), listed);
    }
}

#[test]
fn what_is_no_key_lies_there_undisturbed() {
    let Tokens { settings, .. } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    for name in ["README", ".new-x7f3Ab", "1000-kid.pem.bak", "pem", ".DS_Store", "1000-kid.hs256"] {
        fs::write(settings.keys_dir.join(name), "x").unwrap();
    }
    fs::create_dir(settings.keys_dir.join("lost+found")).unwrap();
    JwtTokens::open(settings.clone(), at(1000)).expect("one key");
    assert_eq!(KeyDirectory::new(settings).list(at(1000)).unwrap().len(), 1);
}

#[test]
fn a_key_that_others_may_read_stops_the_start() {
    for algorithm in BOTH {
        let Tokens { settings, .. } = &Tokens::open(algorithm, at(1000));
        let file = KeyDirectory::new(settings).list(at(1000)).unwrap().remove(0).file;
        for wrong in [0o644, 0o604, 0o666, 0o660, 0o602, 0o601] {
            chmod(&file, wrong);
            let line = fault(settings);
            assert!(line.starts_with(&format!("{}: ", file.display())), "{line}");
            assert!(line.contains(&format!("{wrong:o}")) && line.contains("chmod 600"), "{line}");
        }
        for right in [0o600, 0o400] {
            chmod(&file, right);
            assert!(JwtTokens::open(settings.clone(), at(1000)).is_ok(), "{right:o}");
        }
    }
}

#[test]
fn a_folder_that_others_may_write_into_stops_the_start() {
    let Tokens { settings, .. } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    chmod(&settings.keys_dir, 0o777);
    let line = fault(settings);
    assert!(
        line.starts_with(&format!("{}: ", settings.keys_dir.display())) && line.contains("777"),
        "{line}"
    );
    for wrong in [0o1777, 0o770, 0o720] {
        chmod(&settings.keys_dir, wrong);
        assert!(fault(settings).contains("others may put keys into this folder"), "{wrong:o}");
    }
    for right in [0o700, 0o755, 0o500] {
        chmod(&settings.keys_dir, right);
        assert!(JwtTokens::open(settings.clone(), at(1000)).is_ok(), "{right:o}");
    }
}

/// Whom the service runs as in a container, and somebody else.
const SERVICE: u32 = 65532;
const STRANGER: u32 = 1234;

/// Only root can put files into the hands of others: elsewhere, what this guards is left out.
fn is_root() -> bool {
    tempfile::tempfile().unwrap().metadata().unwrap().uid() == 0
}

fn give(path: &Path, owner: u32) {
    chown(path, Some(owner), Some(owner)).unwrap();
}

#[test]
fn root_makes_keys_for_the_folders_owner_and_takes_none_of_a_strangers() {
    if !is_root() {
        return;
    }
    let Tokens { settings, .. } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let keys = KeyDirectory::new(settings);
    let first = keys.list(at(1000)).unwrap().remove(0).file;
    fs::remove_file(settings.keys_dir.join(".lock")).unwrap();
    give(&settings.keys_dir, SERVICE);
    let next = keys.rotate(at(1000)).expect("root's key and the owner's are right").file;
    for file in [&next, &settings.keys_dir.join(".lock")] {
        let metadata = fs::metadata(file).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), mode(file)), (SERVICE, SERVICE, 0o600), "{file:?}");
    }
    give(&first, STRANGER);
    let line = fault(settings);
    assert!(line.starts_with(&format!("{}: ", first.display())) && line.contains("1234"), "{line}");
    // In root's own folder the service's user is a stranger, too.
    give(&first, 0);
    give(&settings.keys_dir, 0);
    assert!(fault(settings).starts_with(&format!("{}: ", next.display())), "{}", fault(settings));
}

#[test]
fn the_services_user_takes_its_own_folder_and_roots_and_no_strangers() {
    if !is_root() {
        return;
    }
    let Tokens { settings, folder, .. } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    chmod(folder.path(), 0o755);
    chmod(&settings.keys_dir, 0o755);
    let file = KeyDirectory::new(settings).list(at(1000)).unwrap().remove(0).file;
    for (keys_dir, key, right) in [
        (SERVICE, SERVICE, true),
        (0, SERVICE, true),
        (STRANGER, SERVICE, false),
        (SERVICE, STRANGER, false),
        (0, STRANGER, false),
    ] {
        give(&settings.keys_dir, keys_dir);
        give(&file, key);
        let mut command = in_a_process("issue", &settings.keys_dir);
        let output = match command.uid(SERVICE).gid(SERVICE).output() {
            // The folder of this binary is closed to others.
            Err(_) => return,
            Ok(output) => output,
        };
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.contains("\ntoken="), right, "folder {keys_dir}, key {key}: {text}");
    }
}

#[test]
fn a_lock_that_is_a_link_is_neither_followed_nor_given_away() {
    let Tokens { settings, folder, .. } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let (lock, target) = (settings.keys_dir.join(".lock"), folder.path().join("target"));
    fs::remove_file(&lock).unwrap();
    symlink(&target, &lock).unwrap();
    if is_root() {
        give(&settings.keys_dir, SERVICE);
    }
    let rotate = || KeyDirectory::new(settings).rotate(at(1000)).map_err(|error| error.to_string());
    assert!(rotate().unwrap_err().starts_with(&format!("{}: ", lock.display())));
    assert!(!target.exists());

    fs::write(&target, "secret").unwrap();
    let owner = || fs::metadata(&target).unwrap().uid();
    let before = owner();
    rotate().unwrap_err();
    assert_eq!((owner(), fs::read_to_string(&target).unwrap().as_str()), (before, "secret"));

    // Neither is what the folder's owner linked or moved to this name.
    fs::remove_file(&lock).unwrap();
    fs::hard_link(&target, &lock).unwrap();
    rotate().expect("a lock as good as any");
    assert_eq!(owner(), before);
    fs::rename(&target, folder.path().join("first")).unwrap();
    fs::remove_file(folder.path().join("first")).unwrap();
    rotate().expect("a lock as good as any");
    assert_eq!(fs::metadata(&lock).unwrap().uid(), before);
}

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").args(["-m", "600"]).arg(path).status().expect("mkfifo runs");
    assert!(made.success());
}

/// What `work` comes to, where it does not wait for ever.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(work()));
    receive.recv_timeout(PATIENCE).expect("it ends")
}

#[test]
fn a_fifo_that_is_named_like_a_key_stops_the_start_and_nothing_else() {
    LazyLock::force(&LOG);
    let tokens = Tokens::open(SigningAlgorithm::EdDsa, now());
    let address = serve(&tokens.tokens);
    let token = sign_in(address);
    let forge = Forge::with_key_of(tokens.keys_dir());
    let fifo = tokens.keys_dir().join("1500-fifo.pem");
    make_fifo(&fifo);

    for number in 0..20 {
        let header = with(&forge.header(), "kid", serde_json::json!(format!("unknown-{number}")));
        assert_eq!(users_me(address, &forge.sign(header, part(&token, 1))).status, 401);
        assert_eq!(users_me(address, &token).status, 200);
        assert_eq!(get("/.well-known/jwks.json").send(address).status, 200);
    }
    let complaint = format!("{}: no regular file", fifo.display());
    wait_for("the complaint", || (logged(&complaint) == 1).then_some(()));

    let (settings, rotation) = (tokens.settings.clone(), KeyDirectory::new(&tokens.settings));
    assert!(in_time(move || fault(&settings)).starts_with(&complaint));
    assert!(in_time(move || rotation.rotate(now())).unwrap_err().to_string().starts_with(&complaint));
}

#[test]
fn a_rotation_removes_what_a_killed_one_left() {
    let Tokens { settings, .. } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let [left, folder, own] =
        [".new-x7f3Ab", ".new-folder", "new-note"].map(|name| settings.keys_dir.join(name));
    fs::write(&left, "a private key").unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(&own, "a note").unwrap();
    KeyDirectory::new(settings).rotate(at(1000)).unwrap();
    assert!(!left.exists() && folder.exists() && own.exists());
}

#[test]
fn a_damaged_key_stops_the_start_with_one_line_about_its_file() {
    let other = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let other_pem = key_files(other.keys_dir(), "pem").remove(0).1;
    let eddsa: Vec<(&str, Vec<u8>, &str)> = vec![
        ("1500-kid.pem", b"".to_vec(), "PKCS#8"),
        ("1500-kid.pem", b"garbage".to_vec(), "PKCS#8"),
        ("1500-kid.pem", other_pem.as_bytes()[..60].to_vec(), "PKCS#8"),
        ("1500-kid.pem", other_pem.replace('M', "N").into_bytes(), "PKCS#8"),
        ("1500-kid.pem", other_pem.replace("PRIVATE", "PUBLIC").into_bytes(), "PKCS#8"),
        ("1500-kid.pem", b"\xff\xfe".to_vec(), "UTF-8"),
        ("1500-kid.pem", vec![b'x'; 20_000], "longer"),
        ("1500-kid.pem", other_pem.clone().into_bytes(), "its kid is"),
        ("key.pem", other_pem.clone().into_bytes(), "SECONDS-KID.pem"),
        ("1500.pem", other_pem.clone().into_bytes(), "SECONDS-KID.pem"),
    ];
    let hs256: Vec<(&str, Vec<u8>, &str)> = vec![
        ("1500-kid.hs256", b"".to_vec(), "32 bytes"),
        ("1500-kid.hs256", b"secret".to_vec(), "32 bytes"),
        ("1500-kid.hs256", [b'='; 64].to_vec(), "32 bytes"),
        ("key.hs256", [b'A'; 64].to_vec(), "SECONDS-KID.hs256"),
    ];
    for (algorithm, damages) in [(SigningAlgorithm::EdDsa, eddsa), (SigningAlgorithm::Hs256, hs256)] {
        for (name, bytes, word) in damages {
            let Tokens { settings, .. } = &Tokens::open(algorithm, at(1000));
            let file = settings.keys_dir.join(name);
            fs::write(&file, bytes).unwrap();
            chmod(&file, 0o600);
            let line = fault(settings);
            assert!(line.starts_with(&format!("{}: ", file.display())), "{line}");
            assert!(line.contains(word) && !line.contains('\n'), "{word:?} in {line:?}");
            let line = KeyDirectory::new(settings).rotate(at(2000)).unwrap_err().to_string();
            assert!(line.contains(name), "{line}");
        }
    }
    let Tokens { settings, .. } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    fs::DirBuilder::new().mode(0o700).create(settings.keys_dir.join("1500-kid.pem")).unwrap();
    assert!(fault(settings).contains("1500-kid.pem: "), "{}", fault(settings));
}

#[test]
fn a_folder_that_is_none_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let line = fault(&JwtSettings::new(&path, ISSUER));
        assert!(line.starts_with(&format!("{}: ", path.display())), "{line}");
    }
}

#[test]
fn what_breaks_while_it_runs_is_logged_once_and_the_old_keys_stay() {
    LazyLock::force(&LOG);
    let Tokens { tokens, settings, folder } = &Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let token = issue(tokens, at(1000));
    let own = KeyDirectory::new(settings).list(at(1000)).unwrap().remove(0).file;
    let damaged = settings.keys_dir.join("1500-damaged-while-it-runs.pem");
    let complaint = format!("{}: no Ed25519 key", damaged.display());

    fs::write(&damaged, "garbage").unwrap();
    chmod(&damaged, 0o600);
    for _ in 0..5 {
        tokens.refresh();
    }
    assert_eq!(logged(&complaint), 1);
    assert!(verify(tokens, &token, at(1000)).is_some());

    // A damaged key does not keep a good one out.
    let mut next = settings.clone();
    next.keys_dir = folder.path().join("other");
    let next = KeyDirectory::new(&next).rotate(at(1500)).unwrap();
    fs::copy(&next.file, settings.keys_dir.join(next.file.file_name().unwrap())).unwrap();
    tokens.refresh();
    assert_eq!(kid(&issue(tokens, at(2000))), next.kid);

    // Mended and broken again is news.
    fs::remove_file(&damaged).unwrap();
    tokens.refresh();
    fs::write(&damaged, "garbage").unwrap();
    chmod(&damaged, 0o600);
    tokens.refresh();
    assert_eq!(logged(&complaint), 2);

    // Without any file it goes on with the keys it has.
    fs::rename(&settings.keys_dir, folder.path().join("away")).unwrap();
    for _ in 0..3 {
        tokens.refresh();
    }
    assert_eq!(logged(&format!("{}: No such file", settings.keys_dir.display())), 1);
    assert!(verify(tokens, &token, at(1000)).is_some());
    fs::DirBuilder::new().mode(0o700).create(&settings.keys_dir).unwrap();
    tokens.refresh();
    assert_eq!(logged(&format!("{}: there is no key", settings.keys_dir.display())), 1);
    assert!(verify(tokens, &issue(tokens, at(2000)), at(2000)).is_some());
    assert!(!own.exists());
}

/// What a test of this file does in a process of its own, where this says so.
const TASK: &str = "TOKENS_TEST_TASK";

fn in_a_process(task: &str, folder: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["files::a_task_for_a_process_of_its_own", "--exact", "--nocapture"])
        .env(TASK, format!("{task} {}", folder.display()))
        .stdout(Stdio::piped());
    command
}

#[test]
fn a_task_for_a_process_of_its_own() {
    let Ok(task) = env::var(TASK) else { return };
    let (task, folder) = task.split_once(' ').unwrap();
    let settings = JwtSettings::new(folder, ISSUER);
    let tokens = JwtTokens::open(settings, at(1000)).expect("it starts");
    match task {
        "issue" => println!("\ntoken={}", issue(&tokens, at(1000))),
        "drop" => {
            let threads = || {
                let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
                tasks
                    .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
                    .filter(|name| name.trim() == "gatepass-keys")
                    .count()
            };
            wait_for("its thread", || (threads() == 1).then_some(()));
            let clone = tokens.clone();
            drop(tokens);
            assert_eq!(threads(), 1);
            drop(clone);
            wait_for("the end of its thread", || (threads() == 0).then_some(()));
        }
        _ => panic!("{task}"),
    }
}

#[test]
fn processes_that_start_at_once_make_one_key() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let keys_dir = folder.path().join("keys");
        let children: Vec<_> =
            (0..6).map(|_| in_a_process("issue", &keys_dir).spawn().expect("it starts")).collect();
        let tokens: Vec<_> = children
            .into_iter()
            .map(|child| {
                let output = child.wait_with_output().unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                let token = text.lines().find_map(|line| line.strip_prefix("token="));
                token.unwrap_or_else(|| panic!("no token: {text}")).to_owned()
            })
            .collect();
        assert_eq!(key_files(&keys_dir, "pem").len(), 1);
        let mut settings = JwtSettings::new(&keys_dir, ISSUER);
        settings.activation_delay = Duration::ZERO;
        let ring = JwtTokens::open(settings, at(1000)).unwrap();
        assert_eq!(tokens.len(), 6);
        for token in tokens {
            assert!(verify(&ring, &token, at(1000)).is_some());
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_watching_thread_ends_with_the_last_clone() {
    let folder = tempfile::tempdir().unwrap();
    let output = in_a_process("drop", &folder.path().join("keys")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
