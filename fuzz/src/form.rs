//! The sign-in form. An input is a `Content-Type` header, an `Authorization` header and a body, separated by line
//! feeds. If the input begins with `!`, the body is repeated until it exceeds the limit.

use actix_web::{ResponseError, http::header::HeaderValue};
use gatepass::{PasswordRequestForm, StrictPasswordRequestForm};

use super::request::Request;

const LIMIT: usize = 64 * 1024;
/// A boundary that the fuzzer cannot guess.
const BOUNDARY: &str = "2f1c8e0b-a-boundary-that-is-never-guessed-7d3e";

pub fn check(input: &[u8]) {
    let (too_large, input) = input.strip_prefix(b"!").map_or((false, input), |rest| (true, rest));
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let mut header = || HeaderValue::from_bytes(lines.next().unwrap_or_default());
    let (Ok(content_type), Ok(authorization)) = (header(), header()) else { return };
    let body = lines.next().unwrap_or_default();
    let mut request = Request {
        content_type: Some(content_type),
        authorization: Some(authorization).filter(|value| !value.is_empty()).into_iter().collect(),
        body: body.to_vec(),
    };
    if too_large && !body.is_empty() {
        request.body = body.repeat(LIMIT / body.len() + 1);
        let status = request.extract::<PasswordRequestForm>().map_err(|error| error.status_code().as_u16());
        assert_eq!(status.err(), Some(413));
        return;
    }

    let form = request.extract::<PasswordRequestForm>();
    let strict = request.extract::<StrictPasswordRequestForm>();
    let form = match form {
        Ok(form) => form,
        Err(error) => {
            assert!([400, 422].contains(&error.status_code().as_u16()), "{error}");
            assert!(
                strict.is_err(),
                "StrictPasswordRequestForm accepted a request that PasswordRequestForm rejected"
            );
            return;
        }
    };
    assert!(!form.username.is_empty() && !form.password.expose().is_empty());
    assert!(form.grant_type.iter().all(|grant_type| grant_type == "password"));
    assert!(form.scopes.iter().all(|scope| !scope.is_empty() && !scope.contains(char::is_whitespace)));
    match strict {
        Ok(strict) => assert_eq!(fields(&strict), fields(&form)),
        Err(error) => assert_eq!((form.grant_type.as_deref(), error.status_code().as_u16()), (None, 422)),
    }

    // An accepted form has the same fields after it is encoded and parsed again, in both encodings.
    for request in [urlencoded(&form, &request), multipart(&form, &request)] {
        let decoded: PasswordRequestForm = request.extract().expect("a valid form");
        assert_eq!(fields(&decoded), fields(&form));
    }
}

/// Returns all fields of a form, including secrets.
fn fields(form: &PasswordRequestForm) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("username", form.username.as_str().to_owned()),
        ("password", form.password.expose().to_owned()),
        ("scope", form.scopes.join(" ")),
    ];
    fields.extend(form.grant_type.clone().map(|grant_type| ("grant_type", grant_type)));
    fields.extend(form.client_id.clone().map(|id| ("client_id", id)));
    let secret = form.client_secret.as_ref().map(|secret| secret.expose().to_owned());
    fields.extend(secret.map(|secret| ("client_secret", secret)));
    fields
}

fn urlencoded(form: &PasswordRequestForm, request: &Request) -> Request {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields(form));
    Request {
        content_type: Some(HeaderValue::from_static("application/x-www-form-urlencoded")),
        body: body.finish().into_bytes(),
        ..request.clone()
    }
}

fn multipart(form: &PasswordRequestForm, request: &Request) -> Request {
    let mut body = String::new();
    for (name, value) in fields(form) {
        body +=
            &format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += &format!("--{BOUNDARY}--\r\n");
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    Request {
        content_type: Some(HeaderValue::from_str(&content_type).expect("a header")),
        body: body.into_bytes(),
        ..request.clone()
    }
}
