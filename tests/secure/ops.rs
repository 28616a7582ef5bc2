//! What whoever operates the service asks it, and how it stops.

use std::{
    collections::BTreeMap,
    io::Write,
    net::{SocketAddr, TcpStream},
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use crate::support::{
    http::{connect, get, post_form, read_reply, request},
    left_out, postgres,
    postgres_proxy::PostgresProxy,
    program::Gatepass,
    secure_profile::{
        JOHNDOE, JOHNDOE_OFFLINE, SECOND, Service, add_johndoe, postgres_behind_proxy, serve, serve_command,
        within,
    },
};

/// Where operations listen: on a free port.
pub const OPS: [&str; 2] = ["--ops-bind", "127.0.0.1:0"];

pub fn ops_address(service: &Service) -> SocketAddr {
    service.program.address_after("health checks and metrics on http://")
}

fn ready(ops: SocketAddr) -> (u16, Value) {
    let reply = get("/health/ready").send(ops);
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
    (reply.status, reply.json())
}

fn all_well() -> (u16, Value) {
    (200, json!({ "status": "ready", "checks": { "database": "ok" } }))
}

/// Every figure by its name and labels, as Prometheus has it.
pub fn figures(ops: SocketAddr) -> BTreeMap<String, f64> {
    let reply = get("/metrics").send(ops);
    assert_eq!(reply.status, 200);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.header("content-type").as_deref(), Some(kind));
    let text = reply.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let figure = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(figure).collect()
}

#[track_caller]
fn expect(ops: SocketAddr, expected: &[(&str, f64)]) {
    let figures = figures(ops);
    for (name, value) in expected {
        assert_eq!(figures.get(*name), Some(value), "{name} in {figures:#?}");
    }
}

#[test]
fn nothing_of_it_is_there_unless_told_and_nothing_at_the_main_address() {
    Gatepass::on_both("nothing_of_it_is_there_unless_told", |gatepass| {
        for arguments in [&[][..], &OPS] {
            let service = serve(gatepass, arguments);
            for path in ["/health/live", "/health/ready", "/metrics"] {
                assert_eq!(get(path).send(service.address).status, 404, "{path}");
            }
            if arguments.is_empty() {
                assert!(!service.program.log().contains("health checks and metrics on"));
                continue;
            }
            let ops = ops_address(&service);
            assert_ne!(ops.port(), service.address.port());
            let live = get("/health/live").send(ops);
            assert_eq!((live.status, live.json()), (200, json!({ "status": "live" })));
            assert_eq!(ready(ops), all_well());
            assert_eq!(request("HEAD", "/health/ready").send(ops).status, 200);
            assert_eq!(request("POST", "/health/ready").send(ops).status, 405);
            for path in ["/token", "/users/me", "/docs", "/"] {
                assert_eq!(get(path).send(ops).status, 404, "{path}");
            }
        }
    });
}

#[test]
fn a_taken_port_of_operations_ends_with_one_line() {
    let gatepass = Gatepass::on_sqlite();
    let service = serve(&gatepass, &OPS);
    let taken = ops_address(&service).to_string();
    let second = ["serve", "--profile", "secure", "--bind", "127.0.0.1:0", "--ops-bind", &taken];
    let run = gatepass.run(&second);
    assert_eq!((run.code, run.err.contains("--ops-bind"), run.err.contains(&taken)), (Some(1), true, true));
}

fn not_ready_while(test: &str, outage: fn(&PostgresProxy)) {
    let Some((gatepass, way, _database)) = postgres_behind_proxy(test) else { return };
    let service = serve(&gatepass, &OPS);
    let ops = ops_address(&service);
    assert_eq!(ready(ops), all_well());

    outage(&way);
    let failed = json!({ "status": "not ready", "checks": { "database": "failed" } });
    let asked = Instant::now();
    assert_eq!(ready(ops), (503, failed));
    assert!(asked.elapsed() < 2 * SECOND, "{:?}", asked.elapsed());
    assert_eq!(get("/health/live").send(ops).status, 200, "who restarts it helps nobody");
    way.open();
    within(3 * SECOND, "it is ready again", || (ready(ops) == all_well()).then_some(()));
    let log = service.program.end();
    assert!(log.contains("not ready: database: ") && !log.contains("hush"), "{log}");
}

#[test]
fn a_database_that_refuses_makes_it_not_ready() {
    not_ready_while("a_database_that_refuses_makes_it_not_ready", PostgresProxy::close);
}

#[test]
fn a_database_that_never_answers_makes_it_not_ready_within_a_second() {
    not_ready_while("a_database_that_never_answers_makes_it_not_ready_within_a_second", PostgresProxy::block);
}

#[test]
fn a_connection_that_was_cut_meanwhile_makes_it_not_unready() {
    let test = "a_connection_that_was_cut_meanwhile_makes_it_not_unready";
    let database = match postgres::Database::create() {
        Ok(database) => database,
        Err(why) => return left_out(test, &why),
    };
    let mut gatepass = Gatepass::on_sqlite();
    gatepass.url.clone_from(&database.url);
    let service = serve(&gatepass, &OPS);
    assert_eq!(ready(ops_address(&service)), all_well());
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    assert_eq!(ready(ops_address(&service)), all_well());
}

#[test]
fn a_busy_service_is_ready_and_says_how_busy() {
    let gatepass = Gatepass::on_sqlite();
    let mut command = serve_command(&gatepass, &OPS);
    command.env("GATEPASS_ARGON2_ITERATIONS", "1024");
    command.env("GATEPASS_HASH_THREADS", "1").env("GATEPASS_HASH_QUEUE", "1");
    let service = Service::run(&mut command);
    let ops = ops_address(&service);
    let statuses = thread::scope(|scope| {
        let ask = || post_form("/token", "username=x&password=y").send(service.address).status;
        let asked: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
        within(5 * SECOND, "one is hashed and one waits", || {
            let figures = figures(ops);
            let busy = ["gatepass_hash_running", "gatepass_hash_queue_waiting"].map(|name| figures[name]);
            (busy == [1.0, 1.0]).then_some(())
        });
        assert_eq!(ready(ops), all_well());
        asked.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
    });
    let refused = statuses.iter().filter(|status| **status == 503).count();
    assert!(refused > 0 && statuses.iter().all(|status| matches!(status, 400 | 503)), "{statuses:?}");
    let expected = [
        ("gatepass_hash_refused_total", refused as f64),
        ("gatepass_hash_queue_limit", 1.0),
        ("gatepass_hash_threads", 1.0),
        ("gatepass_hash_queue_waiting", 0.0),
        ("gatepass_hash_running", 0.0),
        ("gatepass_sign_ins_total{outcome=\"failed\"}", (12 - refused) as f64),
    ];
    within(SECOND, "all is done", || (figures(ops)["gatepass_hash_running"] == 0.0).then_some(()));
    expect(ops, &expected);
}

#[test]
fn it_is_not_ready_first_then_stops_accepting_and_operations_end_last() {
    Gatepass::on_both("it_is_not_ready_first", |gatepass| {
        let mut service = serve(gatepass, &[&OPS[..], &["--drain-delay", "1"]].concat());
        let ops = ops_address(&service);
        let half = |address| {
            let mut stream = connect(address);
            let head = "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 32\r\n\
                        Content-Type: application/x-www-form-urlencoded\r\n\r\nusername=johndoe";
            stream.write_all(head.as_bytes()).unwrap();
            assert_eq!(get("/users/me").send(address).status, 401);
            stream
        };
        let mut in_flight = half(service.address);
        let signalled = Instant::now();
        service.program.signal("TERM");
        service.program.wait_for("stopping");
        let stopping = json!({ "status": "stopping", "checks": { "database": "ok" } });
        assert_eq!(ready(ops), (503, stopping.clone()));
        assert_eq!(get("/health/live").send(ops).status, 200);
        // A load balancer has not noticed yet: it is served.
        assert_eq!(get("/users/me").send(service.address).status, 401);
        assert!(signalled.elapsed() < SECOND, "{:?}", signalled.elapsed());

        within(3 * SECOND, "nobody is accepted any more", || TcpStream::connect(service.address).err());
        assert!(signalled.elapsed() >= SECOND, "{:?}", signalled.elapsed());
        // A request is in flight: operations still answer.
        assert_eq!(ready(ops), (503, stopping));
        figures(ops);
        in_flight.write_all(b"&password=secret").unwrap();
        assert_eq!(read_reply(&mut in_flight).expect("an answer").status, 400);
        assert_eq!(service.program.wait(), Some(0));
        assert!(TcpStream::connect(ops).is_err());
    });
}

#[test]
fn a_second_signal_ends_the_drain_at_once() {
    let gatepass = Gatepass::on_sqlite();
    let mut service = serve(&gatepass, &[&OPS[..], &["--drain-delay", "600"]].concat());
    service.program.signal("TERM");
    service.program.wait_for("still accepting connections for 600 s");
    service.program.signal("TERM");
    assert_eq!(service.program.wait(), Some(1));
}

#[test]
fn figures_are_what_was_done() {
    Gatepass::on_both("figures_are_what_was_done", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &OPS);
        let ops = ops_address(&service);
        let requests = |route: &str, method: &str, status: u16| {
            format!(
                "gatepass_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}}"
            )
        };
        assert!(!get("/metrics").send(ops).text().contains("gatepass_http_requests_total{"));

        let token = service.token(JOHNDOE);
        let other = service.token(JOHNDOE);
        for _ in 0..5 {
            assert_eq!(service.users_me(&token).status, 200);
        }
        assert_eq!(service.users_me("nobody's").status, 401);
        service.sign_in("username=johndoe&password=wrong");
        service.sign_in("username=nobody&password=wrong");
        let tokens = service.sign_in_offline();
        let newer = service.refreshed(&tokens.refresh);
        assert_eq!(service.refresh("made up", "").status, 400);
        // Escapes are read as the router reads them.
        post_form("/%74oken", JOHNDOE).send(service.address);
        let sid = crate::support::secure_profile::read(&other).1["sid"].as_str().unwrap().to_owned();
        let one = request("DELETE", &format!("/users/me/sessions/{sid}")).bearer(&token);
        assert_eq!(one.send(service.address).status, 204);
        assert_eq!(post_form("/revoke", format!("token={}", newer.access)).send(service.address).status, 200);
        gatepass.done(&["users", "disable", "johndoe"]);
        assert_eq!(service.sign_in(JOHNDOE_OFFLINE).status, 400);
        request("BREW", "/token").send(service.address);
        request("PUT", "/nowhere").send(service.address);

        let named = [
            (requests("/token", "POST", 200), 5.0),
            (requests("/token", "POST", 400), 4.0),
            (requests("/token", "other", 405), 1.0),
            (requests("/users/me", "GET", 200), 5.0),
            (requests("/users/me", "GET", 401), 1.0),
            (requests("/users/me/sessions/{id}", "DELETE", 204), 1.0),
            (requests("none", "PUT", 404), 1.0),
        ];
        let named: Vec<_> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        expect(ops, &named);
        expect(
            ops,
            &[
                ("gatepass_http_request_duration_seconds_count{route=\"/token\",method=\"POST\"}", 9.0),
                (
                    "gatepass_http_request_duration_seconds_bucket{le=\"+Inf\",route=\"/users/me\",method=\"GET\"}",
                    6.0,
                ),
                ("gatepass_sign_ins_total{outcome=\"success\"}", 4.0),
                ("gatepass_sign_ins_total{outcome=\"failed\"}", 2.0),
                ("gatepass_sign_ins_total{outcome=\"inactive\"}", 1.0),
                ("gatepass_sign_ins_total{outcome=\"blocked\"}", 0.0),
                ("gatepass_refreshes_total{outcome=\"success\"}", 1.0),
                ("gatepass_refreshes_total{outcome=\"failed\"}", 1.0),
                ("gatepass_revocations_total{event=\"session_ended\"}", 1.0),
                ("gatepass_revocations_total{event=\"token_revoked\"}", 1.0),
                // The first request of a token is a miss; the made-up one is none that is looked up from memory.
                ("gatepass_token_cache_hits_total", 5.0),
            ],
        );
        let text = get("/metrics").send(ops).text();
        for word in ["johndoe", "nobody", "127.0.0.1", &sid] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    });
}

#[test]
fn no_request_makes_a_label_of_its_own() {
    let gatepass = Gatepass::on_sqlite();
    let service = serve(&gatepass, &OPS);
    let ops = ops_address(&service);
    let series = || figures(ops).len();
    let send = |number: u32| {
        let methods = ["GET", "POST", "DELETE", "BREW", "X1", "X2"];
        let method = methods[number as usize % methods.len()];
        let path = match number % 5 {
            0 => format!("/{number}"),
            1 => format!("/users/me/sessions/{number}"),
            2 => format!("/docs/{number}"),
            3 => format!("/token/{number}?a={number}"),
            _ => format!("/%6{}{number}", number % 10),
        };
        request(method, &path).send(service.address)
    };
    (0..60).for_each(|number| drop(send(number)));
    let before = series();
    (60..1060).for_each(|number| drop(send(number)));
    (0..20).for_each(|number| drop(request(&format!("M{number}"), "/users/me").send(service.address)));
    let after = series();
    // The last twenty are one method at a path that was not asked before.
    assert!(after <= before + 1 + 17, "{before} then {after}");
    let routes: std::collections::BTreeSet<_> = figures(ops)
        .into_keys()
        .filter_map(|name| {
            Some(name.strip_prefix("gatepass_http_requests_total{route=\"")?.split('"').next()?.to_owned())
        })
        .collect();
    assert!(routes.contains("none") && routes.contains("/users/me/sessions/{id}"), "{routes:?}");
    assert!(routes.iter().all(|route| !route.bytes().any(|byte| byte.is_ascii_digit())), "{routes:?}");
}
