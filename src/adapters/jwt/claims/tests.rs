use proptest::prelude::*;
use serde_json::Map;

use super::*;

const LIFETIME: Duration = Duration::from_secs(900);

fn expected() -> Expected {
    Expected { issuer: "https://issuer".into(), audience: "https://issuer".into(), leeway: Duration::ZERO }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn new_token(granted_scopes: GrantedScopes) -> NewToken {
    NewToken {
        subject: 7_u64.into(),
        user_kind: "Member",
        granted_scopes,
        client_id: None,
        audiences: Vec::new(),
        session_id: None,
        sequence: None,
        extra_claims: Map::new(),
        now: at(1000),
    }
}

fn payload(new: &NewToken) -> Value {
    serde_json::from_str(&expected().write(new, "id", LIFETIME)).unwrap()
}

fn read_with(changes: Value, now: u64) -> Option<Claims> {
    let mut payload = payload(&new_token(GrantedScopes::All));
    for (name, value) in changes.as_object().unwrap() {
        payload[name] = value.clone();
    }
    expected().read(payload.to_string().as_bytes(), at(now))
}

#[test]
fn payload_of_a_new_token_has_the_claims_of_rfc_9068() {
    let new = NewToken {
        client_id: Some(ClientId::new("web").unwrap()),
        session_id: Some(SessionId::new("home").unwrap()),
        sequence: Some(3),
        ..new_token(GrantedScopes::Only("me users:read".parse().unwrap()))
    };
    let expected = json!({
        "iss": "https://issuer", "sub": "7", "aud": "https://issuer", "exp": 1900, "iat": 1000,
        "jti": "id", "sid": "home", "sid_seq": 3, "client_id": "web", "scope": "me users:read",
        "user_kind": "Member",
    });
    assert_eq!(payload(&new), expected);
}

#[test]
fn token_is_valid_from_5_seconds_before_iat_until_just_before_exp() {
    for (now, valid) in [(994, false), (995, true), (1899, true), (1900, false), (u64::MAX, false)] {
        assert_eq!(read_with(json!({}), now).is_some(), valid, "{now}");
    }
    assert!(read_with(json!({ "nbf": 1006 }), 1000).is_none());
    assert!(read_with(json!({ "nbf": 1005 }), 1000).is_some());
}

#[test]
fn leeway_extends_the_validity_at_both_ends() {
    let expected = Expected { leeway: Duration::from_secs(10), ..expected() };
    let payload = expected.write(&new_token(GrantedScopes::All), "id", LIFETIME);
    for (now, valid) in [(989, false), (990, true), (1909, true), (1910, false)] {
        assert_eq!(expected.read(payload.as_bytes(), at(now)).is_some(), valid, "{now}");
    }
}

#[test]
fn token_for_another_audience_is_rejected() {
    for (aud, valid) in [
        (json!("https://issuer"), true),
        (json!(["https://other", "https://issuer"]), true),
        (json!("https://issuer/"), false),
        (json!([]), false),
        (json!(["https://other"]), false),
        (json!([["https://issuer"]]), false),
        (json!(null), false),
    ] {
        assert_eq!(read_with(json!({ "aud": aud }), 1000).is_some(), valid, "{aud}");
    }
}

#[test]
fn token_without_scope_grants_nothing_unless_it_is_unrestricted() {
    let granted_scopes = |changes| read_with(changes, 1000).map(|claims| claims.granted_scopes);
    assert_eq!(granted_scopes(json!({})), Some(GrantedScopes::All));
    let nothing = Some(GrantedScopes::Only(Scopes::default()));
    assert_eq!(granted_scopes(json!({ "unrestricted": false })), nothing);
    for contradiction in [
        json!({ "scope": "me" }),
        json!({ "scope": "" }),
        json!({ "scope": "\"", "unrestricted": false }),
        json!({ "scope": ["me"], "unrestricted": false }),
        json!({ "unrestricted": "true" }),
        json!({ "unrestricted": 1 }),
    ] {
        assert_eq!(granted_scopes(contradiction.clone()), None, "{contradiction}");
    }
}

#[test]
fn time_that_is_not_a_whole_number_of_seconds_is_rejected() {
    for wrong in [json!("1900"), json!(1900.5), json!(-1), json!(null), json!(true)] {
        assert!(read_with(json!({ "exp": wrong }), 1000).is_none(), "{wrong}");
    }
}

#[test]
fn extra_claims_are_written_unless_their_names_are_reserved() {
    let mut new = new_token(GrantedScopes::Only(Scopes::default()));
    for name in [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "sid",
        "sid_seq",
        "client_id",
        "scope",
        "unrestricted",
        "user_kind",
    ] {
        new.extra_claims.insert(name.into(), json!("forged"));
    }
    new.extra_claims.insert("tenant".into(), json!({ "id": 3 }));
    let payload = payload(&new);
    assert_eq!(payload["tenant"], json!({ "id": 3 }));
    let expected = json!({
        "iss": "https://issuer", "sub": "7", "aud": "https://issuer", "exp": 1900, "iat": 1000,
        "jti": "id", "user_kind": "Member", "tenant": { "id": 3 },
    });
    assert_eq!(payload, expected);
}

#[test]
fn user_kind_that_is_neither_string_nor_null_is_rejected() {
    let kind = |changes| read_with(changes, 1000).map(|claims| claims.user_kind);
    assert_eq!(kind(json!({})), Some(Some("Member".into())));
    assert_eq!(kind(json!({ "user_kind": "Staff" })), Some(Some("Staff".into())));
    assert_eq!(kind(json!({ "user_kind": null })), Some(None));
    for wrong in [json!(1), json!(["Member"]), json!({})] {
        assert_eq!(kind(json!({ "user_kind": wrong.clone() })), None, "{wrong}");
    }
}

#[test]
fn invalid_subject_client_id_or_session_id_is_rejected() {
    for wrong in [json!(""), json!("a\u{0}b"), json!("x".repeat(256)), json!(7)] {
        for name in ["sub", "client_id", "sid"] {
            assert!(read_with(json!({ name: wrong.clone() }), 1000).is_none(), "{name}: {wrong}");
        }
    }
}

proptest! {
    #[test]
    fn claims_are_unchanged_after_a_round_trip(
        sub in "\\PC{1,60}", client_id in prop::option::of("\\PC{1,60}"), sid in prop::option::of("\\PC{1,60}"),
        sequence: Option<u64>,
        scope in prop::option::of("[a-z: ]{0,20}"),
    ) {
        let new = NewToken {
            subject: Subject::new(sub).unwrap(),
            client_id: client_id.map(|id| ClientId::new(id).unwrap()),
            session_id: sid.map(|id| SessionId::new(id).unwrap()),
            sequence,
            ..new_token(scope.map_or(GrantedScopes::All, |scope| GrantedScopes::Only(scope.parse().unwrap())))
        };
        let claims = expected().read(expected().write(&new, "id", LIFETIME).as_bytes(), at(1000)).unwrap();
        prop_assert_eq!(claims, Claims {
            subject: new.subject, user_kind: Some("Member".into()), granted_scopes: new.granted_scopes,
            client_id: new.client_id, issued_at: Some(at(1000)), expires_at: Some(at(1900)),
            token_id: Some("id".into()), session_id: new.session_id, sequence, issuer: Some("https://issuer".into()),
            audiences: vec!["https://issuer".parse().unwrap()],
        });
    }

    #[test]
    fn random_payload_is_rejected_without_a_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(expected().read(&payload, at(1000)), None);
    }
}
