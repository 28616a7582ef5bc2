//! SQLite on a disk that is full, or that nobody may write to.

use std::time::Instant;

use crate::support::{
    disk::Disk,
    http::get,
    left_out,
    program::Gatepass,
    secure_profile::{JOHNDOE, SECOND, add_johndoe, outcome, serve, serve_command, within},
    service::Program,
};

fn on(disk: &Disk) -> Gatepass {
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url = format!("sqlite:{}", disk.path().join("gatepass.db").display());
    gatepass
}

#[test]
fn a_full_disk_is_503_for_what_writes_and_nothing_for_what_reads() {
    let test = "a_full_disk_is_503_for_what_writes_and_nothing_for_what_reads";
    let disk = match Disk::mount("2m") {
        Ok(disk) => disk,
        Err(why) => return left_out(test, &why),
    };
    let gatepass = on(&disk);
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &["--workers", "2"]);
    let (tokens, unknown) = (service.sign_in_offline(), service.token(JOHNDOE));
    assert_eq!(service.users_me(&tokens.access).status, 200);

    disk.fill();
    let start = Instant::now();
    // What fits into the files that are there is still written: that is no error.
    let mut acknowledged = vec![tokens.access.clone()];
    let refused = within(20 * SECOND, "the disk is full", || {
        let reply = service.sign_in(JOHNDOE);
        if reply.status == 200 {
            acknowledged.push(reply.json()["access_token"].as_str().unwrap().to_owned());
        }
        (reply.status != 200).then_some(reply)
    });
    for _ in 0..30 {
        let reply = service.sign_in(JOHNDOE);
        assert_eq!(outcome(&reply), outcome(&refused));
    }
    assert_eq!(outcome(&refused), (503, "Service Unavailable".into(), None));
    assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
    assert_eq!(refused.header("content-type").as_deref(), Some("application/json"));
    // Reading goes on: who is known, who is not, and the list of sessions.
    for token in [&tokens.access, &unknown] {
        assert_eq!(service.users_me(token).status, 200);
    }
    assert_eq!(get("/users/me/sessions").bearer(&tokens.access).send(service.address).status, 200);
    // A command says it in a line, too.
    gatepass.add("alice", &[]).fails(1, &["full"]);
    let took = start.elapsed();

    disk.free();
    within(3 * SECOND, "there is room again", || (service.sign_in(JOHNDOE).status == 200).then_some(()));
    for token in &acknowledged {
        assert_eq!(service.users_me(token).status, 200, "what was answered is there");
    }
    service.refreshed(&tokens.refresh);
    gatepass.add("alice", &[]).done();
    let log = service.program.end();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
    assert!(lines.iter().any(|line| line.contains("database or disk is full")), "{lines:#?}");
    assert!((lines.len() as u64) < 6 + 3 * took.as_secs(), "{lines:#?}");
}

#[test]
fn a_disk_that_nobody_may_write_to_keeps_it_from_starting_and_says_so() {
    let test = "a_disk_that_nobody_may_write_to_keeps_it_from_starting_and_says_so";
    let disk = match Disk::mount("2m") {
        Ok(disk) => disk,
        Err(why) => return left_out(test, &why),
    };
    let gatepass = on(&disk);
    add_johndoe(&gatepass);
    if let Err(why) = disk.protect() {
        return left_out(test, &why);
    }
    let mut program = Program::run(&mut serve_command(&gatepass, &[]));
    let code = program.wait();
    let said = program.end();
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("cannot open the database") || said.contains("readonly"), "{said}");
    gatepass.add("alice", &[]).fails(1, &["database"]);

    disk.unprotect().unwrap();
    serve(&gatepass, &[]).token(JOHNDOE);
}
