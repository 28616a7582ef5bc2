//! Guessing: who fails often waits, wherever they ask and whatever name they give; nobody else does.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::support::{
    http::{Reply, Request, post_form, read_reply, request},
    program::Gatepass,
    secure_profile::{JOHNDOE, SECOND, Service, add_johndoe, expect_oauth2_error, rows, serve, within},
};

/// Two failures are free.
const GUARDED: [&str; 2] = ["--login-throttle=on", "--login-throttle-account-failures=2"];

const WRONG: &str = "username=johndoe&password=wrong";

fn guarded(gatepass: &Gatepass, more: &[&str]) -> Service {
    serve(gatepass, &[&GUARDED[..], more].concat())
}

/// A connection from this address of the loopback network.
fn connect_from(source: &str, address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let source = SocketAddr::new(source.parse::<IpAddr>().unwrap(), 0);
    socket.bind(&source.into()).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn send_from(source: &str, request: &Request, address: SocketAddr) -> Reply {
    let mut stream = TcpStream::from(connect_from(source, address));
    stream.write_all(&request.bytes()).unwrap();
    read_reply(&mut stream).expect("an answer")
}

/// The failures that are counted for accounts.
fn counted(gatepass: &Gatepass) -> Vec<String> {
    rows(gatepass, "SELECT CAST(count AS TEXT) FROM failures WHERE name LIKE '% %' ORDER BY name")
}

/// Has everybody who failed wait for long, so that no test depends on its own pace.
fn fail_ten_times_more(gatepass: &Gatepass) {
    rows(gatepass, "UPDATE failures SET count = count + 10 WHERE name LIKE '% %' RETURNING name");
}

#[track_caller]
fn expect_blocked(reply: &Reply) -> u64 {
    expect_oauth2_error(reply, 429, "temporarily_unavailable", "Too many failed attempts, try again later");
    reply.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("seconds")
}

#[test]
fn who_fails_often_waits_and_each_time_longer_up_to_the_longest() {
    Gatepass::on_both("who_fails_often_waits_and_each_time_longer_up_to_the_longest", |gatepass| {
        add_johndoe(gatepass);
        let service = guarded(gatepass, &["--login-throttle-longest-wait=100"]);
        for _ in 0..2 {
            expect_oauth2_error(
                &service.sign_in(WRONG),
                400,
                "invalid_grant",
                "Incorrect username or password",
            );
        }
        // A second, and who waited has one more guess. What is refused meanwhile counts for nothing.
        let next = || Some(service.sign_in(WRONG)).filter(|reply| reply.status != 429);
        assert_eq!(within(2 * SECOND, "the first wait", next).status, 400);
        assert_eq!(counted(gatepass), ["3"]);

        for (update, wait) in [
            ("UPDATE failures SET count = 5 WHERE name LIKE '% %' RETURNING name", 8),
            ("UPDATE failures SET count = 7 WHERE name LIKE '% %' RETURNING name", 32),
            ("UPDATE failures SET count = 9 WHERE name LIKE '% %' RETURNING name", 100),
            ("UPDATE failures SET count = 9000000000 WHERE name LIKE '% %' RETURNING name", 100),
        ] {
            rows(gatepass, update);
            let told = expect_blocked(&service.sign_in(WRONG));
            assert!((wait - 3..=wait).contains(&told), "{told} of {wait}");
            // The right password is not looked at either.
            expect_blocked(&service.sign_in(JOHNDOE));
        }
        // An hour later all is forgotten, also by the next failure.
        rows(gatepass, "UPDATE failures SET last = last - 3600 RETURNING name");
        assert_eq!(service.sign_in(WRONG).status, 400);
        assert_eq!(counted(gatepass), ["1"]);
    });
}

#[test]
fn the_right_password_begins_anew() {
    Gatepass::on_both("the_right_password_begins_anew", |gatepass| {
        add_johndoe(gatepass);
        let service = guarded(gatepass, &[]);
        let outcomes = [WRONG, JOHNDOE, WRONG, WRONG].map(|form| service.sign_in(form).status);
        assert_eq!(outcomes, [400, 200, 400, 400]);
        assert_eq!(counted(gatepass), ["2"]);
    });
}

#[test]
fn nobody_is_locked_out_by_a_stranger() {
    Gatepass::on_both("nobody_is_locked_out_by_a_stranger", |gatepass| {
        add_johndoe(gatepass);
        let service = guarded(gatepass, &[]);
        let from = |source, form| send_from(source, &post_form("/token", form), service.address);
        for _ in 0..2 {
            assert_eq!(from("127.0.0.1", WRONG).status, 400);
        }
        fail_ten_times_more(gatepass);
        expect_blocked(&from("127.0.0.1", JOHNDOE));
        for _ in 0..3 {
            assert_eq!(from("127.0.0.2", JOHNDOE).status, 200);
        }
        expect_blocked(&from("127.0.0.1", JOHNDOE));
    });
}

#[test]
fn an_address_that_tries_many_names_waits_for_all_of_them() {
    Gatepass::on_both("an_address_that_tries_many_names_waits_for_all_of_them", |gatepass| {
        add_johndoe(gatepass);
        let service = guarded(gatepass, &["--login-throttle-address-failures=4"]);
        let from = |source, form: &str| send_from(source, &post_form("/token", form), service.address);
        for name in ["a", "b", "c", "d"] {
            assert_eq!(from("127.0.0.1", &format!("username={name}&password=wrong")).status, 400);
        }
        rows(gatepass, "UPDATE failures SET count = count + 10 WHERE name = '127.0.0.1' RETURNING name");
        expect_blocked(&from("127.0.0.1", "username=e&password=wrong"));
        expect_blocked(&from("127.0.0.1", JOHNDOE));
        assert_eq!(from("127.0.0.2", JOHNDOE).status, 200);
    });
}

#[test]
fn an_unknown_name_is_answered_like_a_known_one() {
    Gatepass::on_both("an_unknown_name_is_answered_like_a_known_one", |gatepass| {
        add_johndoe(gatepass);
        gatepass.add("alice", &["--disabled"]).done();
        let service = guarded(gatepass, &[]);
        // The letters of another width, and capitals, are the same name, whether anybody has it or not.
        let names = [
            ["johndoe", "JohnDoe", "%EF%BD%8A%EF%BD%8F%EF%BD%88%EF%BD%8E%EF%BD%84%EF%BD%8F%EF%BD%85"],
            ["alice", "aLICE", "%EF%BD%81%EF%BD%8C%EF%BD%89%EF%BD%83%EF%BD%85"],
            ["nobody", "NOBODY", "%EF%BD%8E%EF%BD%8F%EF%BD%82%EF%BD%8F%EF%BD%84%EF%BD%99"],
        ];
        let answers = names.map(|[one, other, third]| {
            let attempt = |name| service.sign_in(&format!("username={name}&password=wrong"));
            let free = [attempt(one), attempt(other)];
            fail_ten_times_more(gatepass);
            let blocked = attempt(third);
            assert!(expect_blocked(&blocked) > 800);
            [free[0].clone(), free[1].clone(), blocked].map(|reply| {
                let mut headers = reply.headers;
                headers.retain(|(name, _)| name != "date" && name != "retry-after");
                (reply.status, reply.body, headers)
            })
        });
        assert_eq!(answers[0].each_ref().map(|(status, ..)| *status), [400, 400, 429]);
        assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    });
}

#[test]
fn replicas_share_what_they_count() {
    Gatepass::on_both("replicas_share_what_they_count", |gatepass| {
        add_johndoe(gatepass);
        let replica = || guarded(gatepass, &["--issuer=https://auth.example.com"]);
        let replicas = [replica(), replica()];
        for service in &replicas {
            assert_eq!(service.sign_in(WRONG).status, 400);
        }
        assert_eq!(counted(gatepass), ["2"]);
        fail_ten_times_more(gatepass);
        for service in &replicas {
            expect_blocked(&service.sign_in(JOHNDOE));
        }
    });
}

#[test]
fn a_hundred_attempts_at_once_are_no_more_guesses_than_one_after_another() {
    let test = "a_hundred_attempts_at_once_are_no_more_guesses_than_one_after_another";
    Gatepass::on_both(test, |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--login-throttle=on", "--workers=4"]);
        let replies: Vec<_> = thread::scope(|scope| {
            let attempts: Vec<_> = (0..100).map(|_| scope.spawn(|| service.sign_in(WRONG))).collect();
            attempts.into_iter().map(|attempt| attempt.join().unwrap()).collect()
        });
        let guesses = replies.iter().filter(|reply| reply.status == 400).count();
        // Five are free, and one more after each wait that ends meanwhile.
        assert!((1..=8).contains(&guesses), "{guesses} guesses");
        assert_eq!(counted(gatepass), [guesses.to_string()]);
        replies.iter().filter(|reply| reply.status != 400).for_each(|reply| _ = expect_blocked(reply));

        // And the log has a line a second.
        let lines = service.program.end().matches("login throttled after too many failed attempts").count();
        assert!((1..=8).contains(&lines), "{lines} lines");
    });
}

#[test]
fn who_goes_away_before_the_answer_has_guessed_all_the_same() {
    Gatepass::on_both("who_goes_away_before_the_answer_has_guessed_all_the_same", |gatepass| {
        add_johndoe(gatepass);
        let slow = ["--hash-threads=1", "--argon2-memory=65536", "--argon2-iterations=8"];
        let service = guarded(gatepass, &slow);
        // For an unknown user the parameters of today count: these are slow.
        let attempt = post_form("/token", "username=nobody&password=wrong").bytes();
        for guesses in 1..=2 {
            let mut connection = connect_from("127.0.0.1", service.address);
            connection.write_all(&attempt).unwrap();
            thread::sleep(Duration::from_millis(100));
            // Not closed but reset.
            connection.set_linger(Some(Duration::ZERO)).unwrap();
            drop(connection);
            let is_counted = || (counted(gatepass) == [guesses.to_string()]).then_some(());
            within(10 * SECOND, "it is counted", is_counted);
        }
        fail_ten_times_more(gatepass);
        expect_blocked(&service.sign_in("username=nobody&password=wrong"));
    });
}

#[test]
fn the_current_password_is_not_guessed_either() {
    Gatepass::on_both("the_current_password_is_not_guessed_either", |gatepass| {
        add_johndoe(gatepass);
        let service = guarded(gatepass, &[]);
        let token = service.token(JOHNDOE);
        let change = |current: &str| {
            let form = format!("current_password={current}&new_password=a+fine+new+passphrase");
            let request = request("PUT", "/users/me/password")
                .header("Content-Type", "application/x-www-form-urlencoded");
            request.bearer(&token).body(form).send(service.address)
        };
        for _ in 0..2 {
            let reply = change("wrong");
            assert_eq!((reply.status, &reply.json()["detail"]), (400, &"Incorrect password".into()));
        }
        fail_ten_times_more(gatepass);
        assert!(expect_blocked(&change("wrong")) > 800);
        expect_blocked(&change("johndoe's+own+passphrase"));
        assert_eq!(service.users_me(&token).status, 200, "the token is as good as before");
    });
}

#[test]
fn an_address_has_so_many_attempts_a_second_right_or_wrong() {
    Gatepass::on_both("an_address_has_so_many_attempts_a_second_right_or_wrong", |gatepass| {
        add_johndoe(gatepass);
        let service = guarded(gatepass, &["--login-throttle-rate=1"]);
        for _ in 0..10 {
            assert_eq!(service.sign_in(JOHNDOE).status, 200);
        }
        let next = || Some(service.sign_in(JOHNDOE)).filter(|reply| reply.status != 200);
        assert_eq!(expect_blocked(&within(20 * SECOND, "the burst is used up", next)), 1);
        let other = send_from("127.0.0.2", &post_form("/token", JOHNDOE), service.address);
        assert_eq!(other.status, 200);
        let next = || Some(service.sign_in(JOHNDOE)).filter(|reply| reply.status == 200);
        within(3 * SECOND, "a second later there is one more", next);
    });
}

#[test]
fn a_failure_that_cannot_be_counted_is_not_seen() {
    Gatepass::on_both("a_failure_that_cannot_be_counted_is_not_seen", |gatepass| {
        add_johndoe(gatepass);
        let service = guarded(gatepass, &[]);
        rows(gatepass, "DROP TABLE failures");
        for form in [WRONG, JOHNDOE] {
            let reply = service.sign_in(form);
            assert_eq!((reply.status, &reply.json()["detail"]), (500, &"Internal Server Error".into()));
        }
    });
}

#[test]
fn where_it_is_off_nobody_waits_and_nothing_is_counted() {
    Gatepass::on_both("where_it_is_off_nobody_waits_and_nothing_is_counted", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(
            gatepass,
            &["--login-throttle-account-failures=0", "--login-throttle-rate=1", "--login-throttle=off"],
        );
        for _ in 0..20 {
            assert_eq!(service.sign_in(WRONG).status, 400);
        }
        assert_eq!(service.sign_in(JOHNDOE).status, 200);
        assert_eq!(counted(gatepass), [""; 0]);
    });
}
