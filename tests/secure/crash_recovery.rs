//! Acknowledged changes survive a `kill -9` of the service. `commands::import` tests the same for the import command.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::secure::{
    Gatepass, ISSUER, Service, TIMEOUT, Tokens, access_token, on_both, password_change, post_form, rows,
    serve, wait_until,
};

/// The passwords that a user may have after a crash.
struct Passwords {
    acknowledged: String,
    /// The password of a later change whose response was lost.
    unknown: Option<String>,
}

impl Passwords {
    /// Returns the password with which the user can sign in.
    #[track_caller]
    fn current(&self, service: &Service, username: &str) -> String {
        let mut candidates = self.unknown.iter().chain([&self.acknowledged]);
        let signs_in = |password: &&String| {
            service.sign_in(&format!("username={username}&password={password}")).status == 200
        };
        candidates
            .find(signs_in)
            .unwrap_or_else(|| panic!("no known password of {username} is correct"))
            .clone()
    }
}

/// Waits until the clients have received `count` responses, then kills the service.
fn kill_after(service: &Service, responses: &AtomicUsize, count: usize) {
    wait_until(TIMEOUT, "clients get responses", || responses.load(Ordering::Relaxed) >= count);
    service.program.signal("KILL");
}

#[test]
fn acknowledged_password_changes_survive_sigkill() {
    Gatepass::on_both(|gatepass| {
        let mut passwords = HashMap::new();
        for username in ["anna", "bert", "cleo"] {
            let acknowledged = format!("first-own-passphrase-of-{username}");
            let arguments = ["users", "add", username, "--password-stdin", "--scopes", "me"];
            gatepass.run_with(&arguments, &format!("{acknowledged}\n")).done();
            passwords.insert(username, Passwords { acknowledged, unknown: None });
        }
        for round in 0..3 {
            let mut service = serve(gatepass, &["--workers", "3"]);
            let (address, changes) = (service.address, AtomicUsize::new(0));
            for (username, known) in &mut passwords {
                *known = Passwords { acknowledged: known.current(&service, username), unknown: None };
            }
            thread::scope(|scope| {
                for (username, known) in &mut passwords {
                    let changes = &changes;
                    scope.spawn(move || {
                        for number in 0.. {
                            let current = known.acknowledged.clone();
                            let form = format!("username={username}&password={current}");
                            let Some(reply) = post_form("/token", form).try_send(address) else { break };
                            let next = format!("passphrase-{round}-{number}-of-{username}");
                            known.unknown = Some(next.clone());
                            let change = password_change(&access_token(&reply), &current, &next);
                            let Some(reply) = change.try_send(address) else { break };
                            assert_eq!(reply.status, 204, "{}", reply.text());
                            *known = Passwords { acknowledged: next, unknown: None };
                            changes.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
                kill_after(&service, &changes, 5 + 4 * round);
            });
            service.program.wait();
        }
        let service = serve(gatepass, &[]);
        for (username, known) in &passwords {
            known.current(&service, username);
        }
    });
}

#[test]
fn token_families_survive_sigkill() {
    const CLIENTS: usize = 12;
    on_both(|gatepass| {
        let start = || serve(gatepass, &[&ISSUER[..], &["--refresh-grace=60", "--workers=2"]].concat());
        let mut service = start();
        // The last refresh token that each client received.
        let clients: Vec<_> = (0..CLIENTS).map(|_| Mutex::new(service.sign_in_offline().refresh)).collect();
        for round in 0..3 {
            let (address, responses) = (service.address, AtomicUsize::new(0));
            thread::scope(|scope| {
                for client in &clients {
                    let responses = &responses;
                    scope.spawn(move || {
                        let mut token = client.lock().unwrap();
                        loop {
                            let form = format!("grant_type=refresh_token&refresh_token={token}");
                            let Some(reply) = post_form("/token", form).try_send(address) else { break };
                            // The response may be incomplete, because the service can be killed at any moment.
                            let length = reply.header("content-length").and_then(|text| text.parse().ok());
                            if length != Some(reply.body.len()) {
                                break;
                            }
                            *token = Tokens::of(&reply).refresh;
                            responses.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
                kill_after(&service, &responses, 5 * CLIENTS + 7 * round);
            });
            service = start();
            let families: HashSet<_> = clients
                .iter()
                .map(|client| {
                    let mut token = client.lock().unwrap();
                    let next = service.refreshed(&token);
                    assert_eq!(service.users_me(&next.access).status, 200);
                    *token = next.refresh;
                    token[..43].to_owned()
                })
                .collect();
            assert_eq!(families.len(), CLIENTS, "round {round}");
            assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), CLIENTS, "round {round}");
        }
    });
}
