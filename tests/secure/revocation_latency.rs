//! The time until revoked tokens are refused: zero at the replica that revoked them, and at most a second at other
//! replicas.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    secure::{
        Gatepass, JOHNDOE, Reply, SECOND, Service, Tokens, access_token, add_client, add_johndoe,
        change_password, client_fields, end_all_sessions, end_session, on_both, on_sqlite, outcome, read,
        replicas, revoke, session_id, sqlite_with_johndoe, wait_until, with_service, within,
    },
    support::program::HASH,
};

/// The status, `detail` and challenge of an error response.
type Refusal = (u16, &'static str, Option<&'static str>);

const INVALID: Refusal =
    (401, "Could not validate credentials", Some(r#"Bearer realm="api", error="invalid_token""#));
const INACTIVE: Refusal = (401, "Inactive user", Some(r#"Bearer realm="api", error="invalid_token""#));
const NARROWED: Refusal =
    (403, "Not enough permissions", Some(r#"Bearer realm="api", error="insufficient_scope", scope="me""#));

/// A way to revoke tokens from the first of a user's two sessions.
struct Case {
    name: &'static str,
    revoke: fn(&Scene<'_>),
    extent: Extent,
    /// The expected status and `error` of a refresh in the first session after the revocation.
    refresh: (u16, &'static str),
    /// The expected response to a request with a revoked token.
    refusal: Refusal,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    Token,
    Session,
    User,
}

const INVALID_GRANT: (u16, &str) = (400, "invalid_grant");

/// Revocations by requests to the first replica.
const REQUESTS: [Case; 5] = [
    Case {
        name: "POST /revoke with the access token",
        revoke: |scene| expect_success(&revoke(scene.replica(), &scene.first.access, &scene.client)),
        extent: Extent::Token,
        refresh: (200, ""),
        refusal: INVALID,
    },
    Case {
        name: "POST /revoke with the refresh token",
        revoke: |scene| expect_success(&revoke(scene.replica(), &scene.first.refresh, &scene.client)),
        extent: Extent::Session,
        refresh: INVALID_GRANT,
        refusal: INVALID,
    },
    Case {
        name: "DELETE /users/me/sessions/{id}",
        revoke: |scene| {
            let session = session_id(&scene.first.access);
            expect_success(&end_session(scene.replica(), &scene.second.access, &session));
        },
        extent: Extent::Session,
        refresh: INVALID_GRANT,
        refusal: INVALID,
    },
    Case {
        name: "DELETE /users/me/sessions",
        revoke: |scene| expect_success(&end_all_sessions(scene.replica(), &scene.second.access)),
        extent: Extent::User,
        refresh: INVALID_GRANT,
        refusal: INVALID,
    },
    Case {
        name: "PUT /users/me/password",
        revoke: |scene| {
            let (token, current) = (&scene.second.access, format!("{}'s+own+passphrase", scene.username));
            expect_success(&change_password(scene.replica(), token, &current, "purple+teapots+swim+north"));
        },
        extent: Extent::User,
        refresh: INVALID_GRANT,
        refusal: INVALID,
    },
];

const COMMANDS: [Case; 6] = [
    Case {
        name: "users import --update-passwords",
        revoke: |scene| {
            let user = json!({ "username": scene.username, "hashed_password": HASH });
            let file = scene.gatepass.folder.write("users.jsonl", user.to_string());
            scene.run(&["users", "import", &file, "--on-conflict", "update", "--update-passwords"]);
        },
        extent: Extent::User,
        refresh: INVALID_GRANT,
        refusal: INVALID,
    },
    Case {
        name: "users passwd",
        revoke: |scene| scene.run(&["users", "passwd", &scene.username, "--password-stdin"]),
        extent: Extent::User,
        refresh: INVALID_GRANT,
        refusal: INVALID,
    },
    Case {
        name: "users disable",
        revoke: |scene| scene.run(&["users", "disable", &scene.username]),
        extent: Extent::User,
        refresh: INVALID_GRANT,
        refusal: INACTIVE,
    },
    Case {
        name: "users remove",
        revoke: |scene| scene.run(&["users", "remove", &scene.username, "--yes"]),
        extent: Extent::User,
        refresh: INVALID_GRANT,
        refusal: INVALID,
    },
    Case {
        name: "users set --scopes",
        revoke: |scene| scene.run(&["users", "set", &scene.username, "--scopes", "users:read"]),
        extent: Extent::User,
        // The refresh succeeds, and the new token has the remaining scope.
        refresh: (200, ""),
        refusal: NARROWED,
    },
    Case {
        name: "clients remove",
        revoke: |scene| scene.run(&["clients", "remove", &scene.client_id, "--yes"]),
        extent: Extent::Session,
        refresh: (401, "invalid_client"),
        refusal: INVALID,
    },
];

/// A user with two sessions, one from a registered client and one from the default client, and another user's session.
struct Scene<'a> {
    gatepass: &'a Gatepass,
    replicas: &'a [Service; 2],
    username: String,
    client_id: String,
    /// The form fields with the registered client's credentials.
    client: String,
    /// The tokens of the registered client's session, which has been refreshed once.
    first: Tokens,
    /// The access token that the same session had before the refresh.
    before_refresh: String,
    second: Tokens,
    other_user: &'a Tokens,
}

impl<'a> Scene<'a> {
    /// Adds a user and a client while the replicas are running, and starts the user's sessions.
    fn new(
        gatepass: &'a Gatepass,
        replicas: &'a [Service; 2],
        number: usize,
        other_user: &'a Tokens,
    ) -> Self {
        let (username, client_id) = (format!("user{number}"), format!("client{number}"));
        gatepass.add(&username, &["--scopes", "me users:read"]).done();
        let client = client_fields(&client_id, &add_client(gatepass, &client_id));
        let form = sign_in_form(&username);
        let before = Tokens::of(&replicas[0].sign_in(&format!("{form}{client}")));
        let second = Tokens::of(&replicas[1].sign_in(&form));
        let first = replicas[1].refreshed_by(&before.refresh, &client);
        let before_refresh = before.access;
        Self { gatepass, replicas, username, client_id, client, first, before_refresh, second, other_user }
    }

    /// Returns the replica that receives the revocation requests.
    fn replica(&self) -> &Service {
        &self.replicas[0]
    }

    /// Returns each access token with the smallest extent of a revocation that covers the token.
    fn tokens(&self) -> [(&str, Option<Extent>); 4] {
        [
            (&self.first.access, Some(Extent::Token)),
            (&self.before_refresh, Some(Extent::Session)),
            (&self.second.access, Some(Extent::User)),
            (&self.other_user.access, None),
        ]
    }

    /// Sends every token to both replicas, so that both cache it.
    fn cache_tokens(&self) {
        for replica in self.replicas {
            for (token, _) in self.tokens() {
                assert_eq!(replica.users_me(token).status, 200);
            }
        }
    }

    /// Runs a command, with a new password on standard input for `users passwd`.
    fn run(&self, arguments: &[&str]) {
        self.gatepass.run_with(arguments, "purple teapots swim north\n").done();
    }

    /// Asserts that exactly the tokens within the extent were revoked.
    fn check_extent(&self, case: &Case) {
        for replica in self.replicas {
            for (token, least) in self.tokens() {
                let reply = replica.users_me(token);
                if least.is_some_and(|least| case.extent >= least) {
                    expect(case.refusal, &reply, case.name);
                } else {
                    assert_eq!(reply.status, 200, "{}: {reply:?}", case.name);
                }
            }
        }
        for replica in self.replicas.iter().rev() {
            let reply = replica.refresh(&self.first.refresh, &self.client);
            let error = reply.json()["error"].as_str().unwrap_or_default().to_owned();
            assert_eq!((reply.status, error.as_str()), case.refresh, "{}", case.name);
            if reply.status == 200 && case.refusal != NARROWED {
                let token = access_token(&reply);
                self.replicas.iter().for_each(|replica| assert_eq!(replica.users_me(&token).status, 200));
            }
        }
        let reply = self.replicas[1].refresh(&self.second.refresh, "");
        let is_active = case.extent < Extent::User || case.refusal == NARROWED;
        assert_eq!(reply.status, if is_active { 200 } else { 400 }, "{}: {reply:?}", case.name);
    }
}

/// Returns a sign-in form with the password that `Gatepass::add` sets.
fn sign_in_form(username: &str) -> String {
    format!("username={username}&password={username}'s+own+passphrase&scope=me+users:read+offline_access")
}

fn is(refusal: Refusal, reply: &Reply) -> bool {
    let (status, detail, challenge) = refusal;
    outcome(reply) == (status, detail.into(), challenge.map(str::to_owned))
}

#[track_caller]
fn expect(refusal: Refusal, reply: &Reply, name: &str) {
    assert!(is(refusal, reply), "{name}: {reply:?}");
}

#[track_caller]
fn expect_success(reply: &Reply) {
    assert!(matches!(reply.status, 200 | 204), "{reply:?}");
}

fn time_to_refusal(service: &Service, token: &str, refusal: Refusal, name: &str, since: Instant) -> Duration {
    let reply = within(SECOND, name, || Some(service.users_me(token)).filter(|reply| reply.status != 200));
    let after = since.elapsed();
    expect(refusal, &reply, name);
    assert!(after < SECOND, "{name}: refused only after {after:?}");
    after
}

fn times_to_refusal(replicas: &[Service; 2], token: &str, refusal: Refusal, name: &str) -> [Duration; 2] {
    let since = Instant::now();
    thread::scope(|scope| {
        let watch = |replica| scope.spawn(move || time_to_refusal(replica, token, refusal, name, since));
        replicas.each_ref().map(watch).map(|thread| thread.join().unwrap())
    })
}

#[test]
fn revoked_token_is_refused_immediately_by_the_revoking_replica_and_within_a_second_by_other_replicas() {
    on_both(|gatepass| {
        let replicas = replicas(gatepass, &[]);
        let other_user = Tokens::of(&replicas[0].sign_in(&sign_in_form("johndoe")));
        for (number, case) in REQUESTS.iter().chain(&COMMANDS).enumerate() {
            let scene = Scene::new(gatepass, &replicas, number, &other_user);
            let token = &scene.first.access;
            scene.cache_tokens();
            (case.revoke)(&scene);
            if number < REQUESTS.len() {
                expect(case.refusal, &replicas[0].users_me(token), case.name);
            }
            let [same, other] = times_to_refusal(&replicas, token, case.refusal, case.name);
            eprintln!("{}: {same:.1?} on the same replica, {other:.1?} on the other", case.name);
            scene.check_extent(case);
        }
        assert_eq!(replicas[1].refresh(&other_user.refresh, "").status, 200);
    });
}

#[test]
fn request_sent_after_the_revocation_response_is_refused_even_under_concurrent_use() {
    with_service(&["--workers", "4"], |_, service| {
        for _ in 0..4 {
            // The token is not cached yet: a concurrent lookup must not put it into the cache after the revocation.
            let token = service.token(JOHNDOE);
            let start = Instant::now();
            thread::scope(|scope| {
                let last_accepted = || {
                    let mut last = start;
                    loop {
                        let sent = Instant::now();
                        if service.users_me(&token).status != 200 {
                            return last;
                        }
                        last = sent;
                    }
                };
                let clients = [(); 4].map(|()| scope.spawn(last_accepted));
                assert_eq!(revoke(&service, &token, "").status, 200);
                let revoked = Instant::now();
                for client in clients {
                    let last = client.join().unwrap();
                    assert!(
                        last < revoked,
                        "a request was accepted although it was sent {:?} after the revocation response",
                        last - revoked
                    );
                }
            });
            assert_eq!(service.users_me(&token).status, 401);
        }
    });
}

#[test]
fn tokens_of_a_disabled_user_stay_revoked_after_the_user_is_enabled_again() {
    with_service(&[], |gatepass, service| {
        let tokens = service.sign_in_offline();
        let expect_soon = |refusal: Refusal| {
            wait_until(SECOND, refusal.1, || is(refusal, &service.users_me(&tokens.access)));
        };
        assert_eq!(service.users_me(&tokens.access).status, 200);
        gatepass.done(&["users", "disable", "johndoe"]);
        expect_soon(INACTIVE);
        expect((400, "Inactive user", None), &service.sign_in(JOHNDOE), "sign-in of a disabled user");
        gatepass.done(&["users", "enable", "johndoe"]);
        expect_soon(INVALID);
        assert_eq!(service.refresh(&tokens.refresh, "").json()["error"], "invalid_grant");
        assert_eq!(service.users_me(&service.token(JOHNDOE)).status, 200);
    });
}

#[test]
fn changes_to_a_user_apply_within_a_second_and_old_tokens_are_invalid_for_a_recreated_user() {
    let (gatepass, service) = on_sqlite(&[]);
    let tokens = service.sign_in_offline();
    assert_eq!(service.users_me(&tokens.access).status, 200);
    gatepass.done(&["users", "set", "johndoe", "--scopes", ""]);
    wait_until(SECOND, "the scope is gone", || is(NARROWED, &service.users_me(&tokens.access)));
    gatepass.done(&["users", "set", "johndoe", "--scopes=me", "--full-name=", "--email=j@d.org"]);
    let me = within(SECOND, "the scope is back", || {
        Some(service.users_me(&tokens.access)).filter(|reply| reply.status == 200)
    });
    let changed = json!({
        "id": read(&tokens.access).1["sub"], "username": "johndoe", "email": "j@d.org", "full_name": null, "disabled": false, "scopes": ["me"],
    });
    assert_eq!(me.json(), changed);

    gatepass
        .run_with(&["users", "passwd", "johndoe", "--password-stdin"], "purple teapots swim north\n")
        .done();
    let incorrect = (400, "Incorrect username or password", None);
    expect(incorrect, &service.sign_in(JOHNDOE), "the old password");
    service.token("username=johndoe&password=purple+teapots+swim+north");

    gatepass.done(&["users", "remove", "johndoe", "--yes"]);
    expect(incorrect, &service.sign_in(JOHNDOE), "a removed user");
    add_johndoe(&gatepass);
    assert_eq!(service.users_me(&service.token(JOHNDOE)).status, 200);
    expect(INVALID, &service.users_me(&tokens.access), "a token of the removed user");
    assert_eq!(service.refresh(&tokens.refresh, "").json()["error"], "invalid_grant");
}

#[test]
fn tokens_signed_with_a_removed_key_are_refused_within_a_second() {
    let gatepass = sqlite_with_johndoe();
    let replicas = replicas(&gatepass, &[]);
    let token = replicas[0].token(JOHNDOE);
    let kid = read(&token).0["kid"].as_str().unwrap().to_owned();
    for replica in &replicas {
        assert_eq!(replica.users_me(&token).status, 200);
    }
    gatepass.json(&["keys", "rotate"]);
    let keys = fs::read_dir(gatepass.folder.path().join("keys")).unwrap();
    let mut keys = keys.map(|key| key.unwrap().path());
    let key = keys.find(|key| key.file_stem().is_some_and(|name| name.to_string_lossy().contains(&kid)));
    fs::remove_file(key.expect("the key's file")).unwrap();
    let [one, other] = times_to_refusal(&replicas, &token, INVALID, "a removed key");
    eprintln!("removed key file: {one:.1?} and {other:.1?}");
}
