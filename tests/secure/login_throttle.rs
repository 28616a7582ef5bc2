//! Login throttling: waits after failed attempts, rate limits, known devices, and how an operator ends waits.

use std::{io::Write, time::Duration};

use crate::secure::{
    Gatepass, JOHNDOE, Reply, SECOND, Service, access_token, add_client, change_password, client_fields,
    concurrently, connect_from, cookie_named, expect_oauth2_error, on_both, on_sqlite, ops::metrics,
    ops::ops_address, post_form, replicas, rows, send_from, wait_until, with_service, within,
};

/// The arguments for a service that throttles attempts after two failed attempts.
const THROTTLED: [&str; 2] = ["--login-throttle=on", "--login-throttle-account-failures=2"];

const WRONG: &str = "username=johndoe&password=wrong";

fn with_throttled(more: &[&str], test: impl Fn(&Gatepass, Service)) {
    with_service(&[&THROTTLED[..], more].concat(), test);
}

fn sign_in_from(source: &str, form: &str, service: &Service) -> Reply {
    send_from(source, &post_form("/token", form), service)
}

/// Returns the device cookie in the response to a successful sign-in.
#[track_caller]
fn device_cookie(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    cookie_named("gatepass_device", reply)
}

/// Signs in from this address with a device cookie.
fn sign_in_with(cookie: &str, source: &str, form: &str, service: &Service) -> Reply {
    send_from(source, &post_form("/token", form).header("Cookie", cookie), service)
}

/// Returns the stored counts of failed attempts: one per pair of account and address, and one per known device.
fn failed_attempts(gatepass: &Gatepass) -> Vec<String> {
    rows(
        gatepass,
        "SELECT CAST(count AS TEXT) FROM failures \
         WHERE name LIKE '% %' AND name NOT LIKE 'known %' AND name NOT LIKE 'clients %' ORDER BY name",
    )
}

/// Adds failed attempts to all accounts that already have some, so that their waits outlast the test.
fn add_ten_failed_attempts(gatepass: &Gatepass) {
    rows(gatepass, "UPDATE failures SET count = count + 10 WHERE name LIKE '% %' RETURNING name");
}

/// Asserts that the response is 429, and returns its `Retry-After`.
#[track_caller]
fn expect_throttled(reply: &Reply) -> u64 {
    expect_oauth2_error(reply, 429, "temporarily_unavailable", "Too many attempts, try again later");
    reply.header("retry-after").and_then(|seconds| seconds.parse().ok()).expect("seconds")
}

#[test]
fn wait_doubles_with_each_failed_attempt_up_to_the_maximum_and_is_reset_after_an_hour_or_a_sign_in() {
    with_throttled(&["--login-throttle-longest-wait=100"], |gatepass, service| {
        for _ in 0..2 {
            expect_oauth2_error(
                &service.sign_in(WRONG),
                400,
                "invalid_grant",
                "Incorrect username or password",
            );
        }
        // After a second, one more attempt is allowed. Attempts during the wait are not counted.
        let next = || Some(service.sign_in(WRONG)).filter(|reply| reply.status != 429);
        assert_eq!(within(2 * SECOND, "the first wait ends", next).status, 400);
        assert_eq!(failed_attempts(gatepass), ["3"]);

        for (update, wait) in [
            ("UPDATE failures SET count = 5 WHERE name LIKE '% %' RETURNING name", 8),
            ("UPDATE failures SET count = 7 WHERE name LIKE '% %' RETURNING name", 32),
            ("UPDATE failures SET count = 9 WHERE name LIKE '% %' RETURNING name", 100),
            ("UPDATE failures SET count = 9000000000 WHERE name LIKE '% %' RETURNING name", 100),
        ] {
            rows(gatepass, update);
            let retry_after = expect_throttled(&service.sign_in(WRONG));
            assert!(
                (wait - 3..=wait).contains(&retry_after),
                "Retry-After is {retry_after} instead of {wait}"
            );
            expect_throttled(&service.sign_in(JOHNDOE));
        }
        rows(gatepass, "UPDATE failures SET last = last - 3600, expires = expires - 3600 RETURNING name");
        assert_eq!(service.sign_in(WRONG).status, 400);
        assert_eq!(failed_attempts(gatepass), ["1"]);
        let statuses = [JOHNDOE, WRONG, WRONG].map(|form| service.sign_in(form).status);
        assert_eq!(statuses, [200, 400, 400]);
        assert_eq!(failed_attempts(gatepass), ["2"]);
    });
}

#[test]
fn failed_attempts_from_one_address_do_not_throttle_another_address() {
    let (gatepass, service) = on_sqlite(&[&THROTTLED[..], &["--login-throttle-address-failures=4"]].concat());
    for _ in 0..2 {
        assert_eq!(service.sign_in(WRONG).status, 400);
    }
    add_ten_failed_attempts(&gatepass);
    expect_throttled(&service.sign_in(JOHNDOE));
    assert_eq!(sign_in_from("127.0.0.2", JOHNDOE, &service).status, 200);
    expect_throttled(&service.sign_in(JOHNDOE));

    // Failed attempts at several accounts throttle the address across all accounts.
    for username in ["a", "b", "c", "d"] {
        let form = format!("username={username}&password=wrong");
        assert_eq!(sign_in_from("127.0.0.3", &form, &service).status, 400);
    }
    rows(&gatepass, "UPDATE failures SET count = count + 10 WHERE name = '127.0.0.3' RETURNING name");
    for form in ["username=e&password=wrong", JOHNDOE] {
        expect_throttled(&sign_in_from("127.0.0.3", form, &service));
    }
    assert_eq!(sign_in_from("127.0.0.2", JOHNDOE, &service).status, 200);
}

#[test]
fn unknown_username_gets_the_same_responses_as_a_known_username() {
    with_throttled(&[], |gatepass, service| {
        gatepass.add("alice", &["--disabled"]).done();
        // Usernames that differ only in capital or fullwidth letters are equal, whether or not the user exists.
        let names = [
            ["johndoe", "JohnDoe", "%EF%BD%8A%EF%BD%8F%EF%BD%88%EF%BD%8E%EF%BD%84%EF%BD%8F%EF%BD%85"],
            ["alice", "aLICE", "%EF%BD%81%EF%BD%8C%EF%BD%89%EF%BD%83%EF%BD%85"],
            ["nobody", "NOBODY", "%EF%BD%8E%EF%BD%8F%EF%BD%82%EF%BD%8F%EF%BD%84%EF%BD%99"],
        ];
        let responses = names.map(|[name, capitals, fullwidth]| {
            let attempt = |name| service.sign_in(&format!("username={name}&password=wrong"));
            let [first, second] = [name, capitals].map(attempt);
            add_ten_failed_attempts(gatepass);
            let third = attempt(fullwidth);
            assert!(expect_throttled(&third) > 800);
            [first, second, third].map(|mut reply| {
                let varying = ["date", "retry-after", "x-request-id"];
                reply.headers.retain(|(name, _)| !varying.contains(&name.as_str()));
                (reply.status, reply.body, reply.headers)
            })
        });
        assert_eq!(responses[0].each_ref().map(|(status, ..)| *status), [400, 400, 429]);
        assert!(responses.iter().all(|response| response == &responses[0]), "{responses:?}");
    });
}

#[test]
fn replicas_count_failed_attempts_together() {
    on_both(|gatepass| {
        let replicas = replicas(gatepass, &THROTTLED);
        for service in &replicas {
            assert_eq!(service.sign_in(WRONG).status, 400);
        }
        assert_eq!(failed_attempts(gatepass), ["2"]);
        add_ten_failed_attempts(gatepass);
        for service in &replicas {
            expect_throttled(&service.sign_in(JOHNDOE));
        }
    });
}

#[test]
fn service_checks_at_most_three_more_passwords_than_the_limit_during_concurrent_attempts() {
    let slow = ["--argon2-memory=19456", "--argon2-iterations=2"];
    with_service(&[&["--login-throttle=on", "--workers=4"][..], &slow].concat(), |gatepass, service| {
        // A sign-in with an unknown username computes a hash with these parameters.
        let replies = concurrently(100, |_| service.sign_in("username=nobody&password=wrong"));
        let (checked, throttled): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 400);
        // Five attempts are allowed immediately, and one more after each wait that ends during the test.
        assert!((1..=8).contains(&checked.len()), "expected 1 to 8 checked passwords, got {}", checked.len());
        assert_eq!(failed_attempts(gatepass), [checked.len().to_string()]);
        throttled.into_iter().for_each(|reply| _ = expect_throttled(reply));

        // At most one line per second is logged.
        let lines = service.program.end().matches("refused a request: too many failed attempts").count();
        assert!((1..=8).contains(&lines), "{lines} lines");
    });
}

#[test]
fn attempt_by_a_client_that_disconnects_is_counted_as_failed() {
    let slow =
        ["--hash-threads=1", "--argon2-memory=65536", "--argon2-iterations=4", "--ops-bind=127.0.0.1:0"];
    let (gatepass, service) = on_sqlite(&[&THROTTLED[..], &slow].concat());
    let ops = ops_address(&service);
    // A sign-in with an unknown username computes a hash with the current parameters.
    let attempt = "username=nobody&password=wrong";
    for attempts in 1..=2 {
        let mut connection = connect_from("127.0.0.1", service.address);
        connection.write_all(&post_form("/token", attempt).bytes()).unwrap();
        wait_until(60 * SECOND, "the password is being checked", || {
            metrics(ops)["gatepass_hash_running"] == 1.0
        });
        // A linger time of zero resets the connection instead of closing it normally.
        connection.set_linger(Some(Duration::ZERO)).unwrap();
        drop(connection);
        wait_until(60 * SECOND, "the attempt is counted", || {
            failed_attempts(&gatepass) == [attempts.to_string()]
        });
        wait_until(60 * SECOND, "the hash ends", || metrics(ops)["gatepass_hash_running"] == 0.0);
    }
    add_ten_failed_attempts(&gatepass);
    expect_throttled(&service.sign_in(attempt));
}

#[test]
fn wrong_current_password_in_a_password_change_counts_as_a_failed_sign_in_attempt() {
    let (gatepass, service) = on_sqlite(&THROTTLED);
    let token = service.token(JOHNDOE);
    let change = |current: &str| change_password(&service, &token, current, "a+fine+new+passphrase");
    let reply = change("wrong");
    assert_eq!((reply.status, &reply.json()["detail"]), (400, &"Incorrect password".into()));
    assert_eq!(service.sign_in("username=JohnDoe&password=wrong").status, 400);
    assert_eq!(failed_attempts(&gatepass), ["2"]);
    add_ten_failed_attempts(&gatepass);
    assert!(expect_throttled(&change("wrong")) > 800);
    expect_throttled(&change("johndoe's+own+passphrase"));
    expect_throttled(&service.sign_in(JOHNDOE));
    assert_eq!(service.users_me(&token).status, 200, "the token should stay valid");
}

#[test]
fn sign_ins_over_the_per_address_rate_limit_are_throttled_even_with_the_correct_password() {
    let (_gatepass, service) = on_sqlite(&[&THROTTLED[..], &["--login-throttle-rate=1"]].concat());
    for _ in 0..10 {
        assert_eq!(service.sign_in(JOHNDOE).status, 200);
    }
    let next = || Some(service.sign_in(JOHNDOE)).filter(|reply| reply.status != 200);
    assert_eq!(expect_throttled(&within(20 * SECOND, "the burst is used up", next)), 1);
    assert_eq!(sign_in_from("127.0.0.2", JOHNDOE, &service).status, 200);
    wait_until(3 * SECOND, "another sign-in is allowed", || service.sign_in(JOHNDOE).status == 200);
}

#[test]
fn sign_in_returns_500_if_failed_attempts_cannot_be_counted() {
    let (gatepass, service) = on_sqlite(&THROTTLED);
    rows(&gatepass, "DROP TABLE failures");
    for form in [WRONG, JOHNDOE] {
        let reply = service.sign_in(form);
        assert_eq!((reply.status, &reply.json()["detail"]), (500, &"Internal Server Error".into()));
    }
}

/// The arguments for a service that throttles attempts at an account after two failed attempts from one address, or
/// after 20 from all addresses together. The stored hash has other parameters, so the first sign-in replaces it.
const TOTAL: [&str; 4] = [
    "--login-throttle=on",
    "--login-throttle-account-failures=2",
    "--login-throttle-account-total-failures=20",
    "--argon2-iterations=2",
];

/// Guesses passwords from one address after the next until an attempt is throttled. Returns the number of passwords
/// that the service checked.
fn guess_from_many_addresses(service: &Service) -> usize {
    // The second form spells the username differently, but it means the same account.
    let forms = [WRONG, "username=%20JOHNDOE&password=wrong"];
    let attempts = (0..150).flat_map(|number| forms.map(|form| (format!("127.0.1.{number}"), form)));
    let checked = attempts.take_while(|(source, form)| sign_in_from(source, form, service).status == 400);
    checked.count()
}

#[test]
fn failed_attempts_against_one_account_from_many_addresses_share_a_limit() {
    with_service(&TOTAL, |gatepass, service| {
        assert_eq!(service.sign_in(JOHNDOE).status, 200);
        let checked = guess_from_many_addresses(&service);
        assert!((20..=23).contains(&checked), "expected 20 to 23 checked passwords, got {checked}");
        rows(gatepass, "UPDATE failures SET count = count + 10 WHERE name NOT LIKE '% %' RETURNING name");

        // Sign-ins from an address that johndoe has used before are not delayed, but do not end the wait elsewhere.
        assert_eq!(service.sign_in(JOHNDOE).status, 200);
        assert!(expect_throttled(&sign_in_from("127.0.2.1", JOHNDOE, &service)) > 800);
        // Sign-ins to other accounts are not delayed.
        gatepass.add("alice", &[]).done();
        let alice = "username=alice&password=alice's+own+passphrase";
        assert_eq!(sign_in_from("127.0.2.1", alice, &service).status, 200);

        // After the wait, the correct password from an unknown address resets the count.
        rows(gatepass, "UPDATE failures SET last = last - 1000 WHERE name NOT LIKE '% %' RETURNING name");
        assert_eq!(sign_in_from("127.0.2.1", JOHNDOE, &service).status, 200);
        assert_eq!(sign_in_from("127.0.2.2", WRONG, &service).status, 400);
        assert_eq!(sign_in_from("127.0.2.3", JOHNDOE, &service).status, 200);
    });
}

#[test]
fn failed_attempts_from_other_devices_do_not_throttle_a_known_device() {
    on_both(|gatepass| {
        gatepass.add("alice", &[]).done();
        let arguments = [&TOTAL[..], &["--login-throttle-address-failures=4"]].concat();
        let [service, other] = replicas(gatepass, &arguments);
        let cookie = device_cookie(&sign_in_from("127.0.3.1", JOHNDOE, &service));
        let alice = "username=alice&password=alice's+own+passphrase";
        let of_alice = device_cookie(&sign_in_from("127.0.3.2", alice, &service));
        guess_from_many_addresses(&service);
        for _ in 0..2 {
            sign_in_from("127.0.4.1", WRONG, &service);
            sign_in_from("127.0.4.1", "username=nobody&password=wrong", &service);
        }
        rows(gatepass, "UPDATE failures SET count = count + 10 WHERE name NOT LIKE 'known %' RETURNING name");

        // The account and the address are throttled, but neither replica throttles the device.
        expect_throttled(&sign_in_from("127.0.4.1", JOHNDOE, &service));
        for service in [&service, &other] {
            let renewed = device_cookie(&sign_in_with(&cookie, "127.0.4.1", JOHNDOE, service));
            assert_ne!(renewed, "gatepass_device=");
        }
        // Another account's cookie and forged cookies have no effect.
        expect_throttled(&sign_in_with(&of_alice, "127.0.4.1", JOHNDOE, &service));
        let (rest, last) = cookie.split_at(cookie.len() - 1);
        let forged = format!("{rest}{}", if last == "A" { "Q" } else { "A" });
        for forged in [&*forged, "gatepass_device=", "gatepass_device=..", &"x".repeat(5000)] {
            expect_throttled(&sign_in_with(forged, "127.0.4.1", JOHNDOE, &service));
        }

        // A second account on the device does not replace the first account.
        let both = device_cookie(&sign_in_with(&cookie, "127.0.3.2", alice, &service));
        assert_eq!(sign_in_with(&both, "127.0.4.1", JOHNDOE, &service).status, 200);
        assert!(!cookie.contains("johndoe") && !cookie.contains("am9obmRvZ"), "{cookie}");
    });
}

#[test]
fn stolen_device_cookie_allows_at_most_13_guesses() {
    with_throttled(&[], |gatepass, service| {
        let cookie = device_cookie(&service.sign_in(JOHNDOE));
        let guess = || sign_in_with(&cookie, "127.0.5.1", WRONG, &service).status;
        assert_eq!([guess(), guess(), guess()], [400, 400, 429]);
        // The failed attempts from the device do not delay other devices.
        assert_eq!(failed_attempts(gatepass), ["2"], "only the failed attempts from the device are counted");
        assert_eq!(sign_in_from("127.0.5.1", JOHNDOE, &service).status, 200);

        // Even if each wait ended immediately, the cookie would allow only ten guesses in total.
        let mut checked = 2;
        for number in 0..20 {
            let end_wait = "UPDATE failures SET last = last - 1000 WHERE name LIKE 'device %' RETURNING name";
            rows(gatepass, end_wait);
            if number < 5 {
                // A sign-in by the owner does not reset the failed attempts counted for the stolen cookie.
                assert_eq!(sign_in_with(&cookie, "127.0.5.2", JOHNDOE, &service).status, 200);
            }
            checked += usize::from(guess() == 400);
        }
        // Further guesses are counted as attempts from an unknown device at this address.
        assert!((12..=13).contains(&checked), "expected 12 or 13 checked passwords, got {checked}");
        add_ten_failed_attempts(gatepass);
        expect_throttled(&sign_in_with(&cookie, "127.0.5.1", JOHNDOE, &service));
    });
}

#[test]
fn known_devices_and_addresses_are_forgotten_after_a_password_change() {
    let (gatepass, service) = on_sqlite(&TOTAL);
    let reply = sign_in_from("127.0.9.1", JOHNDOE, &service);
    let (cookie, token) = (device_cookie(&reply), access_token(&reply));
    let changed = change_password(&service, &token, "johndoe's+own+passphrase", "nine+quiet+lanterns+drift");
    assert_eq!(changed.status, 204);
    guess_from_many_addresses(&service);
    rows(&gatepass, "UPDATE failures SET count = count + 20 WHERE name NOT LIKE '% %' RETURNING name");
    let new = "username=johndoe&password=nine+quiet+lanterns+drift";
    expect_throttled(&sign_in_from("127.0.9.1", new, &service));
    expect_throttled(&sign_in_with(&cookie, "127.0.9.1", new, &service));
}

#[test]
fn device_cookie_is_bound_to_the_host_if_the_client_uses_https() {
    let (_gatepass, service) = on_sqlite(&["--login-throttle=on", "--trusted-proxies=127.0.0.1"]);
    let attributes = "; Path=/; Max-Age=15552000; HttpOnly; SameSite=Strict";
    let cookie = service.sign_in(JOHNDOE).header("set-cookie").unwrap();
    assert!(cookie.starts_with("gatepass_device=") && cookie.ends_with(attributes), "{cookie}");
    let by_proxy = post_form("/token", JOHNDOE).header("X-Forwarded-Proto", "https");
    let reply = by_proxy.send(service.address);
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-gatepass_device="), "{cookie}");
    assert!(cookie.ends_with(&format!("{attributes}; Secure")), "{cookie}");

    // The cookie is set only after a successful sign-in, and only if login throttling is on.
    assert_eq!(service.sign_in(WRONG).header("set-cookie"), None);
    let refreshed = service.refresh(&service.sign_in_offline().refresh, "");
    assert_eq!((refreshed.status, refreshed.header("set-cookie")), (200, None));
    let (_gatepass, without) = on_sqlite(&[]);
    assert_eq!(without.sign_in(JOHNDOE).header("set-cookie"), None);
}

#[test]
fn wrong_client_secrets_throttle_the_client_but_wrong_passwords_from_its_users_do_not() {
    with_throttled(&["--login-throttle-address-failures=4"], |gatepass, service| {
        let secret = add_client(gatepass, "web");
        let introspect = |source: &str, secret: &str| {
            let form = format!("token=x{}", client_fields("web", secret));
            send_from(source, &post_form("/introspect", form), &service)
        };
        assert_eq!(introspect("127.0.0.1", &secret).status, 200);
        let statuses: Vec<_> = (0..60).map(|_| introspect("127.0.6.1", "wrong").status).collect();
        let checked = statuses.iter().filter(|status| **status == 401).count();
        assert!((2..=5).contains(&checked), "expected 2 to 5 checked secrets, got {checked}");
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 60 - checked);
        rows(gatepass, "UPDATE failures SET count = count + 10 WHERE name NOT LIKE 'known %' RETURNING name");
        expect_throttled(&introspect("127.0.6.1", &secret));
        assert_eq!(introspect("127.0.0.1", &secret).status, 200);

        // Wrong passwords sent through a client count against the users, not the client.
        for username in ["a", "b", "c", "d"] {
            let form = format!("username={username}&password=wrong{}", client_fields("web", &secret));
            assert_eq!(service.sign_in(&form).status, 400);
        }
        // All users of the application sign in from its address, so they must not delay each other.
        rows(gatepass, "UPDATE failures SET count = count + 10 WHERE name = '127.0.0.1' RETURNING name");
        let johndoe = format!("{JOHNDOE}{}", client_fields("web", &secret));
        assert_eq!(service.sign_in(&johndoe).status, 200);
        let concurrent = concurrently(12, |_| introspect("127.0.0.1", &secret).status);
        assert_eq!(concurrent, [200; 12]);
    });
}

#[test]
fn requests_to_the_oauth_endpoints_are_rate_limited_per_address_unless_the_client_authenticates() {
    let (gatepass, service) = on_sqlite(&[&THROTTLED[..], &["--login-throttle-rate=1"]].concat());
    let secret = add_client(&gatepass, "web");
    for (number, (path, form)) in [
        ("/token", "grant_type=refresh_token&refresh_token=x"),
        ("/token", "grant_type=nonsense"),
        ("/revoke", "token=x"),
        ("/introspect", "token=x"),
    ]
    .into_iter()
    .enumerate()
    {
        let send = || send_from(&format!("127.0.7.{number}"), &post_form(path, form), &service);
        let throttled =
            within(20 * SECOND, "the burst is used up", || Some(send()).filter(|r| r.status == 429));
        assert_eq!(expect_throttled(&throttled), 1, "{path} {form}");
    }
    let introspect = post_form("/introspect", format!("token=x{}", client_fields("web", &secret)));
    for _ in 0..40 {
        assert_eq!(send_from("127.0.8.1", &introspect, &service).status, 200);
    }
    assert_eq!(send_from("127.0.8.2", &introspect, &service).status, 200, "another address");
}

#[test]
fn throttle_clear_lifts_throttling_of_a_user_client_or_address() {
    with_throttled(&["--login-throttle-account-total-failures=4"], |gatepass, service| {
        let secret = add_client(gatepass, "web");
        let introspect = |secret: &str| {
            post_form("/introspect", format!("token=x{}", client_fields("web", secret))).send(service.address)
        };
        let attempt = |name: &str| service.sign_in(&format!("username={name}&password=wrong"));
        for name in ["johndoe", "nobody"] {
            assert_eq!([attempt(name).status, attempt(name).status], [400, 400]);
        }
        assert_eq!([introspect("wrong").status, introspect("wrong").status], [401, 401]);
        rows(gatepass, "UPDATE failures SET count = count + 110 RETURNING name");
        expect_throttled(&sign_in_from("127.0.0.2", JOHNDOE, &service));
        expect_throttled(&introspect(&secret));

        let clear = |target: &str| gatepass.done(&["throttle", "clear", target]);
        assert_eq!(clear("JohnDoe"), "removed the failed attempts for JohnDoe\n");
        assert_eq!(sign_in_from("127.0.0.2", JOHNDOE, &service).status, 200);
        expect_throttled(&service.sign_in(JOHNDOE));
        assert_eq!(clear("web"), "removed the failed attempts for web\n");
        expect_throttled(&introspect(&secret));
        assert_eq!(clear("127.0.0.1"), "removed the failed attempts for 127.0.0.1\n");
        assert_eq!((service.sign_in(JOHNDOE).status, introspect(&secret).status), (200, 200));
        expect_throttled(&attempt("nobody"));
        assert_eq!(clear("Nobody"), "removed the failed attempts for Nobody\n");
        assert_eq!(attempt("nobody").status, 400);
        assert_eq!(clear("alice"), "alice has no failed attempts\n");
    });
}

#[test]
fn known_device_has_a_rate_limit_separate_from_that_of_its_address() {
    let (_gatepass, service) = on_sqlite(&[&THROTTLED[..], &["--login-throttle-rate=1"]].concat());
    let cookie = device_cookie(&service.sign_in(JOHNDOE));
    let exhaust = || {
        let send = || post_form("/revoke", "token=x").send(service.address);
        within(20 * SECOND, "the burst is used up", || Some(send()).filter(|reply| reply.status == 429));
    };
    exhaust();
    let forged = format!("{}x", &cookie[..cookie.len() / 2]);
    expect_throttled(&sign_in_with(&forged, "127.0.0.1", JOHNDOE, &service));
    assert_eq!(sign_in_with(&cookie, "127.0.0.1", JOHNDOE, &service).status, 200);
    // The device has a rate limit of its own.
    within(30 * SECOND, "the rate of the device is exceeded", || {
        exhaust();
        Some(sign_in_with(&cookie, "127.0.0.1", JOHNDOE, &service)).filter(|reply| reply.status == 429)
    });
}
