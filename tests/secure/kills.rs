//! `kill -9` at any moment: what was acknowledged is there.

use std::{
    collections::HashMap,
    io::Write,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    http::{post_form, request},
    program::Gatepass,
    secure_profile::{Service, access_token, serve},
};

/// What a user's password is: the last one that was acknowledged, or one whose answer never came.
#[derive(Clone, Default)]
struct Passwords {
    acknowledged: String,
    perhaps: Option<String>,
}

fn sign_in(service: &Service, username: &str, password: &str) -> u16 {
    service.sign_in(&format!("username={username}&password={password}")).status
}

/// Says the password that is good, which must be one that may be.
#[track_caller]
fn expect_one(service: &Service, username: &str, passwords: &Passwords) -> String {
    let mut good = [Some(&passwords.acknowledged), passwords.perhaps.as_ref()].into_iter().flatten();
    let good = good.find(|password| sign_in(service, username, password) == 200);
    good.unwrap_or_else(|| panic!("{username}: what was acknowledged is lost")).clone()
}

#[test]
fn a_service_that_is_killed_has_kept_the_passwords_it_acknowledged() {
    Gatepass::on_both("a_service_that_is_killed_has_kept_the_passwords_it_acknowledged", |gatepass| {
        let mut passwords = HashMap::new();
        for username in ["anna", "bert", "cleo"] {
            let acknowledged = format!("first-own-passphrase-of-{username}");
            let arguments = ["users", "add", username, "--password-stdin", "--scopes", "me"];
            gatepass.run_with(&arguments, &format!("{acknowledged}\n")).done();
            passwords.insert(username, Passwords { acknowledged, perhaps: None });
        }
        let (mut changes, mut unanswered) = (0, 0);
        for round in 0..5_u64 {
            let mut service = serve(gatepass, &["--workers", "3"]);
            let address = service.address;
            thread::scope(|scope| {
                let service = &service;
                let before = passwords.clone().into_iter();
                let changing: Vec<_> = before
                    .map(|(username, known)| {
                        scope.spawn(move || {
                            let mut known = Passwords {
                                acknowledged: expect_one(service, username, &known),
                                perhaps: None,
                            };
                            for number in 0.. {
                                let form = format!("username={username}&password={}", known.acknowledged);
                                let Some(reply) = post_form("/token", form).try_send(address) else { break };
                                let token = access_token(&reply);
                                let next = format!("passphrase-{round}-{number}-of-{username}");
                                known.perhaps = Some(next.clone());
                                let form =
                                    format!("current_password={}&new_password={next}", known.acknowledged);
                                let change = request("PUT", "/users/me/password").bearer(&token).body(form);
                                let change =
                                    change.header("Content-Type", "application/x-www-form-urlencoded");
                                let Some(reply) = change.try_send(address) else { break };
                                assert_eq!(reply.status, 204, "{}", reply.text());
                                known = Passwords { acknowledged: next, perhaps: None };
                            }
                            (username, known)
                        })
                    })
                    .collect();
                thread::sleep(Duration::from_millis(900 + 170 * round));
                service.program.signal("KILL");
                for changing in changing {
                    let (username, known) = changing.join().unwrap();
                    changes += u32::from(known.acknowledged.starts_with(&format!("passphrase-{round}-")));
                    unanswered += u32::from(known.perhaps.is_some());
                    passwords.insert(username, known);
                }
            });
            service.program.wait();
        }
        let service = serve(gatepass, &[]);
        for (username, known) in &passwords {
            expect_one(&service, username, known);
        }
        eprintln!("{changes} of 15 users' changes were acknowledged, {unanswered} were not answered");
        assert!(changes > 0, "nothing was tested");
    });
}

#[test]
fn commands_that_are_killed_have_done_what_they_said() {
    Gatepass::on_both("commands_that_are_killed_have_done_what_they_said", |gatepass| {
        gatepass.add("johndoe", &[]).done();
        let run = |arguments: &[&str], password: &str, after: Option<Duration>| {
            let mut command = gatepass.command(arguments);
            command.envs([("GATEPASS_ARGON2_MEMORY", "1024"), ("GATEPASS_ARGON2_ITERATIONS", "1")]);
            let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = quiet.spawn().unwrap();
            let _ = child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes());
            if let Some(after) = after {
                thread::sleep(after);
                let _ = child.kill();
            }
            child.wait().unwrap().success()
        };
        let start = Instant::now();
        assert!(run(&["users", "add", "first", "--password-stdin"], "first's own passphrase", None));
        let usual = start.elapsed();
        let (mut added, mut known) = (vec!["first".to_owned()], Passwords::default());
        let mut perhaps = vec![];
        known.acknowledged = "johndoe's own passphrase".to_owned();
        for number in 0..24_u32 {
            // From its beginning to well after its end.
            let after = usual * (2 + number) / 14;
            let name = format!("user{number}");
            let password = format!("{name}'s own passphrase");
            if run(&["users", "add", &name, "--password-stdin"], &password, Some(after)) {
                added.push(name);
            }
            let next = format!("passphrase number {number} of johndoe");
            if run(&["users", "passwd", "johndoe", "--password-stdin"], &next, Some(after)) {
                known.acknowledged = next;
                perhaps.clear();
            } else {
                perhaps.push(next);
            }
        }
        eprintln!(
            "{} of 24 users were added, {} changes after the last one that counts",
            added.len(),
            perhaps.len()
        );
        let there = gatepass.usernames();
        for name in &added {
            assert!(there.contains(name), "{name} was added, and is gone");
        }
        let service = serve(gatepass, &[]);
        for name in added {
            let form = format!("username={name}&password={name}'s+own+passphrase");
            assert_eq!(service.sign_in(&form).status, 200, "{name}");
        }
        let mut good = perhaps.iter().chain([&known.acknowledged]);
        assert!(good.any(|password| sign_in(&service, "johndoe", &password.replace(' ', "+")) == 200));
    });
}
