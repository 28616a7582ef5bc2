//! Several services on one database and one folder of keys.

use std::thread;

use crate::support::{
    http::get,
    program::Gatepass,
    secure_profile::{JOHNDOE, SECOND, Service, add_johndoe, read, serve, serve_command, within},
};

/// Replicas have an address each and one issuer.
const ISSUER: [&str; 2] = ["--issuer", "https://auth.example.com"];

#[test]
fn a_token_of_one_service_is_taken_by_the_other() {
    Gatepass::on_both("a_token_of_one_service_is_taken_by_the_other", |gatepass| {
        add_johndoe(gatepass);
        let services = [serve(gatepass, &ISSUER), serve(gatepass, &ISSUER)];
        let tokens = services.each_ref().map(|service| service.token(JOHNDOE));
        for service in &services {
            for token in &tokens {
                assert_eq!(service.users_me(token).status, 200);
            }
        }
    });
}

#[test]
fn a_key_that_one_service_signs_with_is_known_to_the_other_within_a_second() {
    Gatepass::on_both(
        "a_key_that_one_service_signs_with_is_known_to_the_other_within_a_second",
        |gatepass| {
            add_johndoe(gatepass);
            let arguments = [&ISSUER[..], &["--key-activation-delay", "0"]].concat();
            let service = serve(gatepass, &arguments);
            let before = read(&service.token(JOHNDOE)).0;
            gatepass.done(&["keys", "rotate", "--key-activation-delay", "0"]);
            // Started after the rotation, it signs with the new key from its first token on, or a second later.
            let other = serve(gatepass, &arguments);
            let token = within(2 * SECOND, "the new key signs", || {
                Some(other.token(JOHNDOE)).filter(|token| read(token).0 != before)
            });
            // Without a delay it may sign before others have read it: that is what the delay is for.
            within(SECOND, "the other service knows the key", || {
                (service.users_me(&token).status == 200).then_some(())
            });
        },
    );
}

#[test]
fn services_that_start_at_one_moment_on_nothing_come_up_and_agree() {
    Gatepass::on_both("services_that_start_at_one_moment_on_nothing_come_up_and_agree", |gatepass| {
        let services: Vec<_> = thread::scope(|scope| {
            let start = || Service::run(&mut serve_command(gatepass, &ISSUER));
            let started: Vec<_> = (0..3).map(|_| scope.spawn(start)).collect();
            started.into_iter().map(|service| service.join().expect("it comes up")).collect()
        });
        add_johndoe(gatepass);
        let keys =
            |service: &Service| get("/.well-known/jwks.json").send(service.address).json()["keys"].clone();
        assert_eq!(keys(&services[0]).as_array().unwrap().len(), 1, "one of them made the one key");
        for service in &services {
            assert_eq!(keys(service), keys(&services[0]));
            let token = service.token(JOHNDOE);
            for other in &services {
                assert_eq!(other.users_me(&token).status, 200);
            }
        }
        let made = std::fs::read_dir(gatepass.folder.path().join("keys")).unwrap();
        let pem = made.filter(|key| key.as_ref().unwrap().path().extension().is_some_and(|end| end == "pem"));
        assert_eq!(pem.count(), 1);
    });
}
