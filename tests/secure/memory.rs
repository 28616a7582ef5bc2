//! Secrets in the memory of the running program, and core dumps.

use std::{
    fs::{self, File},
    os::unix::{fs::FileExt, process::ExitStatusExt},
};

use memchr::memmem;

use crate::{
    secure::{Gatepass, Service, add_client, basic, get, post_form, serve, serve_command, skip},
    support::service::limited,
};

/// The maximum number of copies of a secret in buffers of closed connections, which Actix reuses without wiping them.
const MAX_COPIES: usize = 8;

/// Returns the number of copies of a string in the service's writable memory, or the error that prevents reading the
/// memory.
fn copies(service: &Service, text: &str) -> Result<usize, String> {
    let process = service.program.child.id();
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).map_err(|error| error.to_string())?;
    let memory = File::open(format!("/proc/{process}/mem")).map_err(|error| error.to_string())?;
    let mut found = 0;
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            found += memmem::find_iter(&bytes, text).count();
        }
    }
    Ok(found)
}

#[test]
fn passwords_and_client_secrets_do_not_stay_in_memory() {
    let gatepass = Gatepass::on_sqlite();
    let password = "whoever-finds-this-has-found-it-in-memory";
    let add = ["users", "add", "johndoe", "--password-stdin", "--scopes", "me"];
    gatepass.run_with(&add, &format!("{password}\n")).done();
    let secret = add_client(&gatepass, "web");
    let service = serve(&gatepass, &[]);
    let form = format!("grant_type=password&username=johndoe&password={password}&scope=offline_access+me");
    for _ in 0..20 {
        let request = post_form("/token", &form).header("Authorization", basic("web", &secret));
        let reply = request.send(service.address);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(service.sign_in(&format!("username=johndoe&password=not-{password}")).status, 400);
    }
    let count = |secret: &str| copies(&service, secret);
    let before = [password, &secret].map(count);
    // Further requests overwrite the buffers.
    for _ in 0..50 {
        let filler = "x".repeat(4000);
        get("/users/me").bearer(&filler).send(service.address);
        post_form("/token", format!("username={filler}&password=short")).send(service.address);
    }
    let after = [password, &secret].map(count);
    eprintln!("copies of the password and the client secret: {before:?}, then {after:?}");
    if let Err(why) = &after[0] {
        return skip(why);
    }
    assert!(
        before.iter().all(|copies| copies.as_ref().is_ok_and(|copies| *copies <= MAX_COPIES)),
        "{before:?}"
    );
    assert_eq!(after, [Ok(0), Ok(0)]);
}

#[test]
fn crash_does_not_write_a_core_dump_even_if_the_system_allows_one() {
    let gatepass = Gatepass::on_sqlite();
    let mut service = Service::run(&mut limited("--core=unlimited", &serve_command(&gatepass, &[])));
    let limits = fs::read_to_string(format!("/proc/{}/limits", service.program.child.id())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
    service.program.signal("ABRT");
    let status = service.program.child.wait().unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
    let files = fs::read_dir(gatepass.folder.path()).unwrap().flatten();
    let files: Vec<_> = files.map(|file| file.file_name()).collect();
    assert!(!files.iter().any(|name| name.to_string_lossy().contains("core")), "{files:?}");
}
