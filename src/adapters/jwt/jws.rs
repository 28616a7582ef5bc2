//! A token taken apart: three parts between two dots
//! ([RFC 7515 section 7.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.1)).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;

use super::key::Key;
use crate::adapters::unique_names;

/// The type of an access token ([RFC 9068 section 2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)).
pub(super) const TYPE: &str = "at+jwt";

/// More than any token of ours; what is longer is not worth a look.
const LONGEST_TOKEN: usize = 8 * 1024;

/// What tells genuine signatures: a key, or its public half.
pub(super) trait Verify {
    /// Whether this is the signature of `message`.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool;
}

impl Verify for VerifyingKey {
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        // Strict: neither small-order points nor a second spelling of the same signature.
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.verify_strict(message, &signature).is_ok())
    }
}

/// A token whose signature nobody has looked at yet.
pub(super) struct CompactJws<'a> {
    pub(super) header: Header,
    /// What is signed: the header, the dot and the payload as they were sent.
    signed: &'a [u8],
    payload: &'a str,
    signature: Vec<u8>,
}

/// The header of a token of ours. One with anything else in it is none: not the key to verify it with (`jwk`,
/// `jku`, `x5c`, `x5u`), nor what would have to be understood (`crit`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    typ: String,
    pub(super) alg: String,
    pub(super) kid: String,
}

impl Header {
    /// Whether it is an access token's, in either spelling of the media type.
    pub(super) fn is_of_an_access_token(&self) -> bool {
        let typ = self.typ.as_bytes();
        let prefix = b"application/";
        let typ = match typ.split_at_checked(prefix.len()) {
            Some((first, rest)) if first.eq_ignore_ascii_case(prefix) => rest,
            _ => typ,
        };
        typ.eq_ignore_ascii_case(TYPE.as_bytes())
    }
}

impl<'a> CompactJws<'a> {
    /// Takes a token apart. Strict: base64url without padding, a JSON object without duplicates.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        // base64url has no dots: a fourth part fails here or below.
        let header = unique_names::parse(&URL_SAFE_NO_PAD.decode(header).ok()?)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { header, signed: signed.as_bytes(), payload, signature })
    }

    /// The payload, once `key` has proved that it signed it.
    pub(super) fn payload_signed_by(&self, key: &impl Verify) -> Option<Vec<u8>> {
        if !key.verifies(self.signed, &self.signature) {
            return None;
        }
        URL_SAFE_NO_PAD.decode(self.payload).ok()
    }
}

/// The token that says `payload`, signed by `key`.
pub(super) fn sign(key: &Key, payload: &[u8]) -> String {
    let mut token = format!("{}.{}", key.header(), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(token.as_bytes()));
    token.push('.');
    token.push_str(&signature);
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(json: &str) -> Option<Header> {
        unique_names::parse(json.as_bytes())
    }

    #[test]
    fn the_type_is_a_media_type_in_any_case() {
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            let json = format!(r#"{{"typ":"{typ}","alg":"EdDSA","kid":"k"}}"#);
            assert!(header(&json).unwrap().is_of_an_access_token(), "{typ}");
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
            let json = format!(r#"{{"typ":"{typ}","alg":"EdDSA","kid":"k"}}"#);
            assert!(!header(&json).unwrap().is_of_an_access_token(), "{typ}");
        }
    }

    #[test]
    fn a_header_has_three_members_and_no_more() {
        let json = r#"{"typ":"at+jwt","alg":"EdDSA","kid":"k"}"#;
        assert!(header(json).is_some());
        for more in
            [r#""jwk":{}"#, r#""jku":"x""#, r#""crit":[]"#, r#""b64":false"#, r#""x":1"#, r#""kid":"k""#]
        {
            assert!(header(&json.replace('}', &format!(",{more}}}"))).is_none(), "{more}");
        }
        for json in [r#"{"typ":"at+jwt","alg":"EdDSA"}"#, r#"["at+jwt","EdDSA","k"]"#, "{}", ""] {
            assert!(header(json).is_none(), "{json}");
        }
    }
}
