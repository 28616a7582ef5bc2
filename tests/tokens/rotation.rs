//! Key rotation while the service runs.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use gatepass::jwt::{JwtTokens, KeyState, SigningAlgorithm};
use serde_json::Value;

use crate::{
    support::{
        forge::{Forge, key_files, kid, part},
        http::{get, request},
        service::gatepass,
        wait::{TIMEOUT, wait_until, within},
    },
    tokens::service::{Tokens, at, issue, key_set, now, serve, sign_in, users_me, verify},
};

fn kids(key_set: &Value) -> Vec<String> {
    key_set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().into()).collect()
}

fn published(tokens: &JwtTokens, now: u64) -> Vec<String> {
    kids(&serde_json::from_str(&key_set(tokens, at(now))).unwrap())
}

fn published_over_http(address: SocketAddr) -> Vec<String> {
    kids(&get("/.well-known/jwks.json").send(address).json())
}

#[test]
fn rotated_key_is_published_before_it_is_used_and_old_key_is_accepted_until_its_tokens_expire() {
    let opened = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let (tokens, keys) = (&opened.tokens, opened.keys());
    let first = kid(&issue(tokens, at(1000)));
    assert_eq!(published(tokens, 1000), [first.as_str()]);

    let next = keys.rotate_at(at(5000)).expect("a second key");
    assert_eq!(next.state, KeyState::Next { signs_at: at(5300) });
    wait_until(TIMEOUT, "the new key is published", || published(tokens, 5000).contains(&next.kid));
    assert_eq!(published(tokens, 5000), [first.as_str(), &next.kid]);

    let last_of_the_first = issue(tokens, at(5299));
    assert_eq!(kid(&last_of_the_first), first);
    assert_eq!(kid(&issue(tokens, at(5300))), next.kid);
    assert!(verify(tokens, &last_of_the_first, at(5299 + 899)).is_some());
    assert!(verify(tokens, &issue(tokens, at(5300)), at(5300)).is_some());

    // After its last token has expired, the old key is no longer accepted or published.
    let forge = Forge::with_key_of(&opened.keys_dir);
    assert_eq!(forge.kid, first);
    let gone = 5300 + 900 + 60;
    let mut payload = part(&last_of_the_first, 1);
    payload["exp"] = (gone + 1000).into();
    let long_lived = forge.sign(forge.header(), payload);
    assert!(verify(tokens, &long_lived, at(gone - 1)).is_some());
    assert_eq!(verify(tokens, &long_lived, at(gone)), None);
    assert_eq!(published(tokens, gone), [next.kid.as_str()]);

    let removed = keys.prune_at(at(gone)).unwrap();
    assert_eq!(removed.iter().map(|key| &key.kid).collect::<Vec<_>>(), [&first]);
    assert_eq!(key_files(&opened.keys_dir, "pem").len(), 1);
}

#[test]
fn running_service_uses_a_rotated_key_without_a_restart() {
    let tokens = Tokens::open_with(now(), |settings| settings.activation_delay = Duration::ZERO);
    let address = serve(&tokens.tokens);
    let old = sign_in(address);
    assert_eq!(users_me(address, &old).status, 200);
    assert_eq!(published_over_http(address), [kid(&old)]);

    let keys_dir = tokens.keys_dir.to_str().unwrap();
    let arguments = ["keys", "rotate", "--json", "--keys-dir", keys_dir, "--key-activation-delay", "0"];
    let output = gatepass(&arguments, &[]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let made = made["key"]["kid"].as_str().unwrap();

    let new =
        within(TIMEOUT, "the new key is used", || Some(sign_in(address)).filter(|token| kid(token) == made));
    assert_eq!(published_over_http(address), [kid(&old), made.to_owned()]);
    assert_eq!(users_me(address, &new).status, 200);
    assert_eq!(users_me(address, &old).status, 200, "tokens of the old key should still be valid");
}

#[test]
fn token_with_unknown_key_triggers_a_reload_of_the_directory_before_the_next_poll() {
    let one = Tokens::open_with(at(1000), |settings| settings.activation_delay = Duration::ZERO);
    let other = one.reopen();
    let start = Instant::now();
    for now in 5000..5005 {
        one.keys().rotate_at(at(now)).unwrap();
        one.tokens.refresh();
        let token = issue(&one.tokens, at(now));
        within(TIMEOUT, "the key is known", || verify(&other, &token, at(now)));
    }
    // Each round begins just after a read of the directory. The next scheduled read would be almost a second later.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn rotation_with_a_key_created_in_the_future_returns_an_error() {
    let opened = Tokens::open(SigningAlgorithm::EdDsa, at(204_475_450));
    let keys = opened.keys();
    let ahead = keys.list_at(at(1000)).unwrap().remove(0);
    let line = keys.rotate_at(at(1000)).unwrap_err().to_string();
    let name = format!("1000-{}.pem", ahead.kid);
    assert!(line.starts_with(&format!("{}: ", ahead.file.display())) && !line.contains('\n'), "{line}");
    assert!(line.contains("204474450 s") && line.ends_with(&name), "{line}");
    assert_eq!(keys.list_at(at(1000)).unwrap().len(), 1);

    // Renaming the file, as the error suggests, fixes the problem.
    fs::rename(&ahead.file, opened.keys_dir.join(name)).unwrap();
    assert_eq!(keys.rotate_at(at(1000)).unwrap().state, KeyState::Next { signs_at: at(1301) });
}

#[test]
fn token_signed_with_a_key_whose_file_was_removed_is_refused() {
    let opened = Tokens::open(SigningAlgorithm::EdDsa, at(1000));
    let (tokens, keys) = (&opened.tokens, opened.keys());
    let stolen = issue(tokens, at(1000));
    let next = keys.rotate_at(at(1001)).unwrap();
    for key in keys.list_at(at(1001)).unwrap() {
        if key.kid != next.kid {
            fs::remove_file(key.file).unwrap();
        }
    }
    wait_until(TIMEOUT, "the key is no longer accepted", || verify(tokens, &stolen, at(1001)).is_none());
    // The remaining key is used even before its activation delay has passed.
    assert_eq!(kid(&issue(tokens, at(1001))), next.kid);
}

#[test]
fn key_set_is_public_and_cacheable_for_half_of_the_activation_delay() {
    for (delay, cache_control) in
        [(300, "public, max-age=150"), (0, "public, max-age=0"), (1, "public, max-age=0")]
    {
        let tokens =
            Tokens::open_with(now(), |settings| settings.activation_delay = Duration::from_secs(delay));
        let address = serve(&tokens.tokens);
        let reply = get("/.well-known/jwks.json").send(address);
        assert_eq!((reply.status, reply.header("content-type").as_deref()), (200, Some("application/json")));
        assert_eq!(reply.header("cache-control").as_deref(), Some(cache_control));

        let head = request("HEAD", "/.well-known/jwks.json").send(address);
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), Some(reply.body.len().to_string()));
        let post = request("POST", "/.well-known/jwks.json").send(address);
        assert_eq!((post.status, post.header("allow").as_deref()), (405, Some("GET, HEAD")));
    }
}
