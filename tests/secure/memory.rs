//! What is in the memory of the running program, and what it leaves behind when it crashes.

use std::{
    fs::{self, File},
    os::unix::{fs::FileExt, process::ExitStatusExt},
};

use memchr::memmem;

use crate::support::{
    http::{get, post_form},
    left_out,
    program::Gatepass,
    secure_profile::{Service, add_client, basic, serve, serve_command},
    service::limited,
};

/// What the buffers of connections that ended may hold, after 40 sign-ins: Actix wipes none, and uses them again.
const BUFFERS: usize = 8;

/// How often a text is in the memory that a process may write, or why that cannot be read.
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
fn passwords_do_not_stay_in_memory() {
    let test = "passwords_do_not_stay_in_memory";
    let gatepass = Gatepass::on_sqlite();
    let password = "whoever-finds-this-has-found-it-in-memory";
    let add = ["users", "add", "johndoe", "--password-stdin", "--scopes", "me"];
    gatepass.run_with(&add, &format!("{password}\n")).done();
    let secret = add_client(&gatepass, "web");
    let service = serve(&gatepass, &[]);
    let form = format!("grant_type=password&username=johndoe&password={password}&scope=offline_access+me");
    let mut refresh = String::new();
    for _ in 0..20 {
        let request = post_form("/token", &form).header("Authorization", basic("web", &secret));
        let reply = request.send(service.address);
        assert_eq!(reply.status, 200, "{}", reply.text());
        refresh = reply.json()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(service.sign_in(&format!("username=johndoe&password=not-{password}")).status, 400);
    }
    let count = |what: &str| copies(&service, what);
    let basic = basic("web", &secret);
    let all = [password, &secret, &basic["Basic ".len()..], &refresh];
    let just_after = all.map(count);
    // Others come, and the buffers of the connections are used again.
    for _ in 0..50 {
        let filler = "x".repeat(4000);
        get("/users/me").bearer(&filler).send(service.address);
        post_form("/token", format!("username={filler}&password=short")).send(service.address);
    }
    let later = all.map(count);
    eprintln!("password, client secret, its Basic, refresh token: {just_after:?}, {later:?}");
    if let Err(why) = &later[0] {
        return left_out(test, why);
    }
    for [before, after] in [[&just_after[0], &later[0]], [&just_after[1], &later[1]]] {
        assert!(before.as_ref().is_ok_and(|copies| *copies <= BUFFERS), "{just_after:?}");
        assert_eq!(after, &Ok(0), "{later:?}");
    }
}

#[test]
fn no_core_is_written() {
    let gatepass = Gatepass::on_sqlite();
    // As a system is that lets everybody write one.
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
