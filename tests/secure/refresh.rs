//! Refresh tokens: who gets one, what it gives, when it is good, and what an old one ends.

use std::{collections::HashSet, fs, time::SystemTime};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{
    http::{Reply, post_form, request},
    program::Gatepass,
    secure_profile::{
        JOHNDOE, JOHNDOE_OFFLINE, SECOND, Service, Tokens, add_client, add_johndoe, basic, expect_missing,
        expect_oauth2_error, outcome, read, rows, serve, within,
    },
};

#[track_caller]
fn expect_invalid_grant(reply: &Reply) {
    expect_oauth2_error(reply, 400, "invalid_grant", "Invalid refresh token");
    assert_eq!(reply.header("www-authenticate"), None);
}

/// Asserts that nothing of a family is good any more.
#[track_caller]
fn expect_ended(service: &Service, family: &[&Tokens]) {
    for tokens in family.iter().rev() {
        expect_invalid_grant(&service.refresh(&tokens.refresh, ""));
        service.expect_invalid(&[&tokens.access]);
    }
}

/// The second that an access token was issued in.
fn issued(access_token: &str) -> u64 {
    read(access_token).1["iat"].as_u64().unwrap()
}

/// The second it is.
fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// Waits until this second has begun.
#[track_caller]
fn wait_until(second: u64) {
    within(5 * SECOND, "the second begins", || (now() >= second).then_some(()));
}

#[test]
fn a_refresh_token_gives_the_next_tokens() {
    Gatepass::on_both("a_refresh_token_gives_the_next_tokens", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &[]);
        let (mut replies, mut family) = (vec![service.sign_in(JOHNDOE_OFFLINE)], Vec::new());
        for _ in 0..3 {
            let reply = replies.last().unwrap();
            let tokens = Tokens::of(reply);
            assert_eq!(
                reply.json(),
                json!({
                    "access_token": tokens.access, "token_type": "bearer", "expires_in": 900,
                    "refresh_token": tokens.refresh, "scope": "me users:read offline_access",
                })
            );
            assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
            let base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            assert!(
                tokens.refresh.len() == 86 && tokens.refresh.bytes().all(base64url),
                "opaque, 2 x 256 bits"
            );
            replies.push(service.refresh(&tokens.refresh, ""));
            family.push(tokens);
        }
        assert_eq!(family.iter().map(|tokens| &tokens.refresh).collect::<HashSet<_>>().len(), 3);

        // One session, and each access token is its own.
        let claims: Vec<_> = family.iter().map(|tokens| read(&tokens.access).1).collect();
        assert!(claims[0]["sid"].is_string(), "{}", claims[0]);
        for later in &claims[1..] {
            assert_eq!((&later["sid"], &later["sub"]), (&claims[0]["sid"], &claims[0]["sub"]));
            assert_eq!(later["scope"], "me users:read offline_access");
            assert_ne!(later["jti"], claims[0]["jti"]);
        }
        for tokens in &family {
            assert_eq!(service.users_me(&tokens.access).status, 200, "an access token lasts until its end");
        }
        let other = service.sign_in_offline();
        assert_ne!(other.refresh[..43], family[0].refresh[..43]);
        assert_ne!(read(&other.access).1["sid"], claims[0]["sid"]);
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 2);
    });
}

#[test]
fn who_gets_a_refresh_token_is_a_setting() {
    Gatepass::on_both("who_gets_a_refresh_token_is_a_setting", |gatepass| {
        add_johndoe(gatepass);
        let answer = |service: &Service, form: &str| {
            let reply = service.sign_in(form);
            assert_eq!(reply.status, 200, "{}", reply.text());
            let json = reply.json();
            (json.get("refresh_token").is_some(), json["scope"].as_str().unwrap().to_owned())
        };
        let only = &format!("{JOHNDOE}&scope=offline_access");
        for arguments in [&[][..], &["--refresh-tokens", "on-request"]] {
            let service = serve(gatepass, arguments);
            assert_eq!(answer(&service, JOHNDOE), (false, "me users:read".to_owned()));
            assert_eq!(answer(&service, &format!("{JOHNDOE}&scope=me")), (false, "me".to_owned()));
            assert_eq!(answer(&service, JOHNDOE_OFFLINE), (true, "me users:read offline_access".to_owned()));
            assert_eq!(answer(&service, only), (true, "me users:read offline_access".to_owned()));
            let admin = service.sign_in(&format!("{only}+admin"));
            assert_eq!((admin.status, &admin.json()["error"]), (400, &"invalid_scope".into()));
        }

        let service = serve(gatepass, &["--refresh-tokens", "always"]);
        assert_eq!(answer(&service, JOHNDOE), (true, "me users:read".to_owned()));
        assert_eq!(answer(&service, JOHNDOE_OFFLINE), (true, "me users:read offline_access".to_owned()));
        let tokens = Tokens::of(&service.sign_in(&format!("{JOHNDOE}&scope=me")));
        let next = service.refreshed(&tokens.refresh);
        assert_eq!((tokens.scope.as_str(), next.scope.as_str()), ("me", "me"));
        let widened = service.refresh(&next.refresh, "&scope=offline_access");
        assert_eq!(widened.json()["error"], "invalid_scope");

        // A family that lives goes on in every mode but `never`, which has no such grant.
        let service = serve(gatepass, &["--refresh-tokens", "never"]);
        assert_eq!(answer(&service, JOHNDOE), (false, "me users:read".to_owned()));
        assert_eq!(answer(&service, JOHNDOE_OFFLINE), (false, "me users:read".to_owned()));
        let refused = service.refresh(&next.refresh, "");
        assert_eq!((refused.status, &refused.json()["error"]), (400, &"unsupported_grant_type".into()));
        serve(gatepass, &[]).refreshed(&next.refresh);
    });
}

#[test]
fn neither_database_nor_log_holds_a_token() {
    Gatepass::on_both("neither_database_nor_log_holds_a_token", |gatepass| {
        add_johndoe(gatepass);
        let mut command = crate::support::secure_profile::serve_command(gatepass, &["--refresh-grace", "0"]);
        let service = Service::run(command.env("RUST_LOG", "trace"));
        let first = service.sign_in_offline();
        let second = service.refreshed(&first.refresh);
        let third = service.refreshed(&second.refresh);
        let halves: Vec<_> =
            [&first, &second, &third].iter().map(|tokens| tokens.refresh.split_at(43)).collect();

        let dump = if gatepass.url.starts_with("sqlite:") {
            let files = fs::read_dir(gatepass.folder.path()).unwrap().map(|entry| entry.unwrap().path());
            let databases =
                files.filter(|file| file.file_name().unwrap().to_str().unwrap().starts_with("gatepass.db"));
            databases.flat_map(|file| fs::read(file).unwrap()).collect()
        } else {
            rows(gatepass, "SELECT sessions::text FROM sessions").concat().into_bytes()
        };
        let stored = |text: &str| memchr::memmem::find(&dump, text.as_bytes()).is_some();
        let hash = |half: &str| BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(half));
        assert!(stored(&hash(halves[2].0)), "the family goes by a hash");
        assert!(stored(&hash(halves[1].1)) && stored(&hash(halves[2].1)), "previous and newest");
        // That of a token that was used, of one used again, of one that was never given: none is logged.
        service.refresh(&first.refresh, "");
        service.refresh(&format!("{}{}", halves[0].1, halves[0].0), "");
        let log = service.program.end();
        assert!(log.contains(" reused: "), "{log}");
        for half in halves.iter().flat_map(|(family, own)| [family, own]) {
            assert!(!stored(half), "the database holds a half of a token");
            assert!(!log.contains(half), "the log holds a half of a token");
        }
    });
}

#[test]
fn an_old_token_ends_its_family() {
    Gatepass::on_both("an_old_token_ends_its_family", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--refresh-grace", "0"]);
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

        // Nothing else has ended.
        assert_eq!(service.users_me(&other.access).status, 200);
        service.refreshed(&other.refresh);
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 1);
    });
}

#[test]
fn a_lost_answer_is_given_again_within_the_grace() {
    Gatepass::on_both("a_lost_answer_is_given_again_within_the_grace", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--refresh-grace", "60"]);
        let first = service.sign_in_offline();
        let second = service.refreshed(&first.refresh);
        let again = Tokens::of(&service.refresh(&first.refresh, "&scope=me"));
        assert_eq!((again.refresh.as_str(), again.scope.as_str()), (second.refresh.as_str(), "me"));
        // What is refused has no effect either.
        let widened = service.refresh(&first.refresh, "&scope=admin");
        assert_eq!(widened.json()["error"], "invalid_scope");
        assert_eq!(service.refreshed(&first.refresh).refresh, second.refresh);
        for tokens in [&first, &second, &again] {
            assert_eq!(service.users_me(&tokens.access).status, 200);
        }
        assert_eq!(rows(gatepass, "SELECT id FROM sessions").len(), 1);

        // A client that has used the next one has not lost it.
        let third = service.refreshed(&second.refresh);
        expect_invalid_grant(&service.refresh(&first.refresh, ""));
        expect_ended(&service, &[&first, &second, &again, &third]);
    });
}

#[test]
fn after_the_grace_the_same_token_ends_the_family() {
    Gatepass::on_both("after_the_grace_the_same_token_ends_the_family", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--refresh-grace", "3"]);
        let first = service.sign_in_offline();
        let second = service.refreshed(&first.refresh);
        let again = service.refresh(&first.refresh, "");
        assert_eq!(Tokens::of(&again).refresh, second.refresh);
        // To be answered again is not to begin again.
        wait_until(issued(&second.access) + 3);
        expect_invalid_grant(&service.refresh(&first.refresh, ""));
        expect_ended(&service, &[&first, &second]);
    });
}

#[test]
fn a_token_that_is_not_used_ends() {
    Gatepass::on_both("a_token_that_is_not_used_ends", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--refresh-idle-ttl", "2"]);
        let (unused, mut used) = (service.sign_in_offline(), service.sign_in_offline());
        within(5 * SECOND, "the unused one has ended", || {
            used = service.refreshed(&used.refresh);
            (now() >= issued(&unused.access) + 2).then_some(())
        });
        expect_invalid_grant(&service.refresh(&unused.refresh, ""));
        // It was not used again, it ended: its access tokens last until their own end.
        assert_eq!(service.users_me(&unused.access).status, 200);
        let last = service.refreshed(&used.refresh);
        wait_until(issued(&last.access) + 2);
        expect_invalid_grant(&service.refresh(&last.refresh, ""));
        assert_eq!(service.users_me(&last.access).status, 200);
    });
}

#[test]
fn however_often_they_are_used_the_last_token_ends() {
    Gatepass::on_both("however_often_they_are_used_the_last_token_ends", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--refresh-ttl", "3"]);
        let first = service.sign_in_offline();
        let end = issued(&first.access) + 3;
        let mut last = first;
        let refused = within(5 * SECOND, "the last one has ended", || {
            let reply = service.refresh(&last.refresh, "");
            if reply.status != 200 {
                return Some(reply);
            }
            last = Tokens::of(&reply);
            None
        });
        expect_invalid_grant(&refused);
        let (was, now) = (issued(&last.access), now());
        assert!(was < end && now >= end, "{was} < {end} <= {now}");
    });
}

#[test]
fn a_refresh_narrows_the_scopes_and_never_widens_them() {
    Gatepass::on_both("a_refresh_narrows_the_scopes_and_never_widens_them", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &[]);
        let mut token = service.sign_in_offline().refresh;
        let mut granted = |scopes: &str| {
            let tokens = Tokens::of(&service.refresh(&token, &format!("&scope={scopes}")));
            let claimed = read(&tokens.access).1["scope"].as_str().unwrap_or_default().to_owned();
            assert_eq!(claimed, tokens.scope);
            token = tokens.refresh;
            tokens.scope
        };
        assert_eq!(granted("me"), "me");
        assert_eq!(
            granted("users:read"),
            "users:read",
            "an earlier refresh narrows nothing but its own token"
        );
        assert_eq!(granted("offline_access+me"), "me offline_access");
        assert_eq!(granted(""), "me users:read offline_access");

        let refused = |token: &str, scopes: &str, sentence| {
            expect_oauth2_error(
                &service.refresh(token, &format!("&scope={scopes}")),
                400,
                "invalid_scope",
                sentence,
            );
        };
        let widened = "More scopes are requested than the sign-in was granted";
        for scopes in ["admin", "me+admin", "me+users:read+offline_access+admin"] {
            refused(&token, scopes, widened);
        }
        // Refused, it was not used.
        token = service.refreshed(&token).refresh;

        gatepass.done(&["users", "set", "johndoe", "--scopes", "me admin"]);
        refused(&token, "users:read", "None of the requested scopes can be granted");
        refused(&token, "admin", widened);
        let lost = service.refreshed(&token);
        assert_eq!(lost.scope, "me offline_access");
        let part = Tokens::of(&service.refresh(&lost.refresh, "&scope=me+users:read"));
        assert_eq!(part.scope, "me");
        gatepass.done(&["users", "set", "johndoe", "--scopes", "users:read admin"]);
        let found = service.refreshed(&part.refresh);
        assert_eq!(found.scope, "users:read offline_access");

        // What the sign-in did not ask for is not to be had, though the user has it.
        let narrow = format!("{JOHNDOE}&scope=users:read+offline_access");
        let narrow = Tokens::of(&service.sign_in(&narrow));
        refused(&narrow.refresh, "admin", widened);
        assert_eq!(service.refreshed(&narrow.refresh).scope, "users:read offline_access");
    });
}

#[test]
fn a_family_ends_with_what_it_is_of() {
    Gatepass::on_both("a_family_ends_with_what_it_is_of", |gatepass| {
        add_johndoe(gatepass);
        gatepass.add("alice", &["--scopes", "me"]).done();
        let service = serve(gatepass, &[]);
        let alice = "username=alice&password=alice's+own+passphrase&scope=offline_access";
        let alice = Tokens::of(&service.sign_in(alice));

        let disabled = service.sign_in_offline();
        gatepass.done(&["users", "disable", "johndoe"]);
        expect_invalid_grant(&service.refresh(&disabled.refresh, ""));
        gatepass.done(&["users", "enable", "johndoe"]);
        expect_invalid_grant(&service.refresh(&disabled.refresh, ""));
        service.expect_invalid(&[&disabled.access]);

        let changed = service.sign_in_offline();
        let passphrase = "johndoe's own passphrase\n";
        gatepass.run_with(&["users", "passwd", "johndoe", "--password-stdin"], passphrase).done();
        expect_invalid_grant(&service.refresh(&changed.refresh, ""));

        let (ended, also) = (service.sign_in_offline(), service.sign_in_offline());
        let end = request("DELETE", "/users/me/sessions").bearer(&ended.access).send(service.address);
        assert_eq!(end.status, 204, "{}", end.text());
        expect_ended(&service, &[&ended, &also]);

        let removed = service.sign_in_offline();
        gatepass.done(&["users", "remove", "johndoe", "--yes"]);
        expect_invalid_grant(&service.refresh(&removed.refresh, ""));
        add_johndoe(gatepass);
        expect_invalid_grant(&service.refresh(&removed.refresh, ""));
        service.refreshed(&alice.refresh);
    });
}

#[test]
fn a_clients_family_is_for_that_client_alone() {
    Gatepass::on_both("a_clients_family_is_for_that_client_alone", |gatepass| {
        add_johndoe(gatepass);
        let [web, app] = ["web", "app"].map(|client| add_client(gatepass, client));
        let service = serve(gatepass, &[]);
        let by_form = |client: &str, secret: &str| format!("&client_id={client}&client_secret={secret}");
        let by_basic = |token: &str, client: &str, secret: &str| {
            let form = format!("grant_type=refresh_token&refresh_token={token}");
            let basic = basic(client, secret);
            post_form("/token", form).header("Authorization", basic).send(service.address)
        };
        let first = Tokens::of(&service.sign_in(&format!("{JOHNDOE_OFFLINE}{}", by_form("web", &web))));
        let token = &first.refresh;

        // None of these has an effect.
        expect_invalid_grant(&service.refresh(token, ""));
        expect_invalid_grant(&service.refresh(token, &by_form("app", &app)));
        expect_invalid_grant(&by_basic(token, "app", &app));
        let incorrect = "Incorrect client credentials";
        for fields in ["&client_id=web".to_owned(), by_form("web", "wrong"), by_form("web", &app)] {
            expect_oauth2_error(&service.refresh(token, &fields), 401, "invalid_client", incorrect);
        }
        let wrong = by_basic(token, "web", "wrong");
        let challenge = Some(r#"Basic realm="token", charset="UTF-8""#.to_owned());
        assert_eq!(outcome(&wrong), (401, incorrect.into(), challenge));

        let second = Tokens::of(&service.refresh(token, &by_form("web", &web)));
        let third = Tokens::of(&by_basic(&second.refresh, "web", &web));
        for tokens in [&first, &second, &third] {
            assert_eq!(read(&tokens.access).1["client_id"], "web");
        }
        // Nor has an old one, where it comes from somebody else.
        expect_invalid_grant(&service.refresh(token, ""));
        expect_invalid_grant(&service.refresh(token, &by_form("app", &app)));
        let fourth = Tokens::of(&by_basic(&third.refresh, "web", &web));

        let nobodys = service.sign_in_offline();
        expect_invalid_grant(&service.refresh(&nobodys.refresh, &by_form("web", &web)));
        service.refreshed(&nobodys.refresh);

        gatepass.done(&["clients", "remove", "web", "--yes"]);
        let gone = service.refresh(&fourth.refresh, &by_form("web", &web));
        expect_oauth2_error(&gone, 401, "invalid_client", incorrect);
        expect_invalid_grant(&service.refresh(&fourth.refresh, ""));
        within(SECOND, "the client's tokens are dead", || {
            (service.users_me(&fourth.access).status == 401).then_some(())
        });
    });
}

#[test]
fn what_is_no_refresh_token_is_refused_and_has_no_effect() {
    Gatepass::on_both("what_is_no_refresh_token_is_refused_and_has_no_effect", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--refresh-grace", "0"]);
        let (tokens, other) = (service.sign_in_offline(), service.sign_in_offline());
        for form in ["grant_type=refresh_token", "grant_type=refresh_token&refresh_token="] {
            expect_missing(&service.sign_in(form), "refresh_token");
        }
        let (family, own) = tokens.refresh.split_at(43);
        let made_up = "x".repeat(43);
        for bad in [
            "x",
            "%00",
            "%FF",
            family,
            own,
            &tokens.access,
            &tokens.refresh[..85],
            &format!("{}x", tokens.refresh),
            &format!("+{}", tokens.refresh),
            &format!("{made_up}{own}"),
            &format!("{made_up}{made_up}"),
            &format!("{own}{family}"),
            &"%C3%A9".repeat(43),
            &"x".repeat(100_000),
        ] {
            expect_invalid_grant(&service.refresh(bad, ""));
        }
        let next = service.refreshed(&tokens.refresh);
        // The first half is right: somebody has a token of this family that was never given, or made one of it.
        expect_invalid_grant(&service.refresh(&format!("{family}{made_up}"), ""));
        expect_ended(&service, &[&tokens, &next]);
        let both = format!("{}{}", &other.refresh[..43], &next.refresh[43..]);
        expect_invalid_grant(&service.refresh(&both, ""));
        expect_ended(&service, &[&other]);
    });
}

#[test]
fn with_the_password_grant_off_a_session_goes_on() {
    Gatepass::on_both("with_the_password_grant_off_a_session_goes_on", |gatepass| {
        add_johndoe(gatepass);
        let tokens = serve(gatepass, &[]).sign_in_offline();
        let service = serve(gatepass, &["--password-grant", "off", "--require-grant-type"]);
        assert_eq!(service.sign_in(&format!("{JOHNDOE_OFFLINE}&grant_type=password")).status, 400);
        let mut tokens = service.refreshed(&tokens.refresh);
        // Without the grant type it is no refresh, strict or not.
        for service in [service, serve(gatepass, &[])] {
            let reply = service.sign_in(&format!("refresh_token={}", tokens.refresh));
            assert_eq!((reply.status, &reply.json()["error"]), (400, &"invalid_request".into()));
            tokens = service.refreshed(&tokens.refresh);
            assert_eq!(service.users_me(&tokens.access).status, 200);
        }
    });
}
