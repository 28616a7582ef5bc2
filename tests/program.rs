//! The program with the tutorial profile: settings, log, start, stop and health check.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::support::{
    http::{connect, get, post_form, read_reply, send_incomplete_sign_in},
    program::Run,
    service::{Program, TIMEOUT, gatepass},
};

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    Run::from(gatepass(arguments, variables).output().unwrap())
}

#[test]
fn serve_is_the_default_command_and_logs_its_address() {
    // If port 8000 is taken, the error shows the default address instead.
    for arguments in [vec![], vec!["serve"]] {
        let mut program = Program::start(&arguments, &[]);
        let line = program.wait_for_any(&["listening on http://127.0.0.1:8000,", "127.0.0.1:8000 is in use"]);
        if line.contains("listening") {
            assert!(line.contains("documentation at http://127.0.0.1:8000/docs"), "{line}");
            assert_eq!(get("/users/me").send(program.address()).status, 401);
        } else {
            assert_eq!(program.wait(), Some(1));
        }
    }
}

#[test]
fn settings_are_read_from_flags_and_variables_and_flags_take_precedence() {
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
fn log_reports_the_number_of_workers_and_the_insecure_profile() {
    for variables in [&[("RUST_LOG", "info"), ("GATEPASS_WORKERS", "3")][..], &[("RUST_LOG", "")]] {
        let program = Program::start(&["--bind", "127.0.0.1:0"], variables);
        program.wait_for("INSECURE");
        program.wait_for("listening on");
        if variables.len() == 2 {
            program.wait_for("workers: 3");
        }
    }
}

#[test]
fn help_shows_commands_flags_variables_and_defaults() {
    let commands = run(&["--help"], &[]).done();
    for word in ["serve", "healthcheck", "RUST_LOG"] {
        assert!(commands.contains(word), "{word}: {commands}");
    }
    let help = run(&["serve", "--help"], &[]).done();
    for setting in ["PROFILE", "BIND", "WORKERS", "EXPOSE_TUTORIAL", "SHUTDOWN_TIMEOUT"] {
        let flag = format!("--{}", setting.to_lowercase().replace('_', "-"));
        assert!(help.contains(&flag) && help.contains(&format!("GATEPASS_{setting}")), "{setting}: {help}");
    }
    assert_eq!(run(&["--bind", "127.0.0.1:0", "--help"], &[]).done(), help);
    for word in ["127.0.0.1:8000", "tutorial"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let version = run(&["--version"], &[]).done();
    assert_eq!(version.trim_end(), concat!("gatepass ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn invalid_arguments_cause_a_one_line_error_and_exit_code_2() {
    let example = "such as 127.0.0.1:8000";
    for (arguments, words) in [
        (&["--bind", "8000"][..], &["'8000'", "--bind", example, "--help"][..]),
        (&["--bind", "localhost:http"], &["--bind", example]),
        (&["--bind"], &["--bind", "value is required"]),
        (&["--workers", "0"], &["0", "--workers"]),
        (&["--workers", "513"], &["513", "--workers", "512"]),
        (&["--workers=-1"], &["-1", "--workers"]),
        (&["--profile", "x"], &["'x'", "--profile", "tutorial"]),
        (&["--shutdown-timeout", "soon"], &["'soon'", "--shutdown-timeout"]),
        (&["--expose-tutorial=perhaps"], &["'perhaps'", "--expose-tutorial"]),
        (&["--nope"], &["--nope"]),
        (&["--bnd", "x"], &["'--bnd'", "a similar argument exists: '--bind'", "serve --help"]),
        (&["srve"], &["'srve'", "a similar subcommand exists: 'serve'"]),
        (&["--bind", "127.0.0.1:0", "serve"], &["'serve'"]),
        (&["healthcheck", "--workers", "1"], &["--workers", "gatepass healthcheck --help"]),
        (&["dance"], &["dance"]),
    ] {
        run(arguments, &[]).fails(2, words);
    }
    for (variable, value) in
        [("GATEPASS_BIND", "x"), ("GATEPASS_WORKERS", "many"), ("GATEPASS_EXPOSE_TUTORIAL", "x")]
    {
        run(&[], &[(variable, value)]).fails(2, &[&format!("'{value}'"), variable]);
    }
}

#[test]
fn serve_on_an_unusable_address_prints_one_line_and_exits_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    run(&["--bind", &address], &[]).fails(1, &[&address, "in use", "--bind"]);
    // No machine has this address: it is reserved for documentation (RFC 5737).
    let arguments = ["--bind", "192.0.2.1:8000", "--expose-tutorial"];
    run(&arguments, &[]).fails(1, &["192.0.2.1:8000"]);
}

#[test]
fn tutorial_listens_on_public_addresses_only_with_expose_tutorial() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        run(&["--bind", address], &[]).fails(2, &["insecure", "loopback", "--expose-tutorial"]);
        run(&["--bind", address], &[("GATEPASS_EXPOSE_TUTORIAL", "false")]).fails(2, &["insecure"]);
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
fn access_log_shows_requests_without_secrets() {
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[("RUST_LOG", "trace")]);
    let address = program.address();
    post_form("/token?password=secret-in-query", "username=johndoe&password=secret-in-form").send(address);
    get("/users/me?access_token=secret-in-query").bearer("secret-in-header").send(address);
    get("/users/me").header("Authorization", "Basic c2VjcmV0LWluLWJhc2ljOng=").send(address);
    get("/nope").bearer("secret-in-header").send(address);

    let line = program.wait_for("gatepass::access] GET /nope 404 ");
    assert!(line.contains(" ms 127.0.0.1 request_id="), "{line}");
    program.wait_for("gatepass::access] POST /token 400 ");
    program.wait_for("gatepass::access] GET /users/me 401 ");
    let ours: Vec<_> =
        program.log().lines().filter(|line| line.contains("gatepass")).map(str::to_owned).collect();
    for line in ours {
        assert!(!line.contains("secret-in") && !line.contains("c2VjcmV0"), "{line}");
    }
}

#[test]
fn access_log_escapes_control_characters_in_paths() {
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[]);
    get("/%1b%9b31m-red").send(program.address());
    let line = program.wait_for("-red");
    assert!(!line.contains(char::is_control), "{line:?}");
    assert_eq!(get("/\u{9b}31m-red").send(program.address()).status, 400);
}

#[test]
fn rust_log_can_turn_the_access_log_off() {
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[("RUST_LOG", "info,gatepass::access=off")]);
    get("/nope").send(program.address());
    let log = program.end();
    assert!(log.contains("listening") && !log.contains("/nope"), "{log}");
}

#[test]
fn program_finishes_requests_in_progress_after_a_signal_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let mut program = Program::start(&["--bind", "127.0.0.1:0", "--workers", "1"], &[]);
        let address = program.address();
        let mut in_progress = send_incomplete_sign_in(address);
        program.signal(signal);
        program.wait_for("stopping");
        in_progress.write_all(b"&password=secret").unwrap();
        assert_eq!(read_reply(&mut in_progress).expect("a response").status, 200, "{signal}");
        assert_eq!(program.wait(), Some(0), "{signal}");
        assert!(TcpStream::connect_timeout(&address, TIMEOUT).is_err(), "the listener should be closed");
    }
}

#[test]
fn program_exits_with_0_on_a_signal_right_after_logging_its_address() {
    for _ in 0..3 {
        let mut program = Program::start(&["--bind", "127.0.0.1:0"], &[]);
        program.wait_for("listening on");
        program.signal("TERM");
        assert_eq!(program.wait(), Some(0));
    }
}

#[test]
fn shutdown_timeout_or_second_signal_aborts_requests_in_progress() {
    for (timeout, signals, code) in [("1", 1, 0), ("600", 2, 1)] {
        let arguments = ["--bind", "127.0.0.1:0", "--workers", "1", "--shutdown-timeout", timeout];
        let mut program = Program::start(&arguments, &[]);
        let _in_progress = send_incomplete_sign_in(program.address());
        let start = Instant::now();
        for _ in 0..signals {
            program.signal("TERM");
            program.wait_for("stopping");
        }
        assert_eq!(program.wait(), Some(code));
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
}

#[test]
fn idle_connection_does_not_delay_the_shutdown() {
    let mut program = Program::start(&["--bind", "127.0.0.1:0", "--shutdown-timeout", "60"], &[]);
    let mut idle = connect(program.address());
    idle.write_all(b"GET /users/me HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(read_reply(&mut idle).expect("a response").status, 401);
    program.signal("TERM");
    assert_eq!(program.wait(), Some(0));
}

#[test]
fn healthcheck_succeeds_only_if_a_service_responds() {
    let program = Program::start(&["--bind", "127.0.0.1:0"], &[]);
    let address = program.address().to_string();
    assert_eq!(run(&["healthcheck", "--bind", &address], &[]).done(), "");
    assert_eq!(run(&["healthcheck"], &[("GATEPASS_BIND", &address)]).done(), "");

    // The health check for a service that listens on all addresses connects to the loopback address.
    let everywhere = Program::start(&["--bind", "0.0.0.0:0", "--expose-tutorial"], &[]);
    let bind = format!("0.0.0.0:{}", everywhere.address().port());
    assert_eq!(run(&["healthcheck", "--bind", &bind], &[]).done(), "");

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    run(&["healthcheck", "--bind", &free], &[]).fails(1, &["no healthy service", &free]);
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
    run(&["healthcheck", "--bind", &address], &[]).fails(1, &["503"]);
}

#[test]
fn healthcheck_of_a_service_that_does_not_respond_times_out() {
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
    assert_eq!(run(&["healthcheck", "--bind", &address], &[]).done(), "");
    let start = Instant::now();
    run(&["healthcheck", "--bind", &address], &[]).fails(1, &["no healthy service"]);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}
