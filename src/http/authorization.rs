//! The `Authorization` header.

use std::borrow::Cow;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use encoding_rs::mem::decode_latin1;

/// The credentials of this scheme, such as the token of `Bearer`. Read as FastAPI reads them: of several headers
/// the first counts, it is split at the first space, the scheme's case and the white space around the rest do
/// not count.
pub(crate) fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<Cow<'a, str>> {
    // A header's bytes are Latin-1, for Starlette as for a browser's `fetch`.
    match decode_latin1(headers.get(AUTHORIZATION)?.as_bytes()) {
        Cow::Borrowed(header) => of_scheme(header, scheme).map(Cow::Borrowed),
        Cow::Owned(header) => {
            of_scheme(&header, scheme).map(|credentials| Cow::Owned(credentials.to_owned()))
        }
    }
}

fn of_scheme<'a>(header: &'a str, scheme: &str) -> Option<&'a str> {
    let (own_scheme, credentials) = header.split_once(' ')?;
    let credentials = credentials.trim();
    (own_scheme.eq_ignore_ascii_case(scheme) && !credentials.is_empty()).then_some(credentials)
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
    fn the_scheme_is_case_insensitive_and_the_credentials_are_trimmed() {
        for value in ["Bearer johndoe", "bearer johndoe", "BEARER   johndoe", "Bearer \tjohndoe \t"] {
            assert_eq!(token_in(value.as_bytes()).as_deref(), Some("johndoe"), "{value:?}");
        }
    }

    #[test]
    fn what_is_of_no_such_scheme_is_none() {
        for value in ["", "Bearer", "Bearer ", "Bearer\tjohndoe", "Basic johndoe", "johndoe", "Bearerjohndoe"]
        {
            assert_eq!(token_in(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn bytes_beyond_ascii_are_latin_1() {
        assert_eq!(token_in(b"Bearer j\xf6rg\xa0").as_deref(), Some("j\u{f6}rg"));
    }

    #[test]
    fn credentials_keep_what_is_inside_them() {
        assert_eq!(token_in(b"Bearer john doe").as_deref(), Some("john doe"));
    }
}
