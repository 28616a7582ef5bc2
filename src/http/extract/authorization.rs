//! The `Authorization` header.

use std::borrow::Cow;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use encoding_rs::mem::decode_latin1;

/// Returns the credentials for a scheme, such as the token for `Bearer`. As in FastAPI, only the first `Authorization`
/// header is read. It is split at its first space; the scheme is case-insensitive, and the credentials are trimmed.
pub(crate) fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<Cow<'a, str>> {
    let (own_scheme, rest) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(scheme.len())?;
    let credentials = rest.strip_prefix(b" ")?;
    if !own_scheme.eq_ignore_ascii_case(scheme.as_bytes()) {
        return None;
    }
    // Starlette and `fetch` in browsers use Latin-1 for header values.
    let credentials = match decode_latin1(credentials) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    (!credentials.is_empty()).then_some(credentials)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn token_in(value: &[u8]) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).ok()?);
        credentials(&headers, "bearer").map(Cow::into_owned)
    }

    #[test]
    fn scheme_is_case_insensitive_and_credentials_are_trimmed() {
        for value in ["Bearer johndoe", "bearer johndoe", "BEARER   johndoe", "Bearer \tjohndoe \t"] {
            assert_eq!(token_in(value.as_bytes()).as_deref(), Some("johndoe"), "{value:?}");
        }
    }

    #[test]
    fn header_with_another_scheme_or_without_credentials_returns_none() {
        for value in ["", "Bearer", "Bearer ", "Bearer\tjohndoe", "Basic johndoe", "johndoe", "Bearerjohndoe"]
        {
            assert_eq!(token_in(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn non_ascii_bytes_are_decoded_as_latin_1() {
        assert_eq!(token_in(b"Bearer j\xf6rg\xa0").as_deref(), Some("j\u{f6}rg"));
    }

    #[test]
    fn credentials_keep_inner_spaces() {
        assert_eq!(token_in(b"Bearer john doe").as_deref(), Some("john doe"));
    }
}
