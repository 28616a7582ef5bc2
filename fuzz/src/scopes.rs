//! Scopes. An input is two lists of scopes, separated by a line feed: the user's scopes and the requested ones.

use std::collections::HashSet;

use gatepass::{GrantedScopes, Scope, Scopes};

pub fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (allowed, requested) = text.split_once('\n').unwrap_or((text, ""));
    let (Some(allowed), other) = (parse(allowed), parse(requested)) else { return };
    let granted_scopes = GrantedScopes::Only(allowed.clone());

    let requested: Vec<String> = requested.split_whitespace().map(str::to_owned).collect();
    match granted_scopes.grant(&requested) {
        Some(GrantedScopes::Only(granted)) => {
            let is_requested = |scope: &&Scope| {
                requested.is_empty() || requested.iter().any(|requested| requested == scope.as_str())
            };
            assert!(
                allowed.iter().filter(is_requested).eq(granted.iter()),
                "expected exactly the requested scopes that the user has, in order"
            );
            assert!(!granted.is_empty() || allowed.is_empty());
        }
        Some(GrantedScopes::All) => panic!("expected limited scopes, got all scopes"),
        None => assert!(!requested.iter().any(|scope| allowed.contains(scope))),
    }

    let Some(other) = other else { return };
    let both = granted_scopes.limited_to(&GrantedScopes::Only(other.clone()));
    for scope in allowed.iter().chain(other.iter()).map(Scope::as_str) {
        assert_eq!(both.covers([scope]), allowed.contains(scope) && other.contains(scope), "{scope}");
    }
    let names: Vec<&str> = other.iter().map(Scope::as_str).collect();
    assert_eq!(granted_scopes.covers(names), allowed.contains_all(&other));
    let with = granted_scopes.with(Scope::offline_access());
    assert!(
        with.covers([Scope::OFFLINE_ACCESS]) && allowed.iter().all(|scope| with.covers([scope.as_str()]))
    );
}

/// Parses scopes, and compares the result with a second implementation of RFC 6749 section 3.3.
fn parse(text: &str) -> Option<Scopes> {
    let is_valid = text
        .split_whitespace()
        .all(|scope| scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
    let scopes: Option<Scopes> = text.parse().ok();
    assert_eq!(scopes.is_some(), is_valid, "{text:?}");
    let scopes = scopes?;

    let written = scopes.to_string();
    assert_eq!(written.parse().as_ref(), Ok(&scopes));
    let mut seen = HashSet::new();
    let unique: Vec<&str> = text.split_whitespace().filter(|scope| seen.insert(*scope)).collect();
    assert_eq!(written, unique.join(" "), "expected each scope once, in the original order");
    Some(scopes)
}
