//! The `Authorization` header. An input is the value of the header.

use actix_web::http::header::HeaderValue;
use base64::{Engine, prelude::BASE64_STANDARD};
use gatepass::{BearerToken, PasswordRequestForm, error::ApiError};
use percent_encoding::percent_decode_str;

use super::request::Request;

pub fn check(input: &[u8]) {
    let Ok(header) = HeaderValue::from_bytes(input) else { return };
    let mut request = Request {
        content_type: Some(HeaderValue::from_static("application/x-www-form-urlencoded")),
        authorization: vec![header],
        body: b"username=johndoe&password=secret".to_vec(),
    };
    check_request(&request, input);
    // If there are several headers, Gatepass uses the first one.
    request.authorization.push(HeaderValue::from_static("Bearer another"));
    check_request(&request, input);
}

fn check_request(request: &Request, input: &[u8]) {
    let token = match request.extract::<BearerToken>() {
        Ok(BearerToken(token)) => Some(token.expose().to_owned()),
        Err(ApiError::NotAuthenticated) => None,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(token, credentials(input, "bearer"));

    let form: PasswordRequestForm = request.extract().expect("a valid form, whatever the header");
    let client = (form.client_id, form.client_secret.map(|secret| secret.expose().to_owned()));
    let expected = match credentials(input, "basic") {
        None => (None, None),
        // Malformed credentials become a client identifier that cannot be registered.
        Some(credentials) => client_of(&credentials).unwrap_or((Some(String::new()), None)),
    };
    assert_eq!(client, expected);
}

/// Parses a header independently of Gatepass, as FastAPI does: `get_authorization_scheme_param` on text that Starlette
/// decoded as Latin-1.
fn credentials(header: &[u8], scheme: &str) -> Option<String> {
    // HTTP servers already remove white space around a header value.
    let space = header.iter().position(|byte| *byte == b' ')?;
    if header[..space].to_ascii_lowercase() != scheme.as_bytes() {
        return None;
    }
    let mut text: Vec<char> = header[space..].iter().map(|byte| char::from(*byte)).collect();
    while text.last().is_some_and(|c| c.is_whitespace()) {
        text.pop();
    }
    let text: String = text.into_iter().skip_while(|c| c.is_whitespace()).collect();
    (!text.is_empty()).then_some(text)
}

/// Parses Basic credentials (RFC 7617 section 2) with form-encoded parts (RFC 6749 appendix B). An empty part is
/// `None`.
fn client_of(credentials: &str) -> Option<(Option<String>, Option<String>)> {
    let pair = String::from_utf8(BASE64_STANDARD.decode(credentials).ok()?).ok()?;
    let colon = pair.find(':')?;
    let decode = |text: &str| {
        let value = percent_decode_str(&text.replace('+', " ")).decode_utf8().ok()?.into_owned();
        Some(Some(value).filter(|value| !value.is_empty()))
    };
    Some((decode(&pair[..colon])?, decode(&pair[colon + 1..])?))
}
