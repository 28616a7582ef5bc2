//! Floods of requests, which must neither fill the disk, nor hide sign-ins from the audit trail, nor delay other users.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::secure::{
    Gatepass, JOHNDOE, Reply, Request, SECOND, Service, add_client, change_password, client_fields,
    connect_from, get, on_sqlite, post_form, read_reply, serve, sqlite_with_johndoe, stop, within,
};

/// Returns the size of the database and its write-ahead log, in bytes.
fn database_size(gatepass: &Gatepass) -> u64 {
    let files = ["gatepass.db", "gatepass.db-wal"].map(|name| gatepass.folder.path().join(name));
    files.iter().filter_map(|file| fs::metadata(file).ok()).map(|file| file.len()).sum()
}

/// Returns the nth request of a flood. The service refuses all of these requests.
fn refused_request(number: usize) -> Request {
    match number % 6 {
        0 => post_form("/token", format!("grant_type=refresh_token&refresh_token=invalid-{number}")),
        1 => post_form("/token", "username=johndoe&password=a-wrong-one"),
        2 => post_form("/token", format!("username=user{number}&password=a-wrong-one")),
        3 => post_form("/introspect", format!("token=x{}", client_fields("web", "a-wrong-secret"))),
        4 => post_form("/revoke", format!("token=x{}", client_fields(&format!("client{number}"), "y"))),
        _ => get("/users/me").bearer(&format!("forged-{number}")),
    }
}

/// Sends [`refused_request`]s from many addresses until `is_over` is set. Returns how many responses had the statuses
/// 400, 401, 429 and 503.
fn flood(thread: usize, service: &Service, is_over: &AtomicBool) -> [usize; 4] {
    let mut counts = [0; 4];
    for block in 0_usize.. {
        let source = format!("127.{}.{}.{}", 10 + thread, block / 250, 1 + block % 250);
        let mut stream = TcpStream::from(connect_from(&source, service.address));
        for number in 0..200 {
            if is_over.load(Ordering::Relaxed) {
                return counts;
            }
            let bytes = refused_request(200 * block + number).bytes();
            let bytes = String::from_utf8(bytes).unwrap().replace("Connection: close\r\n", "");
            stream.write_all(bytes.as_bytes()).unwrap();
            let reply = read_reply(&mut stream).expect("a response");
            let index = [400, 401, 429, 503].iter().position(|status| *status == reply.status);
            counts[index.unwrap_or_else(|| panic!("{reply:?}"))] += 1;
        }
    }
    counts
}

#[test]
fn all_audit_entries_are_recorded_and_the_database_stays_small_during_a_flood_of_refused_requests() {
    const SIGN_INS: usize = 20;
    let gatepass = sqlite_with_johndoe();
    add_client(&gatepass, "web");
    gatepass.done(&["audit", "list"]);
    let before = database_size(&gatepass);
    let service = serve(&gatepass, &["--login-throttle=on", "--workers=2"]);
    let is_over = AtomicBool::new(false);
    let start = Instant::now();
    let (counts, largest) = thread::scope(|scope| {
        let floods = [0, 1, 2, 3, 4, 5].map(|number| {
            scope.spawn({
                let (service, is_over) = (&service, &is_over);
                move || flood(number, service, is_over)
            })
        });
        let mut largest = 0;
        for _ in 0..SIGN_INS {
            // The hashing queue may briefly be full.
            within(60 * SECOND, "a sign-in succeeds", || {
                Some(service.sign_in(JOHNDOE)).filter(|r| r.status == 200)
            });
            let next = Instant::now() + Duration::from_millis(250);
            within(60 * SECOND, "a pause", || (Instant::now() > next).then_some(()));
            largest = largest.max(database_size(&gatepass));
        }
        is_over.store(true, Ordering::Relaxed);
        let mut counts = [0; 4];
        for flood in floods {
            for (sum, count) in counts.iter_mut().zip(flood.join().unwrap()) {
                *sum += count;
            }
        }
        (counts, largest)
    });
    let duration = start.elapsed();
    let log = stop(service);
    assert!(!log.contains("lost"), "{log}");

    let entries = gatepass.json_lines(&["audit", "list", "--json", "--limit=1000000"]);
    let after = database_size(&gatepass);
    let of_requests: Vec<&Value> = entries.iter().filter(|entry| entry["actor"].is_null()).collect();
    let (successes, failures): (Vec<_>, Vec<_>) =
        of_requests.into_iter().partition(|entry| entry["event"] == "sign_in");
    let counted: u64 = failures.iter().map(|entry| entry["count"].as_u64().unwrap()).sum();
    let [bad, unauthorized, throttled, busy] = counts;
    let refused = bad + unauthorized + throttled;
    let grown = after.saturating_sub(before);
    eprintln!(
        "{duration:.1?}: {refused} refused requests ({bad} with 400, {unauthorized} with 401, {throttled} with 429), \
         {busy} with 503; {} entries for failures, {} for sign-ins; the database grew by {} KB, with its log by at \
         most {} KB",
        failures.len(),
        successes.len(),
        grown / 1000,
        largest.saturating_sub(before) / 1000,
    );
    assert_eq!(successes.len(), SIGN_INS);
    assert_eq!(counted, refused as u64, "every refused request should be counted");
    assert!(failures.len() < 2000, "{} entries", failures.len());
    assert!(
        grown < 5_000_000,
        "expected the database to grow by less than 5 MB, but it grew by {grown} bytes"
    );
}

/// Returns the 99th percentile of these times.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[(times.len() - 1) * 99 / 100]
}

fn timed(send: impl Fn() -> Reply) -> Duration {
    let start = Instant::now();
    assert_eq!(send().status, 200);
    start.elapsed()
}

#[test]
fn sign_ins_and_other_requests_stay_fast_during_200_concurrent_password_changes() {
    const CHANGES: usize = 200;
    let hashing = [
        "--argon2-memory=8192",
        "--argon2-iterations=1",
        "--workers=2",
        "--response-timeout=600",
        "--max-sessions=1000",
    ];
    let (gatepass, service) = on_sqlite(&hashing);
    let hash = gatepass.hash("johndoe");
    let user = |number| format!("{{\"username\":\"user{number}\",\"hashed_password\":\"{hash}\"}}\n");
    gatepass
        .run_with(&["users", "import", "-", "--format=jsonl"], &(0..CHANGES).map(user).collect::<String>())
        .done();
    let password = "johndoe's+own+passphrase";
    let sign_in = |number| service.token(&format!("username=user{number}&password={password}"));
    let tokens: Vec<_> = (0..CHANGES).map(sign_in).collect();
    let token = service.token(JOHNDOE);
    let measure = |is_running: &dyn Fn() -> bool| {
        let (mut sign_ins, mut requests) = (Vec::new(), Vec::new());
        while is_running() {
            sign_ins.push(timed(|| service.sign_in(JOHNDOE)));
            requests.push(timed(|| service.users_me(&token)));
        }
        (p99(sign_ins.clone()), p99(requests), sign_ins.len())
    };

    let start = Instant::now();
    let quiet = measure(&|| start.elapsed() < Duration::from_secs(2));
    let new: String = (0..1000).map(|index| char::from(b'!' + (index * 37 % 90) as u8)).collect();
    let new = new.replace(['%', '&', '+', '='], "x");
    let start = Instant::now();
    let busy = thread::scope(|scope| {
        let (service, new) = (&service, &new);
        let changes: Vec<_> = tokens
            .iter()
            .map(|token| scope.spawn(move || change_password(service, token, password, new).status))
            .collect();
        let busy = measure(&|| changes.iter().any(|change| !change.is_finished()));
        assert!(changes.into_iter().all(|change| change.join().unwrap() == 204));
        busy
    });
    eprintln!(
        "p99 of sign-ins {:.0?}, during {CHANGES} password changes {:.0?}; of GET /users/me {:.0?} and {:.0?}; {} and {} \
         rounds; the changes took {:.1?}",
        quiet.0,
        busy.0,
        quiet.1,
        busy.1,
        quiet.2,
        busy.2,
        start.elapsed()
    );
    // The constant allows for other tests that run on the machine at the same time.
    let limit = |quiet: Duration| 5 * quiet + Duration::from_millis(500);
    assert!(
        busy.0 < limit(quiet.0) && busy.1 < limit(quiet.1),
        "the p99 rose too much: {quiet:?} without password changes, {busy:?} during the changes"
    );
}
