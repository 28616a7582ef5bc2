//! The claims of a token, as they are written and as they are read.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::settings::JwtSettings;
use crate::{
    adapters::unique_names,
    domain::{
        claims::Claims,
        ports::NewToken,
        scope::{GrantedScopes, Scopes},
        time::Timestamp,
    },
};

/// What is written ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)).
#[derive(Serialize)]
struct Written<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    iat: u64,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unrestricted: bool,
}

/// What is read.
#[derive(Deserialize)]
struct Read {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    jti: String,
    sid: Option<String>,
    client_id: Option<String>,
    scope: Option<String>,
    /// A token without `scope` allows nothing, unless it says this: to leave something out must not widen it.
    #[serde(default)]
    unrestricted: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// The payload of the token that `order` asks for.
pub(super) fn write(
    order: &NewToken,
    token_id: &str,
    settings: &JwtSettings,
) -> Result<Vec<u8>, serde_json::Error> {
    let (scope, unrestricted) = match &order.granted_scopes {
        GrantedScopes::All => (None, true),
        // RFC 6749 knows no empty scope.
        GrantedScopes::Only(scopes) => ((!scopes.is_empty()).then(|| scopes.to_string()), false),
    };
    serde_json::to_vec(&Written {
        iss: &settings.issuer,
        sub: order.subject.as_str(),
        aud: &settings.audience,
        exp: (order.now + settings.access_token_ttl).as_unix(),
        iat: order.now.as_unix(),
        jti: token_id,
        sid: order.session_id.as_ref().map(|id| id.as_str()),
        client_id: order.client_id.as_ref().map(|client_id| client_id.as_str()),
        scope,
        unrestricted,
    })
}

/// What a token must say to be taken.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a Arc<str>,
    pub(super) audience: &'a Arc<str>,
    pub(super) leeway: Duration,
}

/// What a payload says, where it is one of this issuer's for this audience and valid at `now`.
pub(super) fn read(payload: &[u8], expected: &Expected<'_>, now: Timestamp) -> Option<Claims> {
    let read: Read = unique_names::parse(payload)?;
    let is_ours = read.iss == **expected.issuer && read.aud.contains(expected.audience);
    (is_ours && read.is_valid(expected.leeway, now)).then(|| read.into_claims(expected))?
}

impl Read {
    fn is_valid(&self, leeway: Duration, now: Timestamp) -> bool {
        let has_begun = |moment| Timestamp::from_unix(moment) <= now + leeway;
        now < Timestamp::from_unix(self.exp) + leeway && has_begun(self.iat) && self.nbf.is_none_or(has_begun)
    }

    fn into_claims(self, expected: &Expected<'_>) -> Option<Claims> {
        let granted_scopes = match (self.scope, self.unrestricted) {
            (None, true) => GrantedScopes::All,
            (None, false) => GrantedScopes::Only(Scopes::default()),
            (Some(scope), false) => GrantedScopes::Only(scope.parse().ok()?),
            // It contradicts itself.
            (Some(_), true) => return None,
        };
        Some(Claims {
            subject: self.sub.into(),
            granted_scopes,
            client_id: self.client_id.map(Into::into),
            issued_at: Some(Timestamp::from_unix(self.iat)),
            expires_at: Some(Timestamp::from_unix(self.exp)),
            token_id: Some(self.jti.into()),
            session_id: self.sid.map(Into::into),
            issuer: Some(Arc::clone(expected.issuer)),
            audience: Some(Arc::clone(expected.audience)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn settings() -> JwtSettings {
        JwtSettings::new("keys", "https://issuer")
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn order(granted_scopes: GrantedScopes) -> NewToken {
        NewToken { subject: "7".into(), granted_scopes, client_id: None, session_id: None, now: at(1000) }
    }

    fn read_with(changes: Value, now: u64) -> Option<Claims> {
        let mut payload: Value =
            serde_json::from_slice(&write(&order(GrantedScopes::All), "id", &settings()).unwrap()).unwrap();
        for (name, value) in changes.as_object().unwrap() {
            payload[name] = value.clone();
        }
        read(payload.to_string().as_bytes(), &settings().expected(), at(now))
    }

    #[test]
    fn what_is_written_is_what_rfc_9068_says() {
        let order = NewToken {
            client_id: Some("web".into()),
            session_id: Some("home".into()),
            ..order(GrantedScopes::Only("me users:read".parse().unwrap()))
        };
        let payload: Value = serde_json::from_slice(&write(&order, "id", &settings()).unwrap()).unwrap();
        let expected = json!({
            "iss": "https://issuer", "sub": "7", "aud": "https://issuer", "exp": 1900, "iat": 1000,
            "jti": "id", "sid": "home", "client_id": "web", "scope": "me users:read",
        });
        assert_eq!(payload, expected);
    }

    #[test]
    fn a_token_is_valid_from_its_beginning_until_just_before_its_end() {
        for (now, valid) in [(999, false), (1000, true), (1899, true), (1900, false), (u64::MAX, false)] {
            assert_eq!(read_with(json!({}), now).is_some(), valid, "{now}");
        }
        assert!(read_with(json!({ "nbf": 1001 }), 1000).is_none());
        assert!(read_with(json!({ "nbf": 1001 }), 1001).is_some());
    }

    #[test]
    fn the_leeway_counts_at_both_ends() {
        let settings = JwtSettings { leeway: Duration::from_secs(10), ..settings() };
        let payload = write(&order(GrantedScopes::All), "id", &settings).unwrap();
        for (now, valid) in [(989, false), (990, true), (1909, true), (1910, false)] {
            assert_eq!(read(&payload, &settings.expected(), at(now)).is_some(), valid, "{now}");
        }
    }

    #[test]
    fn the_audience_is_one_or_among_several() {
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
    fn what_leaves_its_scope_out_allows_nothing() {
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
    fn a_moment_is_a_whole_number_of_seconds() {
        for wrong in [json!("1900"), json!(1900.5), json!(-1), json!(null), json!(true)] {
            assert!(read_with(json!({ "exp": wrong }), 1000).is_none(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            sub in ".*", client_id in prop::option::of(".*"), sid in prop::option::of(".*"),
            scope in prop::option::of("[a-z: ]{0,20}"),
        ) {
            let granted_scopes = scope.map_or(GrantedScopes::All, |scope| GrantedScopes::Only(scope.parse().unwrap()));
            let order = NewToken {
                subject: sub.into(), granted_scopes, client_id: client_id.map(Into::into),
                session_id: sid.map(Into::into), now: at(1000),
            };
            let claims = read(&write(&order, "id", &settings()).unwrap(), &settings().expected(), at(1000)).unwrap();
            prop_assert_eq!(claims, Claims {
                subject: order.subject, granted_scopes: order.granted_scopes, client_id: order.client_id,
                issued_at: Some(at(1000)), expires_at: Some(at(1900)), token_id: Some("id".into()),
                session_id: order.session_id, issuer: Some("https://issuer".into()),
                audience: Some("https://issuer".into()),
            });
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read(&payload, &settings().expected(), at(1000)), None);
        }
    }
}
