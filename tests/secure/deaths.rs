//! What kills a token, on the replica that did it and on the other one.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use actix_web::rt::System;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::support::{
    http::{Reply, Request, get, post_form, request},
    program::Gatepass,
    secure_profile::{JOHNDOE, SECOND, Service, access_token, add_johndoe, outcome, read, serve, within},
};

/// Replicas have an address each and one issuer.
const ISSUER: [&str; 2] = ["--issuer", "https://auth.example.com"];

const INVALID: Refusal = (401, "Could not validate credentials", Some(r#"Bearer error="invalid_token""#));
const INACTIVE: Refusal = (400, "Inactive user", None);
const NARROWED: Refusal =
    (403, "Not enough permissions", Some(r#"Bearer error="insufficient_scope", scope="me""#));

/// A status, its `detail` and its challenge.
type Refusal = (u16, &'static str, Option<&'static str>);

/// A row of the table: what is done to the first session of a user who has two, and what becomes of them.
struct Row {
    name: &'static str,
    kill: Kill,
    /// How the token is answered from then on.
    refusal: Refusal,
    /// What else is answered so.
    reach: Reach,
    /// What the session's refresh token is answered: a status and an `error`.
    refresh: (u16, &'static str),
}

enum Kill {
    /// A request to the first replica.
    Request(fn(&Scene<'_>) -> Request),
    /// A command, and its standard input.
    Command(for<'s> fn(&'s Scene<'_>) -> Vec<&'s str>, &'static str),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// The token alone.
    Token,
    /// All tokens of its session.
    Session,
    /// All tokens of its user.
    User,
}

const ROWS: [Row; 10] = [
    Row {
        name: "POST /revoke with the access token",
        kill: Kill::Request(|scene| scene.revoke(&scene.first.access)),
        refusal: INVALID,
        reach: Reach::Token,
        refresh: (200, ""),
    },
    Row {
        name: "POST /revoke with the refresh token",
        kill: Kill::Request(|scene| scene.revoke(&scene.first.refresh)),
        refusal: INVALID,
        reach: Reach::Session,
        refresh: (400, "invalid_grant"),
    },
    Row {
        name: "DELETE /users/me/sessions/{id}",
        kill: Kill::Request(|scene| {
            let id = format!("/users/me/sessions/{}", session_id(&scene.first.access));
            request("DELETE", &id).bearer(&scene.second.access)
        }),
        refusal: INVALID,
        reach: Reach::Session,
        refresh: (400, "invalid_grant"),
    },
    Row {
        name: "DELETE /users/me/sessions",
        kill: Kill::Request(|scene| request("DELETE", "/users/me/sessions").bearer(&scene.second.access)),
        refusal: INVALID,
        reach: Reach::User,
        refresh: (400, "invalid_grant"),
    },
    Row {
        name: "PUT /users/me/password",
        kill: Kill::Request(|scene| {
            let form = format!("current_password={}&new_password=quite+another+one", scene.password());
            let put = request("PUT", "/users/me/password").bearer(&scene.second.access).body(form);
            put.header("Content-Type", "application/x-www-form-urlencoded")
        }),
        refusal: INVALID,
        reach: Reach::User,
        refresh: (400, "invalid_grant"),
    },
    Row {
        name: "users passwd",
        kill: Kill::Command(
            |scene| vec!["users", "passwd", &scene.username, "--password-stdin"],
            "quite another one\n",
        ),
        refusal: INVALID,
        reach: Reach::User,
        refresh: (400, "invalid_grant"),
    },
    Row {
        name: "users disable",
        kill: Kill::Command(|scene| vec!["users", "disable", &scene.username], ""),
        refusal: INACTIVE,
        reach: Reach::User,
        refresh: (400, "invalid_grant"),
    },
    Row {
        name: "users remove",
        kill: Kill::Command(|scene| vec!["users", "remove", &scene.username, "--yes"], ""),
        refusal: INVALID,
        reach: Reach::User,
        refresh: (400, "invalid_grant"),
    },
    Row {
        name: "users set --scopes",
        kill: Kill::Command(|scene| vec!["users", "set", &scene.username, "--scopes", "users:read"], ""),
        refusal: NARROWED,
        reach: Reach::User,
        // For the scopes that are left.
        refresh: (200, ""),
    },
    Row {
        name: "clients remove",
        kill: Kill::Command(|scene| vec!["clients", "remove", &scene.client_id, "--yes"], ""),
        refusal: INVALID,
        reach: Reach::Session,
        refresh: (401, "invalid_client"),
    },
];

struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    #[track_caller]
    fn of(reply: &Reply) -> Self {
        let refresh = reply.json()["refresh_token"].as_str().expect("a refresh token").to_owned();
        Self { access: access_token(reply), refresh }
    }
}

fn session_id(token: &str) -> String {
    read(token).1["sid"].as_str().expect("a session").to_owned()
}

/// A user with two sessions, one through a client and one through none, and what another user has.
struct Scene<'a> {
    gatepass: &'a Gatepass,
    replicas: &'a [Service; 2],
    username: String,
    client_id: String,
    client: String,
    /// The session that the row is about, refreshed once.
    first: Tokens,
    /// The access token that `first` had before it was refreshed.
    sibling: String,
    second: Tokens,
    bystander: &'a Tokens,
}

impl<'a> Scene<'a> {
    fn set(gatepass: &'a Gatepass, replicas: &'a [Service; 2], number: usize, bystander: &'a Tokens) -> Self {
        let (username, client_id) = (format!("user{number}"), format!("client{number}"));
        gatepass.add(&username, &["--scopes", "me users:read"]).done();
        let secret = gatepass.json(&["clients", "add", &client_id])["client_secret"].clone();
        let client = format!("&client_id={client_id}&client_secret={}", secret.as_str().unwrap());

        let form = form(&username);
        let before = Tokens::of(&replicas[0].sign_in(&format!("{form}{client}")));
        let second = Tokens::of(&replicas[1].sign_in(&form));
        let first = Tokens::of(&refresh(&replicas[1], &before.refresh, &client));
        let sibling = before.access;
        Self { gatepass, replicas, username, client_id, client, first, sibling, second, bystander }
    }

    fn password(&self) -> String {
        format!("{}'s+own+passphrase", self.username)
    }

    fn revoke(&self, token: &str) -> Request {
        post_form("/revoke", format!("token={token}{}", self.client))
    }

    /// Every access token there is, and the least reach that a row has which ends it.
    fn tokens(&self) -> [(&str, Option<Reach>); 4] {
        [
            (&self.first.access, Some(Reach::Token)),
            (&self.sibling, Some(Reach::Session)),
            (&self.second.access, Some(Reach::User)),
            (&self.bystander.access, None),
        ]
    }

    /// Both replicas know every token.
    fn make_known(&self) {
        for replica in self.replicas {
            for (token, _) in self.tokens() {
                for _ in 0..2 {
                    assert_eq!(replica.users_me(token).status, 200);
                }
            }
        }
    }

    /// Kills the token: how long after the answer each replica refused it.
    fn kill(&self, row: &Row) -> [Duration; 2] {
        let [one, other] = self.replicas;
        match row.kill {
            Kill::Request(kill) => {
                let request = kill(self);
                let reply = request.send(one.address);
                let answered = Instant::now();
                assert!(matches!(reply.status, 200 | 204), "{}: {reply:?}", row.name);
                let next = one.users_me(&self.first.access);
                let same = answered.elapsed();
                expect(row.refusal, &next, row.name);
                [same, refused(other, &self.first.access, row, answered)]
            }
            Kill::Command(command, stdin) => {
                self.gatepass.run_with(&command(self), stdin).done();
                let ended = Instant::now();
                thread::scope(|scope| {
                    [one, other]
                        .map(|replica| scope.spawn(move || refused(replica, &self.first.access, row, ended)))
                        .map(|replica| replica.join().unwrap())
                })
            }
        }
    }

    /// What the row ended is ended for good, and nothing else is.
    fn look_around(&self, row: &Row) {
        for replica in self.replicas {
            for (token, least) in self.tokens() {
                let reply = replica.users_me(token);
                if least.is_some_and(|least| row.reach >= least) {
                    expect(row.refusal, &reply, row.name);
                } else {
                    assert_eq!(reply.status, 200, "{}: {reply:?}", row.name);
                }
            }
        }
        // The other replica first: a refresh token of the past ends its session.
        for replica in self.replicas.iter().rev() {
            let reply = refresh(replica, &self.first.refresh, &self.client);
            let error = reply.json()["error"].as_str().unwrap_or_default().to_owned();
            assert_eq!((reply.status, error.as_str()), row.refresh, "{}", row.name);
            if reply.status == 200 && row.refusal != NARROWED {
                let token = access_token(&reply);
                self.replicas.iter().for_each(|replica| assert_eq!(replica.users_me(&token).status, 200));
            }
        }
        let reply = refresh(&self.replicas[1], &self.second.refresh, "");
        let is_alive = row.reach < Reach::User || row.refusal == NARROWED;
        assert_eq!(reply.status, if is_alive { 200 } else { 400 }, "{}: {reply:?}", row.name);
    }
}

/// What a user of this name signs in with.
fn form(username: &str) -> String {
    format!("username={username}&password={username}'s+own+passphrase&scope=me+users:read+offline_access")
}

fn refresh(replica: &Service, token: &str, client: &str) -> Reply {
    replica.sign_in(&format!("grant_type=refresh_token&refresh_token={token}{client}"))
}

#[track_caller]
fn expect((status, detail, challenge): Refusal, reply: &Reply, what: &str) {
    assert_eq!(outcome(reply), (status, detail.into(), challenge.map(str::to_owned)), "{what}");
}

/// How long after `since` the replica refused the token, which must be within a second.
fn refused(replica: &Service, token: &str, row: &Row, since: Instant) -> Duration {
    let reply = within(SECOND, row.name, || {
        let reply = replica.users_me(token);
        (reply.status != 200).then_some(reply)
    });
    let after = since.elapsed();
    expect(row.refusal, &reply, row.name);
    assert!(after < SECOND, "{}: after {after:?}", row.name);
    after
}

fn report(row: &str, [same, other]: [Duration; 2]) {
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
    eprintln!("{row} | {:.1} ms | {:.1} ms", milliseconds(same), milliseconds(other));
}

fn replicas(gatepass: &Gatepass, arguments: &[&str]) -> [Service; 2] {
    let arguments = [&ISSUER[..], arguments].concat();
    [serve(gatepass, &arguments), serve(gatepass, &arguments)]
}

fn database(gatepass: &Gatepass) -> &str {
    gatepass.url.split(':').next().unwrap()
}

#[test]
fn what_kills_a_token_kills_it_at_once_here_and_within_a_second_there() {
    let test = "what_kills_a_token_kills_it_at_once_here_and_within_a_second_there";
    Gatepass::on_both(test, |gatepass| {
        add_johndoe(gatepass);
        let replicas = replicas(gatepass, &[]);
        let bystander = Tokens::of(&replicas[0].sign_in(&form("johndoe")));
        eprintln!("{} | same replica | other replica", database(gatepass));
        for (number, row) in ROWS.iter().enumerate() {
            let scene = Scene::set(gatepass, &replicas, number, &bystander);
            scene.make_known();
            report(row.name, scene.kill(row));
            scene.look_around(row);
        }
        assert_eq!(refresh(&replicas[1], &bystander.refresh, "").status, 200);
    });
}

#[test]
fn a_token_that_is_asked_for_all_the_time_dies_with_the_answer_too() {
    let test = "a_token_that_is_asked_for_all_the_time_dies_with_the_answer_too";
    Gatepass::on_both(test, |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--workers", "4"]);
        for _ in 0..8 {
            // Nobody knows it yet: what is asked of the database meanwhile must not be remembered later.
            let token = service.token(JOHNDOE);
            thread::scope(|scope| {
                let last_good = || {
                    let mut last = Instant::now();
                    loop {
                        let asked = Instant::now();
                        if service.users_me(&token).status != 200 {
                            return last;
                        }
                        last = asked;
                    }
                };
                let asking = [(); 4].map(|()| scope.spawn(last_good));
                let reply = post_form("/revoke", format!("token={token}")).send(service.address);
                let answered = Instant::now();
                assert_eq!(reply.status, 200);
                for asking in asking {
                    let last_good = asking.join().unwrap();
                    assert!(last_good < answered, "{:?} after the answer", last_good - answered);
                }
            });
            assert_eq!(service.users_me(&token).status, 401);
        }
    });
}

#[test]
fn who_is_enabled_again_signs_in_again() {
    Gatepass::on_both("who_is_enabled_again_signs_in_again", |gatepass| {
        add_johndoe(gatepass);
        let replicas = replicas(gatepass, &[]);
        let token = replicas[0].token(JOHNDOE);
        let expect_soon = |refusal: Refusal| {
            for replica in &replicas {
                within(SECOND, "it is heard of", || {
                    let (status, detail, challenge) = refusal;
                    let expected = (status, Value::from(detail), challenge.map(str::to_owned));
                    (outcome(&replica.users_me(&token)) == expected).then_some(())
                });
            }
        };
        replicas.iter().for_each(|replica| assert_eq!(replica.users_me(&token).status, 200));
        gatepass.done(&["users", "disable", "johndoe"]);
        expect_soon(INACTIVE);
        gatepass.done(&["users", "enable", "johndoe"]);
        expect_soon(INVALID);
        let token = replicas[0].token(JOHNDOE);
        replicas.iter().for_each(|replica| assert_eq!(replica.users_me(&token).status, 200));
    });
}

#[test]
fn a_key_that_is_gone_takes_its_tokens_with_it() {
    Gatepass::on_both("a_key_that_is_gone_takes_its_tokens_with_it", |gatepass| {
        add_johndoe(gatepass);
        let replicas = replicas(gatepass, &[]);
        let token = replicas[0].token(JOHNDOE);
        let kid = read(&token).0["kid"].as_str().unwrap().to_owned();
        for replica in replicas.iter().chain(&replicas) {
            assert_eq!(replica.users_me(&token).status, 200);
        }
        gatepass.json(&["keys", "rotate"]);
        let keys = fs::read_dir(gatepass.folder.path().join("keys")).unwrap();
        let file = keys
            .map(|key| key.unwrap().path())
            .find(|key| key.file_stem().is_some_and(|name| name.to_string_lossy().contains(&kid)));
        fs::remove_file(file.expect("the key's file")).unwrap();
        let removed = Instant::now();
        let row = Row {
            name: "a key's file is removed",
            kill: Kill::Command(|_| vec![], ""),
            refusal: INVALID,
            reach: Reach::User,
            refresh: (200, ""),
        };
        let refused: [_; 2] = thread::scope(|scope| {
            replicas
                .each_ref()
                .map(|replica| scope.spawn(|| refused(replica, &token, &row, removed)))
                .map(|replica| replica.join().unwrap())
        });
        report(&format!("{}: {}", database(gatepass), row.name), refused);
    });
}

#[test]
fn a_known_token_asks_the_database_nothing() {
    Gatepass::on_both("a_known_token_asks_the_database_nothing", |gatepass| {
        // SQLite has no lock that keeps readers out.
        if database(gatepass) == "sqlite" {
            return;
        }
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--workers", "2"]);
        let (known, unknown) = (service.token(JOHNDOE), service.token(JOHNDOE));
        assert_eq!(service.users_me(&known).status, 200);
        let system = System::new();
        let mut other = system.block_on(PgConnection::connect(&gatepass.url)).unwrap();
        let mut transaction = system.block_on(other.begin()).unwrap();
        let lock = "LOCK TABLE users, clients, sessions, revoked_tokens IN ACCESS EXCLUSIVE MODE";
        system.block_on(sqlx::query(lock).execute(&mut *transaction)).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| service.users_me(&unknown));
            let times = (0..200).map(|_| {
                let start = Instant::now();
                assert_eq!(service.users_me(&known).status, 200);
                start.elapsed()
            });
            let slowest = times.max().unwrap();
            // A question would wait until the lock is given up.
            assert!(slowest < SECOND, "{slowest:?}");
            assert!(!waiting.is_finished(), "who is not known waits");
            system.block_on(transaction.rollback()).unwrap();
            assert_eq!(waiting.join().unwrap().status, 200);
        });
    });
}

#[test]
fn what_is_asked_with_a_dead_token_is_answered_alike_everywhere() {
    Gatepass::on_both("what_is_asked_with_a_dead_token_is_answered_alike_everywhere", |gatepass| {
        add_johndoe(gatepass);
        let secret = gatepass.json(&["clients", "add", "web"])["client_secret"].clone();
        let client = format!("&client_id=web&client_secret={}", secret.as_str().unwrap());
        let replicas = replicas(gatepass, &[]);
        let token = replicas[0].token(&format!("{JOHNDOE}{client}"));
        let is_active = |replica: &Service| {
            let reply = post_form("/introspect", format!("token={token}{client}")).send(replica.address);
            reply.json()["active"].as_bool().expect("an answer")
        };
        assert!(replicas.iter().all(is_active));
        let revoke = post_form("/revoke", format!("token={token}{client}"));
        assert_eq!(revoke.send(replicas[0].address).status, 200);
        assert!(!is_active(&replicas[0]));
        within(SECOND, "the other replica hears of it", || (!is_active(&replicas[1])).then_some(()));
        // None of them comes back to life by being asked for.
        for replica in &replicas {
            let sessions = get("/users/me/sessions").bearer(&token).send(replica.address);
            expect(INVALID, &sessions, "sessions");
            let end = request("DELETE", "/users/me/sessions").bearer(&token).send(replica.address);
            expect(INVALID, &end, "a dead token ends nothing");
            assert_eq!(revoke.send(replica.address).status, 200, "it is done already");
        }
    });
}
