//! Signed tokens in compact serialization
//! ([RFC 7515 section 7.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.1)).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{algorithm::Verify, key::Key};
use crate::{adapters::unique_names, domain::backend_error::BackendError};

/// The type of an access token ([RFC 9068 section 2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)).
pub(super) const ACCESS_TOKEN: &str = "at+jwt";

/// The maximum length of a token, in bytes. Most servers do not accept longer headers.
pub(super) const MAX_TOKEN_LENGTH: usize = 8 * 1024;

/// An access token whose signature has not been verified yet.
pub(super) struct UnverifiedToken<'a> {
    header: Header,
    /// The encoded header, the dot and the encoded payload.
    signed: &'a [u8],
    payload: &'a str,
    signature: Vec<u8>,
}

/// The header of an access token. Tokens with any other member are rejected, such as a key that the token itself
/// supplies (`jwk`, `jku`, `x5c`, `x5u`) or a list of extensions that the verifier must support (`crit`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
    kid: Option<String>,
}

impl Header {
    fn parse(json: &[u8]) -> Option<Self> {
        unique_names::parse(json).filter(Self::is_of_an_access_token)
    }

    /// Returns whether the media type is that of an access token, with or without `application/`.
    fn is_of_an_access_token(&self) -> bool {
        let typ = self.typ.to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ) == ACCESS_TOKEN
    }
}

impl<'a> UnverifiedToken<'a> {
    /// Parses a token strictly: base64url without padding, and a header without duplicate names.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        if token.len() > MAX_TOKEN_LENGTH {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        // If a token has four parts, its payload contains a dot and fails to decode later.
        let (header, payload) = signed.split_once('.')?;
        let header = Header::parse(&URL_SAFE_NO_PAD.decode(header).ok()?)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { header, signed: signed.as_bytes(), payload, signature })
    }

    /// Returns the kid in the header.
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Returns the algorithm in the header, which is not trusted: it must be one of the key's algorithms.
    pub(super) fn alg(&self) -> &str {
        &self.header.alg
    }

    /// Returns the payload if `key` signed the token with one of its algorithms.
    pub(super) fn payload_signed_by(&self, key: &dyn Verify) -> Option<Vec<u8>> {
        let alg = self.alg();
        let is_genuine = key.algorithms().contains(&alg) && key.verifies(alg, self.signed, &self.signature);
        is_genuine.then(|| URL_SAFE_NO_PAD.decode(self.payload).ok())?
    }
}

/// Signs a payload and returns the token.
///
/// # Errors
/// [`BackendError`] if the key cannot sign.
pub(super) fn sign(key: &Key, payload: &str) -> Result<String, BackendError> {
    let mut token = format!("{}.{}", key.header, URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(key.material.sign(token.as_bytes())?);
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_accepted(header: &str) -> bool {
        Header::parse(header.as_bytes()).is_some()
    }

    #[test]
    fn header_of_another_type_is_rejected() {
        let of_type = |typ| format!(r#"{{"typ":"{typ}","alg":"EdDSA","kid":"k"}}"#);
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            assert!(is_accepted(&of_type(typ)), "{typ}");
        }
        for typ in [
            "",
            "JWT",
            "jwt",
            "at",
            "at+jwt ",
            "text/at+jwt",
            "application/",
            "application/application/at+jwt",
        ] {
            assert!(!is_accepted(&of_type(typ)), "{typ}");
        }
    }

    #[test]
    fn header_with_unknown_members_or_without_typ_or_alg_is_rejected() {
        let json = r#"{"typ":"at+jwt","alg":"EdDSA","kid":"k"}"#;
        assert!(is_accepted(json));
        for more in
            [r#""jwk":{}"#, r#""jku":"x""#, r#""crit":[]"#, r#""b64":false"#, r#""x":1"#, r#""kid":"k""#]
        {
            assert!(!is_accepted(&json.replace('}', &format!(",{more}}}"))), "{more}");
        }
        assert!(
            is_accepted(r#"{"typ":"at+jwt","alg":"EdDSA"}"#),
            "expected a header without `kid` to be accepted: other issuers may have a single key"
        );
        for json in [
            r#"{"typ":"at+jwt","kid":"k"}"#,
            r#"{"alg":"EdDSA","kid":"k"}"#,
            r#"["at+jwt","EdDSA","k"]"#,
            "{}",
            "",
        ] {
            assert!(!is_accepted(json), "{json}");
        }
    }
}
