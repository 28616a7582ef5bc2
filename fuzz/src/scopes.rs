//! Scopes. An input is two lists of them, what a user has and what a client asks for, divided by a line feed.

use std::collections::HashSet;

use gatepass::{GrantedScopes, Scope, Scopes};

pub fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (own, wanted) = text.split_once('\n').unwrap_or((text, ""));
    let (Some(own), other) = (parse(own), parse(wanted)) else { return };
    let granted_scopes = GrantedScopes::Only(own.clone());

    let wanted: Vec<String> = wanted.split_whitespace().map(str::to_owned).collect();
    match granted_scopes.grant(&wanted) {
        Some(GrantedScopes::Only(granted)) => {
            assert!(own.contains_all(&granted), "more is granted than the user has");
            let asked_for = |scope: &Scope| wanted.is_empty() || wanted.iter().any(|w| w == scope.as_str());
            assert!(granted.iter().all(asked_for), "more is granted than was asked for");
            assert!(own.iter().filter(|scope| asked_for(scope)).eq(granted.iter()), "less is granted");
            assert!(!granted.is_empty() || own.is_empty());
        }
        Some(GrantedScopes::All) => panic!("scopes became everything"),
        None => assert!(!wanted.iter().any(|scope| own.contains(scope))),
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

/// Parses, beside RFC 6749 section 3.3 byte by byte; and what comes out is written and read as the same.
fn parse(text: &str) -> Option<Scopes> {
    let is_right = text
        .split_whitespace()
        .all(|scope| scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
    let scopes: Option<Scopes> = text.parse().ok();
    assert_eq!(scopes.is_some(), is_right, "{text:?}");
    let scopes = scopes?;

    let written = scopes.to_string();
    assert_eq!(written.parse().as_ref(), Ok(&scopes));
    let mut seen = HashSet::new();
    let once: Vec<&str> = text.split_whitespace().filter(|scope| seen.insert(*scope)).collect();
    assert_eq!(written, once.join(" "), "each once, in the order they came");
    Some(scopes)
}
