//! More concurrent sign-ins than hashing threads.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use gatepass::{PasswordHasher, passwords::Argon2Settings};

use crate::{
    block_on, hasher,
    members::{NAME, auth, members, sign_in},
    number, quick, serial,
    support::{
        http::{get, post_form},
        service::{TIMEOUT, spawn},
    },
};

#[test]
fn sign_in_with_a_full_queue_returns_503_while_other_requests_succeed() {
    let _serial = serial();
    // A hash takes a few tenths of a second. One sign-in is hashed while another waits in the queue.
    let slow = Argon2Settings {
        memory: 65536,
        iterations: 8,
        threads: Some(number(1)),
        queue: number(1),
        ..quick()
    };
    let hasher = hasher(slow);
    let hash = hasher.dummy_hash().clone();
    let service = spawn(auth(&members(hash), hasher), Default::default());
    assert_eq!(get("/openapi.json").send(service).status, 200);

    let sign_ins: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(move || {
                let start = Instant::now();
                let reply = post_form("/token", "username=johndoe@example.com&password=wrong").send(service);
                (reply.status, start.elapsed())
            })
        })
        .collect();
    let (mut succeeded, mut slowest) = (0, Duration::ZERO);
    while !sign_ins.iter().all(|sign_in| sign_in.is_finished()) {
        let start = Instant::now();
        assert_eq!(get("/openapi.json").send(service).status, 200);
        (succeeded, slowest) = (succeeded + 1, slowest.max(start.elapsed()));
    }

    let sign_ins: Vec<_> = sign_ins.into_iter().map(|sign_in| sign_in.join().unwrap()).collect();
    eprintln!("{sign_ins:?}; {succeeded} concurrent other responses, the slowest in {slowest:?}");
    let hashed: Vec<_> = sign_ins.iter().filter(|(status, _)| *status == 400).collect();
    let refused: Vec<_> = sign_ins.iter().filter(|(status, _)| *status == 503).collect();
    assert_eq!(hashed.len() + refused.len(), 8);
    assert!((1..=3).contains(&hashed.len()), "only one sign-in at a time should wait: {sign_ins:?}");
    let fastest = hashed.iter().map(|(_, time)| *time).min().unwrap();
    assert!(
        refused.iter().all(|(_, time)| *time < fastest),
        "refused sign-ins should get a response before hashed ones: {sign_ins:?}"
    );
    assert!(succeeded > 20, "expected more than 20 responses during hashing, got {succeeded}");

    // The queue has space now.
    assert_eq!(post_form("/token", "username=johndoe@example.com&password=wrong").send(service).status, 400);
}

#[test]
#[cfg(target_os = "linux")]
fn memory_of_concurrent_sign_ins_is_bounded_by_the_number_of_hashing_threads() {
    let _serial = serial();
    const THREADS: usize = 4;
    let settings = Argon2Settings {
        threads: Some(number(THREADS)),
        queue: number(40),
        max_wait: TIMEOUT,
        ..Default::default()
    };
    let (kib, default) = (settings.memory as usize, hasher(settings));
    let auth_with_default = auth(&members(default.dummy_hash().clone()), default);

    let (before, start) = (resident_kib(), Instant::now());
    for result in block_on(join_all((0..40).map(|_| sign_in(&auth_with_default, NAME, "wrong")))) {
        assert!(!result.unwrap());
    }
    let (after, time) = (resident_kib(), start.elapsed());
    eprintln!("40 sign-ins in {time:?}: resident {before} KiB before, {after} KiB after");
    let grown = after.saturating_sub(before);
    assert!(grown < THREADS * kib + 16 * 1024, "memory grew by {grown} KiB, which is too much");

    // The memory for larger stored hashes is freed. glibc keeps freed blocks of up to 32 MiB, so the test uses sizes
    // above and below this limit.
    let hasher = hasher(Argon2Settings { queue: number(40), max_wait: TIMEOUT, ..quick() });
    for memory in [131_072, 20_480, 31_744] {
        let (salt, output) = ("MTIzNDU2Nzg5MDEyMzQ1Ng", "Ek8Sn2iS2m2l1qXpUPJ5fyk6vSSnfM8Vh3yUgkmKjZI");
        let large = format!("$argon2id$v=19$m={memory},t=1,p=1${salt}${output}");
        let auth_with_large = auth(&members(large.as_str()), hasher.clone());
        for result in block_on(join_all((0..20).map(|_| sign_in(&auth_with_large, NAME, "wrong")))) {
            assert!(!result.unwrap());
        }
        let grown = resident_kib().saturating_sub(after);
        eprintln!("after stored hashes of {memory} KiB: memory grew by {grown} KiB");
        assert!(
            grown < 32 * 1024,
            "hashes of {memory} KiB: expected memory to grow by less than 32 MiB, but it grew by {grown} KiB"
        );
    }
}

#[cfg(target_os = "linux")]
fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
