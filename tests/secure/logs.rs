//! The log: its formats, request IDs and client addresses.

use serde_json::Value;

use crate::secure::{
    Gatepass, Program, Service, add_johndoe, get, on_sqlite, post_form, proxied_postgres, serve,
    serve_command,
};

/// Parses every line of a log as JSON.
fn lines(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
        .collect()
}

#[test]
fn json_log_has_one_object_per_line_and_request_fields_in_access_log_lines() {
    let (_gatepass, service) = on_sqlite(&["--log-format", "json", "--trusted-proxies", "127.0.0.1"]);
    let request = post_form("/token?password=in-the-query", "username=johndoe&password=in-the-form");
    let reply = request
        .header("X-Request-Id", "proxy.id_1-A")
        .header("X-Forwarded-For", "203.0.113.7")
        .send(service.address);
    assert_eq!((reply.status, reply.header("x-request-id").as_deref()), (400, Some("proxy.id_1-A")));
    service.program.wait_for("proxy.id_1-A");
    let log = service.program.end();
    assert!(!log.contains("in-the-"), "{log}");
    let lines = lines(&log);
    for line in &lines {
        for member in ["time", "level", "target", "message"] {
            assert!(line[member].as_str().is_some_and(|text| !text.is_empty()), "no {member} in {line}");
        }
    }
    let line = lines.iter().find(|line| line["target"] == "gatepass::access").expect("an access log line");
    let expected = [
        ("level", "INFO"),
        ("request_id", "proxy.id_1-A"),
        ("method", "POST"),
        ("path", "/token"),
        ("client", "203.0.113.7"),
    ];
    for (member, value) in expected {
        assert_eq!(line[member], value, "{line}");
    }
    assert_eq!(line["status"], 400);
    assert!(line["duration_ms"].as_f64().is_some_and(|duration| duration > 0.0), "{line}");
}

#[test]
fn startup_error_with_log_format_json_is_a_json_line() {
    let gatepass = Gatepass::on_sqlite();
    let mut program =
        Program::run(&mut serve_command(&gatepass, &["--log-format=json", "--argon2-memory=7"]));
    assert_eq!(program.wait(), Some(2));
    let lines = lines(&program.end());
    assert_eq!(lines.len(), 1);
    assert!(lines[0]["message"].as_str().unwrap().contains("8 KiB"), "{}", lines[0]);
}

#[test]
fn valid_request_id_is_accepted_only_from_trusted_proxies() {
    let gatepass = Gatepass::on_sqlite();
    let id = |service: &Service, sent: &str| {
        let reply = get("/users/me").header("X-Request-Id", sent).send(service.address);
        reply.header("x-request-id").expect("an ID")
    };
    let trusting = serve(&gatepass, &["--trusted-proxies", "127.0.0.1"]);
    let longest = "a".repeat(64);
    assert_eq!(id(&trusting, &longest), longest);
    for invalid in [&"a".repeat(65), "", "a b", "a\"b", "a\u{e4}", "a=b", "a/b"] {
        let generated = id(&trusting, invalid);
        assert!(
            generated != invalid && generated.len() < 40 && generated != id(&trusting, invalid),
            "{invalid:?}: {generated}"
        );
    }
    let generated = id(&serve(&gatepass, &[]), "from-a-client");
    assert_ne!(generated, "from-a-client");
    // Like FastAPI, the tutorial profile does not return the header. Its log contains the ID anyway.
    let tutorial = serve(&gatepass, &["--profile", "tutorial"]);
    let reply = get("/users/me").header("X-Request-Id", "of-tutorial").send(tutorial.address);
    assert_eq!(reply.header("x-request-id"), None);
    tutorial.program.wait_for("127.0.0.1 request_id=of-tutorial");
}

#[test]
fn errors_logged_for_a_request_contain_its_id() {
    let Some((gatepass, proxy, _database)) = proxied_postgres() else { return };
    add_johndoe(&gatepass);
    let service = serve(&gatepass, &["--log-format=json", "--trusted-proxies=127.0.0.1"]);
    proxy.close();
    let request = post_form("/token", "username=johndoe&password=x").header("X-Request-Id", "while-down");
    assert_eq!(request.send(service.address).status, 503);
    service.program.wait_for("POST /token 503");
    let log = service.program.end();
    let has_id = |line: &Value| line["request_id"] == "while-down";
    let matching: Vec<_> = lines(&log).into_iter().filter(has_id).collect();
    assert!(matching.len() > 1 && matching.iter().any(|line| line["level"] == "WARN"), "{matching:?}");
}
