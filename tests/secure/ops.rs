//! Health checks, metrics and shutdown.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    net::{SocketAddr, TcpStream},
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use crate::secure::{
    Gatepass, JOHNDOE, JOHNDOE_OFFLINE, PostgresProxy, SECOND, Service, concurrently, end_session,
    expect_503, get, on_sqlite, post_form, proxied_postgres, read_reply, request, revoke,
    send_incomplete_sign_in, serve, serve_command, session_id, wait_until, within,
};

/// The arguments for health checks and metrics on a free port.
pub const OPS: [&str; 2] = ["--ops-bind", "127.0.0.1:0"];

pub fn ops_address(service: &Service) -> SocketAddr {
    service.program.address_after("health checks and metrics on http://")
}

fn readiness(ops: SocketAddr) -> (u16, Value) {
    let reply = get("/health/ready").send(ops);
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
    (reply.status, reply.json())
}

fn ready() -> (u16, Value) {
    (200, json!({ "status": "ready", "checks": { "database": "ok" } }))
}

/// Returns the value of each metric, keyed by name and labels.
pub fn metrics(ops: SocketAddr) -> BTreeMap<String, f64> {
    let reply = get("/metrics").send(ops);
    assert_eq!(reply.status, 200);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(reply.header("content-type").as_deref(), Some(content_type));
    let text = reply.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let metric = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(metric).collect()
}

#[track_caller]
fn expect_metrics(ops: SocketAddr, expected: &[(&str, f64)]) {
    let metrics = metrics(ops);
    for (name, value) in expected {
        assert_eq!(metrics.get(*name), Some(value), "{name}: {metrics:#?}");
    }
}

#[test]
fn operations_endpoints_exist_only_at_their_own_address() {
    let (gatepass, without) = on_sqlite(&[]);
    let with = serve(&gatepass, &OPS);
    for service in [&without, &with] {
        for path in ["/health/live", "/health/ready", "/metrics"] {
            assert_eq!(get(path).send(service.address).status, 404, "{path}");
        }
    }
    assert!(!without.program.log().contains("health checks and metrics on"));
    let ops = ops_address(&with);
    let live = get("/health/live").send(ops);
    assert_eq!((live.status, live.json()), (200, json!({ "status": "live" })));
    assert_eq!(readiness(ops), ready());
    assert_eq!(request("HEAD", "/health/ready").send(ops).status, 200);
    assert_eq!(request("POST", "/health/ready").send(ops).status, 405);
    for path in ["/token", "/users/me", "/docs", "/"] {
        assert_eq!(get(path).send(ops).status, 404, "{path}");
    }
    // A second service cannot listen on the same address.
    let taken = ops.to_string();
    let second = ["serve", "--profile", "secure", "--bind", "127.0.0.1:0", "--ops-bind", &taken];
    let run = gatepass.run(&second);
    assert_eq!((run.code, run.err.contains("--ops-bind"), run.err.contains(&taken)), (Some(1), true, true));
}

#[test]
fn readiness_check_fails_within_two_seconds_while_the_database_is_unreachable() {
    let Some((gatepass, proxy, database)) = proxied_postgres() else { return };
    let service = serve(&gatepass, &OPS);
    let ops = ops_address(&service);
    // The service replaces connections that the server has closed.
    assert_eq!(readiness(ops), ready());
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    for outage in [PostgresProxy::close, PostgresProxy::block] {
        assert_eq!(readiness(ops), ready());
        outage(&proxy);
        let failed = json!({ "status": "not ready", "checks": { "database": "failed" } });
        let start = Instant::now();
        assert_eq!(readiness(ops), (503, failed));
        assert!(start.elapsed() < 2 * SECOND, "{:?}", start.elapsed());
        assert_eq!(get("/health/live").send(ops).status, 200, "the service must stay live");
        proxy.open();
        wait_until(3 * SECOND, "the service is ready", || readiness(ops) == ready());
    }
    let log = service.program.end();
    assert!(log.contains("not ready: database: ") && !log.contains("hush"), "{log}");
}

#[test]
fn sign_ins_over_the_hash_queue_limit_return_503_and_the_service_stays_ready() {
    let gatepass = Gatepass::on_sqlite();
    let mut command = serve_command(&gatepass, &OPS);
    command.env("GATEPASS_ARGON2_ITERATIONS", "512");
    command.env("GATEPASS_HASH_THREADS", "1").env("GATEPASS_HASH_QUEUE", "1");
    let service = Service::run(&mut command);
    let ops = ops_address(&service);
    let replies = thread::scope(|scope| {
        let address = service.address;
        let sign_in = move |_| post_form("/token", "username=x&password=y").send(address);
        let sign_ins = scope.spawn(move || concurrently(12, sign_in));
        wait_until(5 * SECOND, "one password is being hashed and one is waiting", || {
            let metrics = metrics(ops);
            let busy = ["gatepass_hash_running", "gatepass_hash_queue_waiting"].map(|name| metrics[name]);
            busy == [1.0, 1.0]
        });
        assert_eq!(readiness(ops), ready());
        sign_ins.join().unwrap()
    });
    let (refused, done): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 503);
    assert!(!refused.is_empty() && done.iter().all(|reply| reply.status == 400), "{replies:?}");
    refused.iter().for_each(|reply| expect_503(reply, "sign-in"));
    wait_until(SECOND, "all hashes are done", || metrics(ops)["gatepass_hash_running"] == 0.0);
    expect_metrics(
        ops,
        &[
            ("gatepass_hash_refused_total", refused.len() as f64),
            ("gatepass_hash_queue_limit", 1.0),
            ("gatepass_hash_threads", 1.0),
            ("gatepass_hash_queue_waiting", 0.0),
            ("gatepass_sign_ins_total{outcome=\"failed\"}", done.len() as f64),
        ],
    );
}

#[test]
fn shutdown_reports_not_ready_then_closes_the_listener_and_finally_the_operations_endpoints() {
    let (_gatepass, mut service) = on_sqlite(&[&OPS[..], &["--drain-delay", "1"]].concat());
    let ops = ops_address(&service);
    let mut in_flight = send_incomplete_sign_in(service.address);
    let signalled = Instant::now();
    service.program.signal("TERM");
    service.program.wait_for("stopping");
    let stopping = json!({ "status": "stopping", "checks": { "database": "ok" } });
    assert_eq!(readiness(ops), (503, stopping.clone()));
    assert_eq!(get("/health/live").send(ops).status, 200);
    // The load balancer may still send requests.
    assert_eq!(get("/users/me").send(service.address).status, 401);
    assert!(signalled.elapsed() < SECOND, "{:?}", signalled.elapsed());

    within(3 * SECOND, "the listener is closed", || TcpStream::connect(service.address).err());
    assert!(signalled.elapsed() >= SECOND, "{:?}", signalled.elapsed());
    // The operations endpoints respond while a request is in progress.
    assert_eq!(readiness(ops), (503, stopping));
    metrics(ops);
    in_flight.write_all(b"&password=secret").unwrap();
    assert_eq!(read_reply(&mut in_flight).expect("a response").status, 400);
    assert_eq!(service.program.wait(), Some(0));
    assert!(TcpStream::connect(ops).is_err());
}

#[test]
fn second_signal_ends_the_drain_delay_immediately() {
    let (_gatepass, mut service) = on_sqlite(&[&OPS[..], &["--drain-delay", "600"]].concat());
    service.program.signal("TERM");
    service.program.wait_for("still accepting connections for 600 s");
    service.program.signal("TERM");
    assert_eq!(service.program.wait(), Some(1));
}

#[test]
fn metrics_count_requests_and_events_without_personal_data() {
    let (gatepass, service) = on_sqlite(&OPS);
    let ops = ops_address(&service);
    assert!(!get("/metrics").send(ops).text().contains("gatepass_http_requests_total{"));

    let [token, other] = [(); 2].map(|()| service.token(JOHNDOE));
    for _ in 0..5 {
        assert_eq!(service.users_me(&token).status, 200);
    }
    assert_eq!(service.users_me("nobody's").status, 401);
    service.sign_in("username=johndoe&password=wrong");
    service.sign_in("username=nobody&password=wrong");
    let newer = service.refreshed(&service.sign_in_offline().refresh);
    assert_eq!(service.refresh("made up", "").status, 400);
    // Metrics contain the route of the decoded path.
    post_form("/%74oken", JOHNDOE).send(service.address);
    let session = session_id(&other);
    assert_eq!(end_session(&service, &token, &session).status, 204);
    assert_eq!(revoke(&service, &newer.access, "").status, 200);
    gatepass.done(&["users", "disable", "johndoe"]);
    assert_eq!(service.sign_in(JOHNDOE_OFFLINE).status, 400);
    request("BREW", "/token").send(service.address);
    request("PUT", "/nowhere").send(service.address);

    let requests = "gatepass_http_requests_total";
    let duration = "gatepass_http_request_duration_seconds";
    for (name, labels, value) in [
        (requests, r#"route="/token",method="POST",status="200""#, 5.0),
        (requests, r#"route="/token",method="POST",status="400""#, 4.0),
        (requests, r#"route="/token",method="other",status="405""#, 1.0),
        (requests, r#"route="/users/me",method="GET",status="200""#, 5.0),
        (requests, r#"route="/users/me",method="GET",status="401""#, 1.0),
        (requests, r#"route="/users/me/sessions/{id}",method="DELETE",status="204""#, 1.0),
        (requests, r#"route="none",method="PUT",status="404""#, 1.0),
        (&format!("{duration}_count"), r#"route="/token",method="POST""#, 9.0),
        (&format!("{duration}_bucket"), r#"le="+Inf",route="/users/me",method="GET""#, 6.0),
        ("gatepass_sign_ins_total", r#"outcome="success""#, 4.0),
        ("gatepass_sign_ins_total", r#"outcome="failed""#, 2.0),
        ("gatepass_sign_ins_total", r#"outcome="inactive""#, 1.0),
        ("gatepass_sign_ins_total", r#"outcome="blocked""#, 0.0),
        ("gatepass_refreshes_total", r#"outcome="success""#, 1.0),
        ("gatepass_refreshes_total", r#"outcome="failed""#, 1.0),
        ("gatepass_revocations_total", r#"event="session_ended""#, 1.0),
        ("gatepass_revocations_total", r#"event="token_revoked""#, 1.0),
    ] {
        expect_metrics(ops, &[(&format!("{name}{{{labels}}}"), value)]);
    }
    // Six requests were authenticated with this token, and only the first one missed the cache.
    expect_metrics(ops, &[("gatepass_token_cache_hits_total", 5.0)]);
    let text = get("/metrics").send(ops).text();
    for word in ["johndoe", "nobody", "127.0.0.1", &session] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[test]
fn unknown_paths_and_methods_add_no_metric_labels() {
    let (_gatepass, service) = on_sqlite(&OPS);
    let ops = ops_address(&service);
    let send = |number: usize| {
        let method = ["GET", "POST", "DELETE", "BREW", "X1", "X2"][number % 6];
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
    let before = metrics(ops).len();
    (60..360).for_each(|number| drop(send(number)));
    (0..20).for_each(|number| drop(request(&format!("M{number}"), "/users/me").send(service.address)));
    let metrics = metrics(ops);
    // The last 20 requests add one method for one route: a counter and the 17 values of a histogram.
    assert!(metrics.len() <= before + 1 + 17, "{before} then {}", metrics.len());
    let route = |name: &String| {
        Some(name.strip_prefix("gatepass_http_requests_total{route=\"")?.split('"').next()?.to_owned())
    };
    let routes: BTreeSet<_> = metrics.keys().filter_map(route).collect();
    assert!(routes.contains("none") && routes.contains("/users/me/sessions/{id}"), "{routes:?}");
    assert!(routes.iter().all(|route| !route.bytes().any(|byte| byte.is_ascii_digit())), "{routes:?}");
}
