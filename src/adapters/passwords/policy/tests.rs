use std::{
    num::NonZeroUsize,
    pin::pin,
    sync::mpsc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use sha1::{Digest, Sha1};

use super::*;
use crate::adapters::passwords::Argon2Settings;

const TOO_SHORT: Result<(), WeakPassword> = Err(WeakPassword::TooShort { minimum: 15 });

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn check_from(minimum: usize, password: &str) -> Result<(), WeakPassword> {
    let policy = StrengthPolicy::new(&Argon2Hasher::default()).min_characters(minimum);
    let policy = policy.context(["gatepass", "auth.acme.example"]);
    block_on(policy.check(&password.into(), &["johndoe", "jd.smith@example.com", "John Doe", "Jörg"]))
        .unwrap()
}

fn check(password: &str) -> Result<(), WeakPassword> {
    check_from(15, password)
}

#[test]
fn check_with_a_full_queue_returns_a_temporary_error() {
    let (threads, queue) = (Some(NonZeroUsize::MIN), NonZeroUsize::MIN);
    let hasher =
        Argon2Hasher::with_settings(Argon2Settings { threads, queue, ..Default::default() }).unwrap();
    let policy = StrengthPolicy::new(&hasher);
    let check = async |password: &str| policy.check(&password.into(), &[]).await;
    let (release, wait) = mpsc::channel::<()>();
    let mut hash = pin!(hasher.pool.run(0, move |_| Ok(wait.recv()?)));
    let mut waiting = pin!(check("my dog eats socks"));
    let mut context = Context::from_waker(Waker::noop());
    assert!(hash.as_mut().poll(&mut context).is_pending());
    assert!(waiting.as_mut().poll(&mut context).is_pending());

    let error = block_on(check("my cat eats socks")).unwrap_err();
    assert!(error.is_temporary() && error.retry_after().is_some());
    assert_eq!(hasher.load().refused, 1);
    assert_eq!(
        block_on(check("short")).unwrap(),
        TOO_SHORT,
        "expected the length to be checked without an estimate"
    );

    release.send(()).unwrap();
    block_on(hash).unwrap();
    assert_eq!(block_on(waiting).unwrap(), Ok(()));
    assert_eq!(block_on(check("my cat eats socks")).unwrap(), Ok(()));
}

/// Common passwords, and their usual variants, which satisfy composition rules.
const COMMON: [&str; 68] = [
    "password1",
    "qwertyuiop",
    "12345678",
    "iloveyou",
    "Password1!",
    "P@ssw0rd",
    "trustno1",
    "aaaaaaaa",
    "abcdefgh",
    "summer2024",
    "01011990",
    "1q2w3e4r",
    "Password@123",
    "Summer2025!",
    "P@ssw0rd2024!",
    "Welcome2025!!",
    "Qwerty123456!",
    "Admin@12345",
    "Letmein2024!",
    "Spring2026#",
    "Winter2025!!",
    "January2025!",
    "Monday@2025",
    "Company123!",
    "Changeme123!",
    "Test1234!@#$",
    "1q2w3e4r5t6y",
    "Passwort2025!",
    "Sommer2025!",
    "Baseball@12345",
    "Welcome2Company!",
    "PurpleElephant7",
    // 15 characters or more.
    "Passw0rd!Passw0rd!",
    "1qaz2wsx3edc4rfv",
    "1q2w3e4r5t6y7u8i9o0p",
    "qwertyuiopasdfgh",
    "!QAZ2wsx#EDC4rfv",
    "!QAZ@WSX#EDC$RFV",
    "qwertyuiop[]asdfghjkl",
    "123456789012345",
    "111111111111111",
    "aaaaaaaaaaaaaaaaaaaa",
    "abcdefghijklmnop",
    "password12345678",
    "PasswordPassword1!",
    "iloveyouiloveyou",
    "letmeinletmein2025",
    "Football2025!!!",
    "Liverpool2024!!!",
    "Superman12345!!",
    "Dragon!Dragon!Dragon!",
    "monkeymonkeymonkey",
    "administrator2025",
    "Administrator@123",
    "Sunshine@2025!!",
    "Princess12345!!!",
    "baseball20252025",
    "Michael19871987!",
    "Jennifer@1990!!",
    "qwerty123qwerty123",
    "asdfghjkl123456",
    "MyPassword123456",
    "MyP@ssw0rdIsGood1",
    "thequickbrownfox",
    "Monday January 1",
    "London2025London",
    // In fullwidth characters, which are normalized before hashing.
    "ｐａｓｓｗｏｒｄ１",
    "ＰＡＳＳＷＯＲＤ１２３４５６７８",
];

/// Words from the context, and their usual variants.
const CONTEXTUAL: [&str; 22] = [
    "johndoe1",
    "johndoejohndoe",
    "JOHNDOE7",
    "Example1",
    "gatepass123",
    "Johndoe2025!",
    "j0hnd0e@2025!",
    "johndoe48291734",
    "G@tepass!2025",
    "smith-example-2025",
    "jörg2025!!",
    // 15 characters or more.
    "jd.smith@example.com",
    "jd.smith@example.com1",
    "JohnDoe19851985!",
    "johnDoe12345678901",
    "eodnhoj_eodnhoj_1",
    "gatepass2025!gatepass",
    "acme2025acme2025",
    "AcmePassword2025!",
    "johndoe4829173465",
    "Gatepass@johndoe1",
    // In fullwidth characters.
    "ｊｏｈｎｄｏｅ１",
];

#[test]
fn weak_password_is_rejected_with_the_reason_even_if_it_is_long_enough() {
    for (passwords, reason) in
        [(&COMMON[..], WeakPassword::TooEasy), (&CONTEXTUAL, WeakPassword::UsesContext)]
    {
        for password in passwords {
            assert_eq!(check_from(8, password), Err(reason), "{password}");
            let expected = if password.chars().count() < 15 { TOO_SHORT } else { Err(reason) };
            assert_eq!(check(password), expected, "{password}");
        }
    }
}

#[test]
fn strong_password_is_accepted_without_composition_rules() {
    let short =
        ["xkqvzjwp", "BtzKqwPd", "h5J!pWz8", "größte Ökonomie", "vT9#kLm2$xQw", "密码是一个很长的句子"];
    let long = [
        "correct horse battery staple",
        "my dog eats socks",
        "only lower case letters here",
        "8302 7719 4460 1935",
        "7hqk-2mzt-9wvx-p4",
        "xk7Qp2vLm9RtYw3",
        "fZ3vQ8mT1xK6bR9s",
        "3f9a1c7e5b2d8046",
        "purple teapot swims north",
        "we planted four walnut trees",
        "tulip-anchor-velvet-92",
        "johndoe's own passphrase",
        "丁香花开在窗前的小路上真好看",
        "наш кот любит спать на печке",
        "どこかで犬が吠えている静かな夜",
        "der alte Kahn liegt am Ufer",
        "mes voisins chantent le mardi",
        "kufa moto ndege samaki jua",
    ];
    for password in short.iter().chain(&long) {
        assert_eq!(check_from(8, password), Ok(()), "{password}");
    }
    for password in long.iter().filter(|password| password.chars().count() >= 15) {
        assert_eq!(check(password), Ok(()), "{password}");
    }
}

#[test]
fn password_on_the_blocklist_is_rejected_as_typed_in_nfkc_and_in_lower_case() {
    let breached = ["purple teapot swims north", "größter gemeinsamer Teiler"];
    let mut lines = breached.map(|password| {
        let hash: String = Sha1::digest(password).iter().map(|byte| format!("{byte:02X}")).collect();
        format!("{hash}:3\r\n")
    });
    lines.sort();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, lines.concat()).unwrap();
    let list = PasswordBlocklist::open(file.path()).unwrap();
    let policy = StrengthPolicy::new(&Argon2Hasher::default()).blocklist(list);
    let check = |password: &str| block_on(policy.check(&password.into(), &[]));
    for password in [
        "purple teapot swims north",
        "Purple Teapot swims NORTH",
        "ｐｕｒｐｌｅ teapot swims north",
        "größter gemeinsamer Teiler",
        "gro\u{308}ßter gemeinsamer Teiler",
    ] {
        assert_eq!(check(password).unwrap(), Err(WeakPassword::Breached), "{password}");
    }
    assert_eq!(check("purple teapot swims south").unwrap(), Ok(()));
    std::fs::remove_file(&file).unwrap();
    assert!(check("purple teapot swims south").is_err());
}

#[test]
fn minimum_length_is_in_characters_and_maximum_in_bytes() {
    assert_eq!(check(""), TOO_SHORT);
    assert_eq!(check("xkqvzjwpkfqmzb"), TOO_SHORT);
    assert_eq!(
        check("密码很长的句子的密码很长的句"),
        TOO_SHORT,
        "expected 14 characters (42 bytes) to be too short"
    );
    assert_eq!(
        check_from(1, "xkqvzjw"),
        Err(WeakPassword::TooShort { minimum: 8 }),
        "expected a minimum of at least 8"
    );
    assert_eq!(check_from(40, "xk7Qp2vLm9RtYw3"), Err(WeakPassword::TooShort { minimum: 40 }));
    let long = "correct horse battery staple ".repeat(40);
    assert_eq!(check(&long[..1024]), Ok(()));
    assert_eq!(check(&long[..1025]), Err(WeakPassword::TooLong));
}

#[test]
fn check_of_a_slow_password_takes_less_than_20_seconds() {
    // The first check loads the word lists.
    let _ = check("password1password1");
    for slow in ["4@8({[<369!1|5$7+%2", "p4$$w0rd7|+%({[<", "password1", "aaaaaaaa", "aA1!", "1990", "😀"] {
        let password = slow.repeat(1024 / slow.len());
        let start = Instant::now();
        let _ = check(&password);
        eprintln!("{slow}: {:?}", start.elapsed());
        // An estimate of all 1,024 characters would take minutes.
        assert!(start.elapsed() < Duration::from_secs(20), "{slow}: {:?}", start.elapsed());
    }
}
