//! More sign-ins at once than there are threads.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use gatepass::{Argon2Settings, GrantError, Password, PasswordCheck, PasswordHasher};

use crate::{
    alone, block_on, hasher,
    members::{Members, NAME, auth, sign_in},
    number, quick,
    support::{
        http::{get, post_form},
        service::{PATIENCE, spawn},
    },
};

#[test]
fn a_full_queue_is_answered_503_while_the_worker_answers_other_requests() {
    let _alone = alone();
    // Some tenths of a second for each hash, one at a time, one waiting.
    let slow = Argon2Settings {
        memory: 65536,
        iterations: 8,
        threads: Some(number(1)),
        queue: number(1),
        ..quick()
    };
    let hasher = hasher(slow);
    let hash = hasher.dummy_hash().clone();
    let service = spawn(auth(&Members::new(hash), hasher), Default::default());
    assert_eq!(get("/openapi.json").send(service).status, 200);

    let sign_ins: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(move || {
                let start = Instant::now();
                let reply = post_form("/token", "username=johndoe&password=wrong").send(service);
                (reply.status, start.elapsed())
            })
        })
        .collect();
    let (mut answered, mut slowest) = (0, Duration::ZERO);
    while !sign_ins.iter().all(|sign_in| sign_in.is_finished()) {
        let start = Instant::now();
        assert_eq!(get("/openapi.json").send(service).status, 200);
        (answered, slowest) = (answered + 1, slowest.max(start.elapsed()));
    }

    let sign_ins: Vec<_> = sign_ins.into_iter().map(|sign_in| sign_in.join().unwrap()).collect();
    eprintln!("{sign_ins:?}; meanwhile {answered} other answers, the slowest in {slowest:?}");
    let hashed: Vec<_> = sign_ins.iter().filter(|(status, _)| *status == 400).collect();
    let refused: Vec<_> = sign_ins.iter().filter(|(status, _)| *status == 503).collect();
    assert_eq!(hashed.len() + refused.len(), 8);
    assert!((1..=3).contains(&hashed.len()), "one is hashed and one waits: {sign_ins:?}");
    let quickest = hashed.iter().map(|(_, time)| *time).min().unwrap();
    assert!(refused.iter().all(|(_, time)| *time < quickest), "refused at once: {sign_ins:?}");
    assert!(answered > 20, "{answered} answers beside the hashing");

    // And it goes on once there is room.
    assert_eq!(post_form("/token", "username=johndoe&password=wrong").send(service).status, 400);
}

#[test]
fn a_full_queue_is_a_temporary_fault_at_once() {
    let _alone = alone();
    let hasher = hasher(Argon2Settings { threads: Some(number(1)), queue: number(2), ..quick() });
    let password = Password::from("wrong");
    let outcomes = block_on(join_all((0..20).map(|_| hasher.verify(&password, hasher.dummy_hash()))));
    let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    // One or more were begun while the last ones came.
    assert!((10..=18).contains(&refused), "{refused} of 20");
    for fault in outcomes.into_iter().filter_map(Result::err) {
        assert!(fault.is_temporary());
        assert_eq!(fault.to_string(), "too many passwords are waiting to be hashed");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn memory_after_a_storm_of_sign_ins_is_the_threads_blocks() {
    let _alone = alone();
    const THREADS: usize = 4;
    let settings =
        Argon2Settings { threads: Some(number(THREADS)), queue: number(200), ..Default::default() };
    let (kib, owasps) = (settings.memory as usize, hasher(settings));
    let auth_of_decoy = auth(&Members::new(owasps.dummy_hash().clone()), owasps);

    let (before, start) = (resident_kib(), Instant::now());
    for outcome in block_on(join_all((0..200).map(|_| sign_in(&auth_of_decoy, NAME, "wrong")))) {
        assert!(matches!(outcome, Err(GrantError::IncorrectCredentials)));
    }
    let (after, time) = (resident_kib(), start.elapsed());
    eprintln!("200 sign-ins in {time:?}: resident {before} KiB before, {after} KiB after");
    let grown = after.saturating_sub(before);
    assert!(grown < THREADS * kib + 16 * 1024, "grown by {grown} KiB");

    // Larger ones that were stored are given back.
    let large =
        "$argon2id$v=19$m=131072,t=1,p=1$MTIzNDU2Nzg5MDEyMzQ1Ng$Ek8Sn2iS2m2l1qXpUPJ5fyk6vSSnfM8Vh3yUgkmKjZI";
    let auth_of_large = auth(&Members::new(large), hasher(quick()));
    for _ in 0..4 {
        let outcome = block_on(sign_in(&auth_of_large, NAME, "wrong"));
        assert!(matches!(outcome, Err(GrantError::IncorrectCredentials)));
    }
    let grown = resident_kib().saturating_sub(after);
    eprintln!("after stored hashes of 128 MiB: {grown} KiB more");
    assert!(grown < 32 * 1024, "grown by {grown} KiB");
}

#[test]
#[cfg(target_os = "linux")]
fn the_threads_end_with_the_hasher() {
    let _alone = alone();
    let hashing = || {
        let names = fs::read_dir("/proc/self/task").unwrap().flatten();
        names
            .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
            .filter(|name| name.starts_with("hash-"))
            .count()
    };
    // Services of other tests keep theirs; hashers that were just dropped may still be ending.
    let start = Instant::now();
    let mut others = hashing();
    while start.elapsed() < Duration::from_millis(500) {
        thread::sleep(Duration::from_millis(10));
        others = hashing();
    }
    let hasher = hasher(Argon2Settings { threads: Some(number(3)), ..quick() });
    assert_eq!(block_on(hasher.verify(&"x".into(), hasher.dummy_hash())).unwrap(), PasswordCheck::Mismatch);
    assert_eq!(hashing(), others + 3);
    drop(hasher);
    let start = Instant::now();
    while hashing() > others {
        assert!(start.elapsed() < PATIENCE, "the threads go on");
        thread::sleep(Duration::from_millis(10));
    }
}

#[cfg(target_os = "linux")]
fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
