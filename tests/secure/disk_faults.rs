//! SQLite on a disk that is full or read-only.

use std::time::Instant;

use crate::{
    secure::{
        Gatepass, JOHNDOE, Program, SECOND, add_johndoe, expect_503, get, outcome, serve, serve_command,
        skip, wait_until, within,
    },
    support::disk::Disk,
};

/// Mounts a small disk with a database that contains the user johndoe. If the disk cannot be mounted, reports the test
/// as skipped and returns `None`.
fn small_disk() -> Option<(Disk, Gatepass)> {
    let disk = Disk::mount("2m").inspect_err(|why| skip(why)).ok()?;
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url = format!("sqlite:{}", disk.path().join("gatepass.db").display());
    add_johndoe(&gatepass);
    Some((disk, gatepass))
}

#[test]
fn writes_return_503_and_reads_succeed_on_a_full_disk() {
    let Some((disk, gatepass)) = small_disk() else { return };
    let service = serve(&gatepass, &["--workers", "2"]);
    let (tokens, uncached) = (service.sign_in_offline(), service.token(JOHNDOE));
    assert_eq!(service.users_me(&tokens.access).status, 200);

    disk.fill();
    let start = Instant::now();
    // Writes succeed until the free space within the existing files is used up.
    let mut acknowledged = vec![tokens.access.clone()];
    let refused = within(20 * SECOND, "the disk is full", || {
        let reply = service.sign_in(JOHNDOE);
        if reply.status == 200 {
            acknowledged.push(reply.json()["access_token"].as_str().unwrap().to_owned());
        }
        (reply.status != 200).then_some(reply)
    });
    for _ in 0..30 {
        assert_eq!(outcome(&service.sign_in(JOHNDOE)), outcome(&refused));
    }
    expect_503(&refused, "sign-in");
    for token in [&tokens.access, &uncached] {
        assert_eq!(service.users_me(token).status, 200);
    }
    assert_eq!(get("/users/me/sessions").bearer(&tokens.access).send(service.address).status, 200);
    gatepass.add("alice", &[]).fails(1, &["full"]);
    let duration = start.elapsed();

    disk.free();
    wait_until(3 * SECOND, "the service recovers", || service.sign_in(JOHNDOE).status == 200);
    for token in &acknowledged {
        assert_eq!(service.users_me(token).status, 200, "an acknowledged sign-in was lost");
    }
    service.refreshed(&tokens.refresh);
    gatepass.add("alice", &[]).done();
    let log = service.program.end();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert!(lines.iter().any(|line| line.contains("database or disk is full")), "{lines:#?}");
    assert!((lines.len() as u64) < 6 + 3 * duration.as_secs(), "{lines:#?}");
}

#[test]
fn startup_on_a_read_only_disk_fails_with_a_one_line_error() {
    let Some((disk, gatepass)) = small_disk() else { return };
    if let Err(why) = disk.protect() {
        return skip(why);
    }
    let mut program = Program::run(&mut serve_command(&gatepass, &[]));
    let code = program.wait();
    let log = program.end();
    assert_eq!((code, log.lines().count()), (Some(1), 1), "{log}");
    assert!(log.contains("cannot open the database") || log.contains("readonly"), "{log}");
    disk.unprotect().unwrap();
    serve(&gatepass, &[]).token(JOHNDOE);
}
