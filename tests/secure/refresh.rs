//! Refresh tokens.

use std::{collections::HashSet, fs};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::secure::{
    ISSUER, JOHNDOE, JOHNDOE_OFFLINE, Reply, SECOND, Service, Tokens, add_client, basic, client_fields,
    expect_missing, expect_oauth2_error, get, on_both, on_sqlite, ops::OPS, ops::metrics, ops::ops_address,
    outcome, post_form, read, replicas, rows, serve, serve_command, wait_until, with_service, within,
};

#[track_caller]
fn expect_invalid_grant(reply: &Reply) {
    expect_oauth2_error(reply, 400, "invalid_grant", "Invalid refresh token");
    assert_eq!(reply.header("www-authenticate"), None);
}

/// Asserts that all tokens of a family are invalid.
#[track_caller]
fn expect_ended(service: &Service, family: &[&Tokens]) {
    for tokens in family.iter().rev() {
        expect_invalid_grant(&service.refresh(&tokens.refresh, ""));
        service.expect_invalid(&[&tokens.access]);
    }
}

#[test]
fn refresh_returns_new_tokens_for_the_same_session() {
    with_service(&[], |gatepass, service| {
        let (mut replies, mut family) = (vec![service.sign_in(JOHNDOE_OFFLINE)], Vec::new());
        for _ in 0..3 {
            let reply = replies.last().unwrap();
            let tokens = Tokens::of(reply);
            let expected = json!({
                "access_token": tokens.access, "token_type": "bearer", "expires_in": 900,
                "refresh_token": tokens.refresh, "scope": "me users:read offline_access",
            });
            assert_eq!(reply.json(), expected);
            assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
            let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            assert!(
                tokens.refresh.len() == 86 && tokens.refresh.bytes().all(is_base64url),
                "the refresh token does not have 86 base64url characters (2 × 256 bits)"
            );
            replies.push(service.refresh(&tokens.refresh, ""));
            family.push(tokens);
        }
        assert_eq!(family.iter().map(|tokens| &tokens.refresh).collect::<HashSet<_>>().len(), 3);

        let claims: Vec<_> = family.iter().map(|tokens| read(&tokens.access).1).collect();
        assert!(claims[0]["sid"].is_string(), "{}", claims[0]);
        for later in &claims[1..] {
            assert_eq!((&later["sid"], &later["sub"]), (&claims[0]["sid"], &claims[0]["sub"]));
            assert_eq!(later["scope"], "me users:read offline_access");
            assert_ne!(later["jti"], claims[0]["jti"]);
        }
        for tokens in &family {
            assert_eq!(
                service.users_me(&tokens.access).status,
                200,
                "a refresh should not revoke any access token"
            );
        }
        let other = service.sign_in_offline();
        assert_ne!(other.refresh[..43], family[0].refresh[..43]);
        assert_ne!(read(&other.access).1["sid"], claims[0]["sid"]);
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 2);
    });
}

#[test]
fn refresh_tokens_setting_controls_which_sign_ins_get_a_refresh_token() {
    let (gatepass, service) = on_sqlite(&[]);
    // Returns whether the response contains a refresh token, and the granted scopes.
    let result = |service: &Service, form: &str| {
        let reply = service.sign_in(form);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let json = reply.json();
        (json.get("refresh_token").is_some(), json["scope"].as_str().unwrap().to_owned())
    };
    let (narrow, only) = (format!("{JOHNDOE}&scope=me"), format!("{JOHNDOE}&scope=offline_access"));
    assert_eq!(result(&service, JOHNDOE), (false, "me users:read".to_owned()));
    assert_eq!(result(&service, &narrow), (false, "me".to_owned()));
    assert_eq!(result(&service, JOHNDOE_OFFLINE), (true, "me users:read offline_access".to_owned()));
    assert_eq!(result(&service, &only), (true, "offline_access".to_owned()));
    assert_eq!(service.users_me(&service.token(&only)).status, 403);
    let admin = service.sign_in(&format!("{only}+admin"));
    assert_eq!((admin.status, &admin.json()["error"]), (400, &"invalid_scope".into()));

    let always = serve(&gatepass, &["--refresh-tokens", "always"]);
    assert_eq!(result(&always, JOHNDOE), (true, "me users:read".to_owned()));
    assert_eq!(result(&always, JOHNDOE_OFFLINE), (true, "me users:read offline_access".to_owned()));
    let tokens = Tokens::of(&always.sign_in(&narrow));
    let next = always.refreshed(&tokens.refresh);
    assert_eq!((tokens.scope.as_str(), next.scope.as_str()), ("me", "me"));
    let widened = always.refresh(&next.refresh, "&scope=offline_access");
    assert_eq!(widened.json()["error"], "invalid_scope");

    let never = serve(&gatepass, &["--refresh-tokens", "never"]);
    assert_eq!(result(&never, JOHNDOE), (false, "me users:read".to_owned()));
    assert_eq!(result(&never, JOHNDOE_OFFLINE), (false, "me users:read".to_owned()));
    let refused = never.refresh(&next.refresh, "");
    assert_eq!((refused.status, &refused.json()["error"]), (400, &"unsupported_grant_type".into()));
    // Existing token families stay active.
    service.refreshed(&next.refresh);
}

#[test]
fn sign_ins_are_refused_but_sessions_stay_active_while_the_password_grant_is_off() {
    let (gatepass, issuing) = on_sqlite(&ISSUER);
    let mut tokens = issuing.sign_in_offline();
    let off = ["--password-grant", "off", "--require-grant-type"];
    let service = serve(&gatepass, &[&ISSUER[..], &off].concat());
    assert_eq!(service.users_me(&tokens.access).status, 200);
    let refused = service.sign_in(&format!("{JOHNDOE}&grant_type=password"));
    assert_eq!(outcome(&refused), (400, "Signing in with a password is turned off".into(), None));
    assert_eq!(refused.json()["error"], "unsupported_grant_type");
    // A refresh must specify its grant type, with or without `--require-grant-type`.
    for service in [service, issuing] {
        let reply = service.sign_in(&format!("refresh_token={}", tokens.refresh));
        assert_eq!((reply.status, &reply.json()["error"]), (400, &"invalid_request".into()));
        tokens = service.refreshed(&tokens.refresh);
        assert_eq!(service.users_me(&tokens.access).status, 200);
    }
}

#[test]
fn refresh_tokens_are_stored_only_as_hashes_and_never_logged() {
    on_both(|gatepass| {
        let mut command = serve_command(gatepass, &["--refresh-grace", "0"]);
        let service = Service::run(command.env("RUST_LOG", "trace"));
        let first = service.sign_in_offline();
        let second = service.refreshed(&first.refresh);
        let third = service.refreshed(&second.refresh);
        let halves = [&first, &second, &third].map(|tokens| tokens.refresh.split_at(43));

        let dump = if gatepass.url.starts_with("sqlite:") {
            let files = fs::read_dir(gatepass.folder.path()).unwrap().map(|entry| entry.unwrap().path());
            let is_database = |file: &std::path::PathBuf| {
                file.file_name().unwrap().to_str().unwrap().starts_with("gatepass.db")
            };
            files.filter(is_database).flat_map(|file| fs::read(file).unwrap()).collect()
        } else {
            rows(gatepass, "SELECT sessions::text FROM sessions").concat().into_bytes()
        };
        let is_stored = |text: &str| memchr::memmem::find(&dump, text.as_bytes()).is_some();
        let hash = |half: &str| BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(half));
        let [_, (_, previous), (family, current)] = halves;
        for half in [family, previous, current] {
            assert!(is_stored(&hash(half)));
        }
        // Refused tokens are not logged either, whether they were already used or never issued.
        service.refresh(&first.refresh, "");
        service.refresh(&format!("{}{}", halves[0].1, halves[0].0), "");
        let log = service.program.end();
        assert!(log.contains(" reused: "), "{log}");
        for half in halves.iter().flat_map(|(family, rest)| [family, rest]) {
            assert!(!is_stored(half), "the database contains half of a token");
            assert!(!log.contains(half), "the log contains half of a token");
        }
    });
}

#[test]
fn refresh_token_reuse_without_a_grace_period_ends_only_its_own_family() {
    with_service(&["--refresh-grace", "0"], |gatepass, service| {
        let other = service.sign_in_offline();
        let first = service.sign_in_offline();
        let second = service.refreshed(&first.refresh);
        let third = service.refreshed(&second.refresh);
        for tokens in [&other, &first, &second, &third] {
            assert_eq!(service.users_me(&tokens.access).status, 200);
        }
        expect_invalid_grant(&service.refresh(&second.refresh, ""));
        expect_ended(&service, &[&first, &second, &third]);
        service.program.wait_for(" was reused: ended session ");
        assert_eq!(service.users_me(&other.access).status, 200);
        service.refreshed(&other.refresh);
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 1);
    });
}

#[test]
fn repeated_refresh_within_the_grace_period_returns_the_same_refresh_token() {
    with_service(&["--refresh-grace", "60"], |gatepass, service| {
        let first = service.sign_in_offline();
        let second = service.refreshed(&first.refresh);
        let repeated = Tokens::of(&service.refresh(&first.refresh, "&scope=me"));
        assert_eq!((repeated.refresh.as_str(), repeated.scope.as_str()), (second.refresh.as_str(), "me"));
        let widened = service.refresh(&first.refresh, "&scope=admin");
        assert_eq!(widened.json()["error"], "invalid_scope");
        assert_eq!(
            service.refreshed(&first.refresh).refresh,
            second.refresh,
            "a refused refresh should have no effect"
        );
        for tokens in [&first, &second, &repeated] {
            assert_eq!(service.users_me(&tokens.access).status, 200);
        }
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 1);

        // The use of the second token shows that the client received it, so another use of the first token is reuse.
        let third = service.refreshed(&second.refresh);
        expect_invalid_grant(&service.refresh(&first.refresh, ""));
        expect_ended(&service, &[&first, &second, &repeated, &third]);
    });
}

/// The arguments that make the tests a trusted proxy, so that they can set the client's address.
const PROXY: [&str; 2] = ["--trusted-proxies", "127.0.0.1"];

fn refresh_from(service: &Service, address: &str, user_agent: &str, token: &str) -> Reply {
    post_form("/token", format!("grant_type=refresh_token&refresh_token={token}"))
        .header("X-Forwarded-For", address)
        .header("User-Agent", user_agent)
        .send(service.address)
}

/// The thief has the refresh token and an access token. The thief polls the list of sessions and repeats the user's
/// refresh as soon as the list shows the refresh.
#[test]
fn refresh_repeated_by_a_thief_at_another_address_ends_the_session() {
    on_both(|gatepass| {
        let replicas = replicas(gatepass, &PROXY);
        for round in 0..10 {
            let stolen = replicas[0].sign_in_offline();
            let thief = || {
                within(SECOND, "the session of the user changes", || {
                    let sessions = get("/users/me/sessions").bearer(&stolen.access).send(replicas[1].address);
                    (sessions.json()[0]["address"] == "203.0.113.7").then_some(())
                });
                let repeat = || refresh_from(&replicas[1], "198.51.100.1", "curl", &stolen.refresh);
                (0..100).map(|_| repeat()).take_while(|reply| reply.status == 200).count()
            };
            let user = || {
                let next = Tokens::of(&refresh_from(&replicas[0], "203.0.113.7", "Firefox", &stolen.refresh));
                replicas[0].users_me(&next.access);
                next
            };
            let (repeated, next) = std::thread::scope(|scope| {
                let thief = scope.spawn(thief);
                let next = user();
                (thief.join().unwrap(), next)
            });
            assert!(
                repeated <= 10,
                "expected the thief to repeat the refresh at most 10 times, got {repeated}"
            );
            assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 0, "round {round}");
            for replica in &replicas {
                wait_until(SECOND, "the access tokens are rejected", || {
                    [&stolen, &next].iter().all(|tokens| replica.users_me(&tokens.access).status == 401)
                });
            }
            expect_ended(&replicas[0], &[&stolen, &next]);
        }
    });
}

#[test]
fn refresh_repeated_by_another_sender_after_the_response_was_received_ends_the_session() {
    with_service(&[&PROXY[..], &OPS].concat(), |gatepass, service| {
        for (address, user_agent, clock_is_ahead) in [
            ("203.0.113.8", "Firefox", false),
            ("203.0.113.7", "curl", false),
            ("198.51.100.1", "curl", true),
        ] {
            let first = service.sign_in_offline();
            let second = Tokens::of(&refresh_from(&service, "203.0.113.7", "Firefox", &first.refresh));
            // Moving the refresh into the past simulates a replica whose clock is ahead.
            if clock_is_ahead {
                rows(gatepass, "UPDATE sessions SET rotated = rotated - 40 RETURNING id");
            }
            assert_eq!(service.users_me(&second.access).status, 200);
            if clock_is_ahead {
                rows(gatepass, "UPDATE sessions SET rotated = rotated + 40 RETURNING id");
            }
            let again = Tokens::of(&refresh_from(&service, "203.0.113.7", "Firefox", &first.refresh));
            assert_eq!(again.refresh, second.refresh);
            expect_invalid_grant(&refresh_from(&service, address, user_agent, &first.refresh));
            expect_ended(&service, &[&first, &second, &again]);
        }
        let metrics = metrics(ops_address(&service));
        for (outcome, event) in [("repeated", "refresh_repeated"), ("reused", "refresh_token_reused")] {
            assert_eq!(metrics[&format!("gatepass_refreshes_total{{outcome=\"{outcome}\"}}")], 3.0);
            wait_until(SECOND, "the events are recorded", || {
                let entries = gatepass.json_lines(&["audit", "list", "--event", event, "--json"]);
                entries.iter().filter(|entry| entry["username"] == "johndoe").count() == 3
            });
        }
    });
}

#[test]
fn client_stays_signed_in_if_it_loses_a_response_and_then_changes_networks() {
    on_both(|gatepass| {
        let replicas = replicas(gatepass, &PROXY);
        let first = replicas[0].sign_in_offline();
        let lost = Tokens::of(&refresh_from(&replicas[0], "203.0.113.7", "Firefox", &first.refresh));
        // The use of an access token from before the refresh does not show that the client received the response.
        for replica in &replicas {
            assert_eq!(replica.users_me(&first.access).status, 200);
        }
        let mobile = |token: &str| Tokens::of(&refresh_from(&replicas[1], "198.51.100.1", "Firefox", token));
        let second = mobile(&first.refresh);
        assert_eq!(second.refresh, lost.refresh);
        for replica in &replicas {
            assert_eq!(replica.users_me(&second.access).status, 200);
        }
        // A client may repeat a refresh after a double click, or if several tabs open at the same time.
        for _ in 0..9 {
            let again = mobile(&first.refresh);
            assert_eq!((&again.refresh, replicas[0].users_me(&again.access).status), (&second.refresh, 200));
        }
        let third = mobile(&second.refresh);
        assert_eq!(replicas[0].users_me(&third.access).status, 200);
    });
}

#[test]
fn too_many_repeated_refreshes_end_the_session_unless_all_have_the_same_sender() {
    with_service(&PROXY, |_, service| {
        let (user, thief) = ("203.0.113.7", "198.51.100.1");
        for (repeating, last, is_active) in [(user, user, true), (user, thief, false), (thief, user, false)] {
            let refresh = |address, token: &str| refresh_from(&service, address, "Firefox", token);
            let first = service.sign_in_offline();
            let second = Tokens::of(&refresh(user, &first.refresh));
            for _ in 0..10 {
                assert_eq!(Tokens::of(&refresh(repeating, &first.refresh)).refresh, second.refresh);
            }
            expect_invalid_grant(&refresh(last, &first.refresh));
            if is_active {
                assert_eq!(service.users_me(&Tokens::of(&refresh(user, &second.refresh)).access).status, 200);
            } else {
                expect_ended(&service, &[&first, &second]);
            }
        }
    });
}

#[test]
fn refresh_after_the_grace_period_or_the_idle_or_total_lifetime_is_refused() {
    with_service(
        &["--refresh-grace=60", "--refresh-idle-ttl=1000", "--refresh-ttl=2000"],
        |gatepass, service| {
            // A repetition does not extend the grace period.
            let first = service.sign_in_offline();
            let second = service.refreshed(&first.refresh);
            assert_eq!(service.refreshed(&first.refresh).refresh, second.refresh);
            rows(gatepass, "UPDATE sessions SET rotated = rotated - 60 RETURNING id");
            expect_invalid_grant(&service.refresh(&first.refresh, ""));
            expect_ended(&service, &[&first, &second]);

            // Each refresh extends the idle lifetime. The expiry of a refresh token revokes no access token.
            let mut tokens = service.sign_in_offline();
            for _ in 0..2 {
                rows(
                    gatepass,
                    "UPDATE sessions SET rotated = rotated - 900, created = created - 900 RETURNING id",
                );
                tokens = service.refreshed(&tokens.refresh);
            }
            rows(gatepass, "UPDATE sessions SET created = created - 200 RETURNING id");
            expect_invalid_grant(&service.refresh(&tokens.refresh, ""));
            assert_eq!(service.users_me(&tokens.access).status, 200);

            let idle = service.sign_in_offline();
            rows(gatepass, "UPDATE sessions SET rotated = rotated - 1000 RETURNING id");
            expect_invalid_grant(&service.refresh(&idle.refresh, ""));
            assert_eq!(service.users_me(&idle.access).status, 200);
        },
    );
}

#[test]
fn refresh_can_request_fewer_scopes_but_never_more_than_the_sign_in_granted() {
    let (gatepass, service) = on_sqlite(&[]);
    let mut token = service.sign_in_offline().refresh;
    for (requested, granted) in [
        ("me", "me"),
        // Narrowing the scopes of one refresh does not narrow those of later refreshes.
        ("users:read", "users:read"),
        ("offline_access+me", "me offline_access"),
        ("", "me users:read offline_access"),
    ] {
        let tokens = service.refreshed_by(&token, &format!("&scope={requested}"));
        assert_eq!(read(&tokens.access).1["scope"].as_str(), Some(tokens.scope.as_str()));
        assert_eq!(tokens.scope, granted);
        token = tokens.refresh;
    }

    let refused = |token: &str, scopes: &str, sentence| {
        expect_oauth2_error(
            &service.refresh(token, &format!("&scope={scopes}")),
            400,
            "invalid_scope",
            sentence,
        );
    };
    let widened = "The request includes scopes that were not granted at sign-in";
    for scopes in ["admin", "me+admin", "me+users:read+offline_access+admin"] {
        refused(&token, scopes, widened);
    }
    // A refused refresh does not use up the token.
    token = service.refreshed(&token).refresh;

    gatepass.done(&["users", "set", "johndoe", "--scopes", "me admin"]);
    refused(&token, "users:read", "None of the requested scopes can be granted");
    refused(&token, "admin", widened);
    let narrowed = service.refreshed(&token);
    assert_eq!(narrowed.scope, "me offline_access");
    let part = service.refreshed_by(&narrowed.refresh, "&scope=me+users:read");
    assert_eq!(part.scope, "me");
    gatepass.done(&["users", "set", "johndoe", "--scopes", "users:read admin"]);
    assert_eq!(service.refreshed(&part.refresh).scope, "users:read offline_access");

    // A scope that the sign-in did not request is refused, even if it is allowed for the user.
    let narrow = Tokens::of(&service.sign_in(&format!("{JOHNDOE}&scope=users:read+offline_access")));
    refused(&narrow.refresh, "admin", widened);
    assert_eq!(service.refreshed(&narrow.refresh).scope, "users:read offline_access");
}

#[test]
fn refresh_token_is_accepted_only_from_the_client_it_was_issued_to() {
    with_service(&[], |gatepass, service| {
        let [web, app] = ["web", "app"].map(|client| add_client(gatepass, client));
        let [as_web, as_app] = [client_fields("web", &web), client_fields("app", &app)];
        let by_basic = |token: &str, client: &str, secret: &str| {
            let form = format!("grant_type=refresh_token&refresh_token={token}");
            post_form("/token", form).header("Authorization", basic(client, secret)).send(service.address)
        };
        let first = Tokens::of(&service.sign_in(&format!("{JOHNDOE_OFFLINE}{as_web}")));
        let token = &first.refresh;

        // Refused refreshes have no effect.
        expect_invalid_grant(&service.refresh(token, ""));
        expect_invalid_grant(&service.refresh(token, &as_app));
        expect_invalid_grant(&by_basic(token, "app", &app));
        let incorrect = "Incorrect client credentials";
        for fields in ["&client_id=web", &client_fields("web", "wrong"), &client_fields("web", &app)] {
            expect_oauth2_error(&service.refresh(token, fields), 401, "invalid_client", incorrect);
        }
        let challenge = Some(r#"Basic realm="token", charset="UTF-8""#.to_owned());
        assert_eq!(outcome(&by_basic(token, "web", "wrong")), (401, incorrect.into(), challenge));

        let second = service.refreshed_by(token, &as_web);
        let third = Tokens::of(&by_basic(&second.refresh, "web", &web));
        for tokens in [&first, &second, &third] {
            assert_eq!(read(&tokens.access).1["client_id"], "web");
        }
        // A used token does not end the family if another client sends it.
        expect_invalid_grant(&service.refresh(token, ""));
        expect_invalid_grant(&service.refresh(token, &as_app));
        let fourth = Tokens::of(&by_basic(&third.refresh, "web", &web));

        let public = service.sign_in_offline();
        expect_invalid_grant(&service.refresh(&public.refresh, &as_web));
        service.refreshed(&public.refresh);

        gatepass.done(&["clients", "remove", "web", "--yes"]);
        expect_oauth2_error(&service.refresh(&fourth.refresh, &as_web), 401, "invalid_client", incorrect);
        expect_invalid_grant(&service.refresh(&fourth.refresh, ""));
        wait_until(SECOND, "the access token is refused", || service.users_me(&fourth.access).status == 401);
    });
}

#[test]
fn malformed_refresh_token_is_refused_and_a_forged_token_of_a_known_family_ends_that_family() {
    let (_gatepass, service) = on_sqlite(&["--refresh-grace", "0"]);
    let (tokens, other) = (service.sign_in_offline(), service.sign_in_offline());
    for form in ["grant_type=refresh_token", "grant_type=refresh_token&refresh_token="] {
        expect_missing(&service.sign_in(form), "refresh_token");
    }
    let (family, second_half) = tokens.refresh.split_at(43);
    let made_up = "x".repeat(43);
    for invalid in [
        "x",
        "%00",
        family,
        second_half,
        &tokens.access,
        &tokens.refresh[..85],
        &format!("{}x", tokens.refresh),
        &format!("+{}", tokens.refresh),
        &format!("{made_up}{second_half}"),
        &format!("{made_up}{made_up}"),
        &format!("{second_half}{family}"),
        &"%C3%A9".repeat(43),
        &"x".repeat(60_000),
    ] {
        expect_invalid_grant(&service.refresh(invalid, ""));
    }
    let next = service.refreshed(&tokens.refresh);
    // Only a client that has seen a token of the family can know the first half, so these tokens end the family.
    expect_invalid_grant(&service.refresh(&format!("{family}{made_up}"), ""));
    expect_ended(&service, &[&tokens, &next]);
    expect_invalid_grant(&service.refresh(&format!("{}{}", &other.refresh[..43], &next.refresh[43..]), ""));
    expect_ended(&service, &[&other]);
}
