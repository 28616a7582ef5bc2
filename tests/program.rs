//! The program: settings, log, start and stop.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::support::{
    http::{connect, get, post_form, read_reply},
    service::{Program, TIMEOUT, gatepass},
};

/// Exit code, standard output and standard error of a run that exits by itself.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = gatepass(arguments, variables).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Asserts that a run fails with one line that contains all of `words`.
fn assert_one_line(arguments: &[&str], variables: &[(&str, &str)], exit_code: i32, words: &[&str]) {
    let (code, out, err) = run(arguments, variables);
    assert_eq!((code, out.as_str()), (Some(exit_code), ""), "{arguments:?} {variables:?}: {err}");
    assert_eq!(err.trim_end().lines().count(), 1, "{err}");
    assert!(err.starts_with("gatepass: "), "{err}");
    for word in words {
        assert!(err.contains(word), "{word:?} in {err:?}");
    }
}

#[test]
fn gatepass_without_a_command_serves_and_logs_its_address() {
    // If port 8000 is taken on this machine, the error shows the default as well.
    for arguments in [vec![], vec!["serve"]] {
        let mut program = Program::start(&arguments, &[]);
        let line = program.wait_for_any(&["listening on http://127.0.0.1:8000,", "127.0.0.1:8000 is taken"]);
        if line.contains("listening") {
            assert!(line.contains("documentation at http://127.0.0.1:8000/docs"), "{line}");
            assert_eq!(get("/users/me").send(program.address()).status, 401);
        } else {
            assert_eq!(program.wait(), Some(1));
        }
    }
}

#[test]
fn tutorial_profile_logs_that_it_is_insecure() {
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[]);
    program.wait_for("INSECURE");
}

#[test]
fn settings_are_flags_and_variables_and_flags_win() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, variables) in [
        (vec!["--bind", "127.0.0.1:0"], vec![]),
        (vec!["serve", "--bind=127.0.0.1:0"], vec![("GATEPASS_WORKERS", "1")]),
        (vec!["--bind", "[::1]:0"], vec![]),
        (vec!["--workers", "3", "--profile", "tutorial"], vec![("GATEPASS_BIND", "127.0.0.1:0")]),
        (vec!["--bind", "127.0.0.1:0"], vec![("GATEPASS_BIND", taken.as_str())]),
        (
            vec!["--shutdown-timeout", "1"],
            vec![("GATEPASS_BIND", "127.0.0.1:0"), ("GATEPASS_PROFILE", "tutorial")],
        ),
    ] {
        let program = Program::start(&arguments, &variables);
        assert_eq!(get("/users/me").bearer("johndoe").send(program.address()).status, 200, "{arguments:?}");
    }
}

#[test]
fn workers_setting_sets_their_number() {
    let variables = [("RUST_LOG", "info"), ("GATEPASS_WORKERS", "3")];
    Program::start(&["--bind", "127.0.0.1:0"], &variables).wait_for("workers: 3");
}

#[test]
fn help_explains_every_setting() {
    let (code, commands, err) = run(&["--help"], &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for word in ["serve", "healthcheck", "RUST_LOG"] {
        assert!(commands.contains(word), "{word}: {commands}");
    }
    let (code, help, err) = run(&["serve", "--help"], &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for setting in ["PROFILE", "BIND", "WORKERS", "EXPOSE_TUTORIAL", "SHUTDOWN_TIMEOUT"] {
        let flag = format!("--{}", setting.to_lowercase().replace('_', "-"));
        assert!(help.contains(&flag) && help.contains(&format!("GATEPASS_{setting}")), "{setting}: {help}");
    }
    assert_eq!(run(&["--bind", "127.0.0.1:0", "--help"], &[]).1, help);
    for word in ["127.0.0.1:8000", "tutorial"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let (code, version, _) = run(&["--version"], &[]);
    assert_eq!((code, version.trim_end()), (Some(0), concat!("gatepass ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_values_fail_with_one_line_and_exit_code_2() {
    let example = "such as 127.0.0.1:8000";
    assert_one_line(&["--bind", "8000"], &[], 2, &["'8000'", "--bind", example, "--help"]);
    assert_one_line(&["--bind", "localhost:http"], &[], 2, &["--bind", example]);
    assert_one_line(&["--bind"], &[], 2, &["--bind", "value is required"]);
    assert_one_line(&["--workers", "0"], &[], 2, &["0", "--workers"]);
    assert_one_line(&["--workers", "513"], &[], 2, &["513", "--workers", "512"]);
    assert_one_line(&["--workers=-1"], &[], 2, &["-1", "--workers"]);
    assert_one_line(&["--profile", "x"], &[], 2, &["'x'", "--profile", "tutorial"]);
    assert_one_line(&["--shutdown-timeout", "soon"], &[], 2, &["'soon'", "--shutdown-timeout"]);
    assert_one_line(&["--expose-tutorial=perhaps"], &[], 2, &["'perhaps'", "--expose-tutorial"]);
    assert_one_line(&["--nope"], &[], 2, &["--nope"]);
    assert_one_line(
        &["--bnd", "x"],
        &[],
        2,
        &["'--bnd'", "a similar argument exists: '--bind'", "serve --help"],
    );
    assert_one_line(&["srve"], &[], 2, &["'srve'", "a similar subcommand exists: 'serve'"]);
    assert_one_line(&["--bind", "127.0.0.1:0", "serve"], &[], 2, &["'serve'"]);
    assert_one_line(
        &["healthcheck", "--workers", "1"],
        &[],
        2,
        &["--workers", "gatepass healthcheck --help"],
    );
    assert_one_line(&["dance"], &[], 2, &["dance"]);
    assert_one_line(&[], &[("GATEPASS_BIND", "x")], 2, &["'x'", "GATEPASS_BIND"]);
    assert_one_line(&[], &[("GATEPASS_WORKERS", "many")], 2, &["'many'", "GATEPASS_WORKERS"]);
    assert_one_line(&[], &[("GATEPASS_EXPOSE_TUTORIAL", "x")], 2, &["'x'", "GATEPASS_EXPOSE_TUTORIAL"]);
}

#[test]
fn serve_on_a_taken_port_fails_with_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert_one_line(&["--bind", &address], &[], 1, &[&address, "taken", "--bind"]);
}

#[test]
fn serve_on_an_address_of_another_machine_fails_with_one_line() {
    // A documentation address (RFC 5737): no machine has it.
    let arguments = ["--bind", "192.0.2.1:8000", "--expose-tutorial"];
    assert_one_line(&arguments, &[], 1, &["192.0.2.1:8000"]);
}

#[test]
fn tutorial_listens_on_public_addresses_only_with_expose_tutorial() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        assert_one_line(&["--bind", address], &[], 2, &["insecure", "loopback", "--expose-tutorial"]);
        assert_one_line(&["--bind", address], &[("GATEPASS_EXPOSE_TUTORIAL", "false")], 2, &["insecure"]);
    }
    for (arguments, variables) in [
        (vec!["--bind", "0.0.0.0:0", "--expose-tutorial"], vec![]),
        (vec!["--bind", "0.0.0.0:0"], vec![("GATEPASS_EXPOSE_TUTORIAL", "true")]),
    ] {
        let program = Program::start(&arguments, &variables);
        let mut address = program.address();
        address.set_ip([127, 0, 0, 1].into());
        assert_eq!(get("/users/me").send(address).status, 401);
    }
}

#[test]
fn access_log_has_one_line_per_request_without_secrets() {
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[("RUST_LOG", "trace")]);
    let address = program.address();
    post_form("/token?password=secret-in-query", "username=johndoe&password=secret-in-form").send(address);
    get("/users/me?access_token=secret-in-query").bearer("secret-in-header").send(address);
    get("/users/me").header("Authorization", "Basic c2VjcmV0LWluLWJhc2ljOng=").send(address);
    get("/nope").bearer("secret-in-header").send(address);

    let line = program.wait_for("gatepass::access] GET /nope 404 ");
    assert!(line.ends_with(" ms"), "{line}");
    program.wait_for("gatepass::access] POST /token 400 ");
    program.wait_for("gatepass::access] GET /users/me 401 ");
    let ours: Vec<_> =
        program.log().lines().filter(|line| line.contains("gatepass")).map(str::to_owned).collect();
    for line in ours {
        assert!(!line.contains("secret-in") && !line.contains("c2VjcmV0"), "{line}");
    }
}

#[test]
fn access_log_escapes_control_characters_of_paths() {
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[]);
    get("/%1b%9b31m-red").send(program.address());
    let line = program.wait_for("-red");
    assert!(!line.contains(char::is_control), "{line:?}");
    assert_eq!(get("/\u{9b}31m-red").send(program.address()).status, 400);
}

#[test]
fn rust_log_turns_the_access_log_off() {
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[("RUST_LOG", "info,gatepass::access=off")]);
    get("/nope").send(program.address());
    let log = program.end();
    assert!(log.contains("listening") && !log.contains("/nope"), "{log}");
}

#[test]
fn empty_rust_log_means_the_default() {
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[("RUST_LOG", "")]);
    program.wait_for("listening on");
}

#[cfg(unix)]
#[test]
fn signal_lets_requests_in_flight_finish_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let mut program = Program::start(&["--bind", "127.0.0.1:0", "--workers", "1"], &[]);
        let address = program.address();
        let mut in_flight = connect(address);
        in_flight
            .write_all(
                b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 32\r\n\
                  Content-Type: application/x-www-form-urlencoded\r\n\r\nusername=johndoe",
            )
            .unwrap();
        // The only worker responds after it received the incomplete request.
        assert_eq!(get("/users/me").send(address).status, 401);

        program.signal(signal);
        program.wait_for("stopping");
        in_flight.write_all(b"&password=secret").unwrap();
        assert_eq!(read_reply(&mut in_flight).expect("an answer").status, 200, "{signal}");
        assert_eq!(program.wait(), Some(0), "{signal}");
        assert!(TcpStream::connect_timeout(&address, TIMEOUT).is_err(), "nothing listens any more");
    }
}

#[cfg(unix)]
#[test]
fn signal_right_after_the_address_is_logged_exits_with_0() {
    for _ in 0..10 {
        let mut program = Program::start(&["--bind", "127.0.0.1:0"], &[]);
        program.wait_for("listening on");
        program.signal("TERM");
        assert_eq!(program.wait(), Some(0));
    }
}

#[cfg(unix)]
#[test]
fn endless_request_is_cut_after_the_shutdown_timeout() {
    let mut program =
        Program::start(&["--bind", "127.0.0.1:0", "--workers", "1", "--shutdown-timeout", "1"], &[]);
    let mut in_flight = connect(program.address());
    in_flight.write_all(b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 32\r\n\r\nx").unwrap();
    assert_eq!(get("/users/me").send(program.address()).status, 401);
    let start = Instant::now();
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[cfg(unix)]
#[test]
fn idle_connection_does_not_delay_the_shutdown() {
    let mut program = Program::start(&["--bind", "127.0.0.1:0", "--shutdown-timeout", "60"], &[]);
    let mut idle = connect(program.address());
    idle.write_all(b"GET /users/me HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read_reply(&mut idle).expect("an answer").status, 401);
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
}

#[cfg(unix)]
#[test]
fn second_signal_exits_at_once() {
    let mut program =
        Program::start(&["--bind", "127.0.0.1:0", "--workers", "1", "--shutdown-timeout", "600"], &[]);
    let mut in_flight = connect(program.address());
    in_flight.write_all(b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 32\r\n\r\nx").unwrap();
    assert_eq!(get("/users/me").send(program.address()).status, 401);
    program.signal("TERM");
    program.wait_for("stopping");
    program.signal("TERM");
    assert_eq!(program.wait(), Some(1));
}

#[test]
fn healthcheck_succeeds_if_a_service_responds() {
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[]);
    let address = program.address().to_string();
    assert_eq!(run(&["healthcheck", "--bind", &address], &[]), (Some(0), String::new(), String::new()));
    assert_eq!(run(&["healthcheck"], &[("GATEPASS_BIND", &address)]).0, Some(0));

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert_one_line(&["healthcheck", "--bind", &free], &[], 1, &["no healthy service", &free]);
}

#[test]
fn healthcheck_of_a_service_on_every_address_connects_to_this_machine() {
    let program = Program::start(&["--bind", "0.0.0.0:0", "--expose-tutorial"], &[]);
    let bind = format!("0.0.0.0:{}", program.address().port());
    assert_eq!(run(&["healthcheck", "--bind", &bind], &[]).0, Some(0));
}

#[test]
fn healthcheck_fails_on_an_error_status() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
        }
    });
    assert_one_line(&["healthcheck", "--bind", &address], &[], 1, &["503"]);
}

#[test]
fn healthcheck_waits_three_seconds_in_total() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        // A service that sends only the status line is healthy; one that sends nothing is not.
        let mut connections = listener.incoming().flatten();
        let mut healthy = connections.next().unwrap();
        healthy.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
        let silent = connections.next();
        std::thread::park();
        drop((healthy, silent));
    });
    assert_eq!(run(&["healthcheck", "--bind", &address], &[]).0, Some(0));
    let start = Instant::now();
    assert_one_line(&["healthcheck", "--bind", &address], &[], 1, &["no healthy service"]);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}
