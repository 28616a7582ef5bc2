//! Refresh tokens under stress: many use one at once, and the service is killed in the middle.

use std::{
    collections::HashSet,
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::{
        Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{
    http::{Reply, post_form, read_reply},
    program::Gatepass,
    secure_profile::{JOHNDOE_OFFLINE, Service, Tokens, add_johndoe, rows, serve, within},
    service::TIMEOUT,
};

const ISSUER: &str = "--issuer=https://auth.example.com";

/// A hundred use this token at once, at one of the services each.
fn storm(services: &[Service], token: &str) -> Vec<Reply> {
    const CLIENTS: usize = 100;
    let start = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        let clients: Vec<_> = services
            .iter()
            .cycle()
            .take(CLIENTS)
            .map(|service| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    service.refresh(token, "")
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn a_hundred_that_use_one_token_at_once_get_the_same_next_one() {
    Gatepass::on_both("a_hundred_that_use_one_token_at_once_get_the_same_next_one", |gatepass| {
        add_johndoe(gatepass);
        let services = [0, 1].map(|_| serve(gatepass, &[ISSUER, "--refresh-grace=60"]));
        let mut token = services[0].sign_in_offline().refresh;
        for round in 0..3 {
            let all: Vec<_> = storm(&services, &token).iter().map(Tokens::of).collect();
            let next: HashSet<_> = all.iter().map(|tokens| tokens.refresh.clone()).collect();
            assert_eq!(next.len(), 1, "round {round}");
            let access: HashSet<_> = all.iter().map(|tokens| tokens.access.as_str()).collect();
            assert_eq!(access.len(), all.len());
            for (tokens, service) in all.iter().zip(services.iter().cycle().skip(1)) {
                assert_eq!(service.users_me(&tokens.access).status, 200);
            }
            token = next.into_iter().next().unwrap();
        }
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 1);
        services[1].refreshed(&token);
    });
}

#[test]
fn without_a_grace_one_of_a_hundred_gets_the_next_token_at_the_most() {
    Gatepass::on_both("without_a_grace_one_of_a_hundred_gets_the_next_token_at_the_most", |gatepass| {
        add_johndoe(gatepass);
        let services = [0, 1].map(|_| serve(gatepass, &[ISSUER, "--refresh-grace=0"]));
        let other = services[0].sign_in_offline();
        let first = services[0].sign_in_offline();
        let (done, refused): (Vec<_>, Vec<_>) =
            storm(&services, &first.refresh).into_iter().partition(|reply| reply.status == 200);
        assert!(done.len() <= 1, "{}", done.len());
        for reply in &refused {
            assert_eq!((reply.status, &reply.json()["error"]), (400, &"invalid_grant".into()));
        }
        // Whoever came second had an old token: nothing of the family is good, and it is the only one that ended.
        for token in done.iter().map(Tokens::of).chain([first]) {
            let reply = services[1].refresh(&token.refresh, "");
            assert_eq!((reply.status, &reply.json()["error"]), (400, &"invalid_grant".into()));
        }
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 1);
        services[1].refreshed(&other.refresh);
    });
}

/// The whole answer, or `None` where the service is gone.
fn try_refresh(address: SocketAddr, token: &str) -> Option<Reply> {
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.write_all(&post_form("/token", form).bytes()).ok()?;
    let reply = read_reply(&mut stream)?;
    let length: usize = reply.header("content-length")?.parse().ok()?;
    (reply.body.len() == length).then_some(reply)
}

#[test]
fn no_family_is_lost_or_doubled_when_the_service_is_killed() {
    const CLIENTS: usize = 12;
    Gatepass::on_both("no_family_is_lost_or_doubled_when_the_service_is_killed", |gatepass| {
        add_johndoe(gatepass);
        let start = || serve(gatepass, &[ISSUER, "--refresh-grace=60", "--workers=2"]);
        let mut service = start();
        // The last token of each client that it had an answer with.
        let clients: Vec<_> = (0..CLIENTS).map(|_| Mutex::new(service.sign_in_offline().refresh)).collect();
        for round in 0..5_usize {
            let (address, answers) = (service.address, AtomicUsize::new(0));
            thread::scope(|scope| {
                for client in &clients {
                    let answers = &answers;
                    scope.spawn(move || {
                        let mut token = client.lock().unwrap();
                        while let Some(reply) = try_refresh(address, &token) {
                            *token = Tokens::of(&reply).refresh;
                            answers.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
                // In the middle of whatever they are at: after another number of answers each time.
                let enough = 10 * CLIENTS + 7 * round;
                within(TIMEOUT, "the clients refresh", || {
                    (answers.load(Ordering::Relaxed) >= enough).then_some(())
                });
                thread::park_timeout(Duration::from_micros(300 * round as u64));
                service.program.signal("KILL");
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
        assert_eq!(Tokens::of(&service.sign_in(JOHNDOE_OFFLINE)).scope, "me users:read offline_access");
    });
}
