//! Scopes. An input is two lists of scopes, those of the user and those of the request, separated by a line feed.

use std::collections::HashSet;

use gatepass::{GrantedScopes, Scope, Scopes};

pub fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (own, requested) = text.split_once('\n').unwrap_or((text, ""));
    let (Some(own), other) = (parse(own), parse(requested)) else { return };
    let granted_scopes = GrantedScopes::Only(own.clone());

    let requested: Vec<String> = requested.split_whitespace().map(str::to_owned).collect();
    match granted_scopes.grant(&requested) {
        Some(GrantedScopes::Only(granted)) => {
            let is_requested = |scope: &&Scope| {
                requested.is_empty() || requested.iter().any(|requested| requested == scope.as_str())
            };
            assert!(
                own.iter().filter(is_requested).eq(granted.iter()),
                "the granted scopes are not the requested ones of the user"
            );
            assert!(!granted.is_empty() || own.is_empty());
        }
        Some(GrantedScopes::All) => panic!("limited scopes became unlimited"),
        None => assert!(!requested.iter().any(|scope| own.contains(scope))),
    }

    let Some(other) = other else { return };
    let both = granted_scopes.limited_to(&GrantedScopes::Only(other.clone()));
    for scope in own.iter().chain(other.iter()).map(Scope::as_str) {
        assert_eq!(both.covers([scope]), own.contains(scope) && other.contains(scope), "{scope}");
    }
    let names: Vec<&str> = other.iter().map(Scope::as_str).collect();
    assert_eq!(granted_scopes.covers(names), own.contains_all(&other));
    let with = granted_scopes.with(Scope::offline_access());
    assert!(with.covers([Scope::OFFLINE_ACCESS]) && own.iter().all(|scope| with.covers([scope.as_str()])));
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
