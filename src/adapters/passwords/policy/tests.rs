use std::{
    num::NonZeroUsize,
    pin::pin,
    sync::mpsc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use super::*;
use crate::adapters::passwords::Argon2Settings;

const TOO_SHORT: Result<(), WeakPassword> = Err(WeakPassword::TooShort { minimum: 8 });

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn check(password: &str) -> Result<(), WeakPassword> {
    let policy = StrengthPolicy::new(&Argon2Hasher::default());
    block_on(policy.check(&password.into(), &["johndoe@example.com", "John Doe"])).unwrap()
}

#[test]
fn check_with_a_full_queue_returns_a_temporary_error() {
    let (threads, queue) = (Some(NonZeroUsize::MIN), NonZeroUsize::MIN);
    let hasher =
        Argon2Hasher::with_settings(Argon2Settings { threads, queue, ..Default::default() }).unwrap();
    let policy = StrengthPolicy::new(&hasher);
    let check = async |password: &str| policy.check(&password.into(), &[]).await;
    let (go_on, wait) = mpsc::channel::<()>();
    let mut hash = pin!(hasher.pool.run(0, move |_| Ok(wait.recv()?)));
    let mut waiting = pin!(check("my dog eats socks"));
    let mut context = Context::from_waker(Waker::noop());
    assert!(hash.as_mut().poll(&mut context).is_pending());
    assert!(waiting.as_mut().poll(&mut context).is_pending());

    let error = block_on(check("my cat eats socks")).unwrap_err();
    assert!(error.is_temporary() && error.retry_after().is_some());
    assert_eq!(hasher.load().refused, 1);
    assert_eq!(block_on(check("short")).unwrap(), TOO_SHORT, "without an estimate");

    go_on.send(()).unwrap();
    block_on(hash).unwrap();
    assert_eq!(block_on(waiting).unwrap(), Ok(()));
    assert_eq!(block_on(check("my cat eats socks")).unwrap(), Ok(()));
}

#[test]
fn check_of_common_or_contextual_passwords_returns_too_easy() {
    for password in [
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
        // From the context.
        "johndoe@example.com",
        "johndoe1",
        "johndoejohndoe",
        "Example1",
        "JOHNDOE7",
        // In full width, which is normalized before hashing.
        "ｐａｓｓｗｏｒｄ１",
        "ｊｏｈｎｄｏｅ１",
    ] {
        assert_eq!(check(password), Err(WeakPassword::TooEasy), "{password}");
    }
}

#[test]
fn check_of_strong_passwords_accepts_them_without_composition_rules() {
    for password in [
        "correct horse battery staple",
        "my dog eats socks",
        "only lower case letters here",
        "8302 7719 4460 1935",
        "xkqvzjwp",
        "BtzKqwPd",
        "größte Ökonomie",
        "密码是一个很长的句子",
    ] {
        assert_eq!(check(password), Ok(()), "{password}");
    }
}

#[test]
fn minimum_length_is_in_characters_and_maximum_in_bytes() {
    assert_eq!(check(""), TOO_SHORT);
    assert_eq!(check("xkqvzjw"), TOO_SHORT);
    assert_eq!(check("密码很长的句子"), TOO_SHORT, "7 characters, 21 bytes");
    let long = "correct horse battery staple ".repeat(40);
    assert_eq!(check(&long[..1024]), Ok(()));
    assert_eq!(check(&long[..1025]), Err(WeakPassword::TooLong));
}

#[test]
fn check_of_the_slowest_passwords_takes_bounded_time() {
    // The first check loads the word lists.
    let _ = check("password1");
    for slow in ["4@8({[<369!1|5$7+%2", "p4$$w0rd7|+%({[<", "password1", "aaaaaaaa", "aA1!", "😀"] {
        let password = slow.repeat(1024 / slow.len());
        let start = Instant::now();
        let _ = check(&password);
        // All 1,024 characters would take minutes.
        assert!(start.elapsed() < Duration::from_secs(20), "{slow}: {:?}", start.elapsed());
    }
}
