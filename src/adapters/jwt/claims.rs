//! The claims of a token: writes the payload of a new token, and parses and checks the payload of a signed one.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    adapters::unique_names,
    domain::{
        claims::{Audience, Claims},
        client::ClientId,
        ports::NewToken,
        scope::{GrantedScopes, Scopes},
        session::SessionId,
        time::Timestamp,
        user::Subject,
    },
};

/// The minimum clock skew tolerated for `iat` and `nbf`, even with a leeway of zero: clients may use a token
/// immediately, while this clock is slightly behind the issuer's.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// The payload of a signed token.
#[derive(Deserialize)]
struct Payload {
    iss: String,
    sub: String,
    aud: Aud,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    jti: String,
    sid: Option<String>,
    sid_seq: Option<u64>,
    client_id: Option<String>,
    scope: Option<String>,
    /// True for [`GrantedScopes::All`]. A token without `scope` and without this claim grants nothing, so that a
    /// missing claim never adds scopes.
    #[serde(default)]
    unrestricted: bool,
    user_kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Aud {
    One(String),
    Many(Vec<String>),
}

/// The issuer and audience of tokens, and the tolerated clock difference.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) issuer: Arc<str>,
    pub(super) audience: Arc<str>,
    pub(super) leeway: Duration,
}

impl Expected {
    /// Writes the payload of a new token ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)).
    pub(super) fn write(&self, new: &NewToken, token_id: &str, lifetime: Duration) -> String {
        let mut payload = new.extra_claims.clone();
        let is_unrestricted = new.granted_scopes == GrantedScopes::All;
        for (name, value) in [
            ("iss", json!(*self.issuer)),
            ("sub", json!(new.subject.as_str())),
            ("user_kind", json!(new.user_kind)),
            ("aud", self.aud(&new.audiences)),
            ("exp", json!((new.now + lifetime).as_unix())),
            ("iat", json!(new.now.as_unix())),
            ("jti", json!(token_id)),
            ("sid", json!(new.session_id.as_ref().map(SessionId::as_str))),
            ("sid_seq", json!(new.sequence)),
            ("client_id", json!(new.client_id.as_ref().map(ClientId::as_str))),
            // RFC 6749 does not allow an empty scope.
            ("scope", json!(new.granted_scopes.scope().filter(|scope| !scope.is_empty()))),
            ("unrestricted", json!(is_unrestricted.then_some(true))),
            ("nbf", Value::Null),
        ] {
            // Extra claims must not set reserved claims, not even those that the token omits.
            payload.remove(name);
            if !value.is_null() {
                payload.insert(name.into(), value);
            }
        }
        Value::Object(payload).to_string()
    }

    fn aud(&self, audiences: &[Audience]) -> Value {
        match audiences {
            [] => json!(*self.audience),
            [one] => json!(one.as_str()),
            several => several.iter().map(Audience::as_str).collect(),
        }
    }

    /// Parses the payload of a signed token. Returns `None` unless the issuer and an audience match and the token is
    /// valid at `now`.
    pub(super) fn read(&self, payload: &[u8], now: Timestamp) -> Option<Claims> {
        let claims = self.read_any_audience(payload, now)?;
        if !claims.audiences.iter().any(|audience| audience.as_str() == &*self.audience) {
            log::debug!("rejected a token: its audience is not {:?}", self.audience);
            return None;
        }
        Some(claims)
    }

    /// Like [`read`](Self::read), but accepts any audience.
    pub(super) fn read_any_audience(&self, payload: &[u8], now: Timestamp) -> Option<Claims> {
        let payload: Payload = unique_names::parse(payload)?;
        let audiences = match payload.aud {
            Aud::One(one) => vec![one],
            Aud::Many(many) => many,
        };
        let has_begun = |time| Timestamp::from_unix(time) <= now + self.leeway.max(CLOCK_TOLERANCE);
        let is_valid = now < Timestamp::from_unix(payload.exp) + self.leeway
            && has_begun(payload.iat)
            && payload.nbf.is_none_or(has_begun);
        if *payload.iss != *self.issuer {
            log::debug!("rejected a token: its issuer is {:?}, not {:?}", payload.iss, self.issuer);
            return None;
        }
        if !is_valid {
            log::debug!("rejected a token: it has expired or is not valid yet");
            return None;
        }
        let granted_scopes = match (payload.scope, payload.unrestricted) {
            (None, true) => GrantedScopes::All,
            (None, false) => GrantedScopes::Only(Scopes::default()),
            (Some(scope), false) => GrantedScopes::Only(scope.parse().ok()?),
            // A token cannot be both unrestricted and limited to a scope.
            (Some(_), true) => return None,
        };
        Some(Claims {
            subject: Subject::new(payload.sub).ok()?,
            user_kind: payload.user_kind.map(Into::into),
            granted_scopes,
            client_id: payload.client_id.map(ClientId::new).transpose().ok()?,
            issued_at: Some(Timestamp::from_unix(payload.iat)),
            expires_at: Some(Timestamp::from_unix(payload.exp)),
            token_id: Some(payload.jti.into()),
            session_id: payload.sid.map(SessionId::new).transpose().ok()?,
            sequence: payload.sid_seq,
            issuer: Some(Arc::clone(&self.issuer)),
            audiences: audiences.into_iter().filter_map(|audience| Audience::new(audience).ok()).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
