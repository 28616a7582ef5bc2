//! The fields of a form, urlencoded or multipart.

use std::mem;

use actix_web::{
    HttpRequest,
    dev::Payload,
    http::header::{self, HeaderValue},
};
use encoding_rs::{Encoding, UTF_8, mem::decode_latin1};
use percent_encoding::percent_decode;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    domain::error_format::ErrorFormat,
    http::{
        error::ApiError,
        extract::{body, header_parameters, multipart::Multipart},
    },
};

/// The maximum number of text fields and, separately, the maximum number of files, as in Starlette.
const MAX_FIELDS: usize = 1000;

/// The maximum size of a form in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The maximum size of a form in FastAPI's format, in bytes. FastAPI itself limits only the size of each multipart
/// field.
const FASTAPI_BYTES: usize = 1024 * 1024;

const NOT_A_FORM: ApiError =
    ApiError::MalformedBody("The body must be a form: send it as application/x-www-form-urlencoded");

const NOT_UTF_8: ApiError = ApiError::MalformedBody("The form is not valid UTF-8");

const TOO_MANY_FIELDS: ApiError =
    ApiError::MalformedBody("Too many fields. Maximum number of fields is 1000.");
const TOO_MANY_FILES: ApiError = ApiError::MalformedBody("Too many files. Maximum number of files is 1000.");

/// The names and values of the fields of a form, in the order in which they were sent.
pub(super) type Fields = Vec<(String, FormValue)>;

/// The value of a field.
pub(super) enum FormValue {
    Text(Zeroizing<String>),
    /// The filename and the size of a multipart file.
    File(Value),
}

/// Reads the form in the body of `request`. In FastAPI's format, a body of another content type is treated as a form
/// without fields, and invalid UTF-8 is decoded as in FastAPI. In other formats, both are errors: decoding with
/// replacement characters could make two different passwords equal. An empty body needs no content type.
pub(super) async fn read(
    request: &HttpRequest,
    payload: Payload,
    format: &ErrorFormat,
) -> Result<Fields, ApiError> {
    let is_lossy = format.is_fastapi();
    let body = body::read(request, payload, if is_lossy { FASTAPI_BYTES } else { MAX_BYTES }).await?;
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.map(HeaderValue::as_bytes).unwrap_or_default();
    let (media_type, parameters) = header_parameters::parse(content_type);
    match &*media_type {
        "application/x-www-form-urlencoded" => read_urlencoded(&body, is_lossy),
        "multipart/form-data" => {
            let boundary = parameters
                .get("boundary")
                .ok_or(ApiError::MalformedBody("Missing boundary in multipart."))?;
            read_multipart(&body, boundary, parameters.get("charset").map(Vec::as_slice), is_lossy)
        }
        _ if !is_lossy && !body.is_empty() => Err(NOT_A_FORM),
        _ => Ok(Vec::new()),
    }
}

/// Parses fields as the URL Standard specifies for
/// [application/x-www-form-urlencoded](https://url.spec.whatwg.org/#urlencoded-parsing). Unlike in the standard, more
/// than [`MAX_FIELDS`] fields are an error, and so is invalid UTF-8 unless `is_lossy`.
fn read_urlencoded(body: &[u8], is_lossy: bool) -> Result<Fields, ApiError> {
    let decoded = |encoded| match form_decoded(encoded) {
        Ok(text) => Ok(text),
        Err(bytes) if is_lossy => Ok(String::from_utf8_lossy(&bytes).into_owned().into()),
        Err(_) => Err(NOT_UTF_8),
    };
    let fields = body
        .split(|byte| *byte == b'&')
        .filter(|field| !field.is_empty())
        .take(MAX_FIELDS + 1)
        .map(|field| {
            let end = memchr::memchr(b'=', field).unwrap_or(field.len());
            let value = field.get(end + 1..).unwrap_or_default();
            Ok((mem::take(&mut *decoded(&field[..end])?), FormValue::Text(decoded(value)?)))
        })
        .collect::<Result<Vec<_>, ApiError>>()?;
    if fields.len() > MAX_FIELDS { Err(TOO_MANY_FIELDS) } else { Ok(fields) }
}

/// Decodes a form-urlencoded value without leaving a copy in memory. If the decoded bytes are not valid UTF-8, returns
/// them as the error.
pub(crate) fn form_decoded(encoded: &[u8]) -> Result<Zeroizing<String>, Zeroizing<Vec<u8>>> {
    // The result is never longer than the input, so the buffer does not grow.
    let mut decoded = Zeroizing::new(Vec::with_capacity(encoded.len()));
    for (index, words) in encoded.split(|byte| *byte == b'+').enumerate() {
        if index > 0 {
            decoded.push(b' ');
        }
        decoded.extend(percent_decode(words));
    }
    String::from_utf8(mem::take(&mut *decoded)).map(Zeroizing::new).map_err(|error| error.into_bytes().into())
}

fn read_multipart(
    body: &[u8],
    boundary: &[u8],
    charset: Option<&[u8]>,
    is_lossy: bool,
) -> Result<Fields, ApiError> {
    let encoding = charset.map_or(Some(UTF_8), Encoding::for_label);
    let (mut texts, mut files, mut fields) = (0, 0, Vec::new());
    for part in Multipart::new(body, boundary)? {
        let part = part?;
        let (count, too_many) = if part.filename.is_some() {
            (&mut files, TOO_MANY_FILES)
        } else {
            (&mut texts, TOO_MANY_FIELDS)
        };
        *count += 1;
        if *count > MAX_FIELDS {
            return Err(too_many);
        }
        let value = match part.filename {
            Some(filename) => FormValue::File(
                json!({ "filename": decode(&filename, encoding, is_lossy)?, "size": part.content.len() }),
            ),
            None => FormValue::Text(decode(part.content, encoding, is_lossy)?.into()),
        };
        fields.push((decode(&part.name, encoding, is_lossy)?, value));
    }
    Ok(fields)
}

/// Decodes a multipart value. A value with an unknown charset, or one that is invalid in its charset, is an error
/// unless `is_lossy` is true. In that case, the value is decoded as Latin-1, as in Starlette.
fn decode(bytes: &[u8], encoding: Option<&'static Encoding>, is_lossy: bool) -> Result<String, ApiError> {
    let decoded =
        encoding.and_then(|encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes));
    match decoded {
        Some(text) => Ok(text.into_owned()),
        None if is_lossy => Ok(decode_latin1(bytes).into_owned()),
        None => Err(NOT_UTF_8),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: FormValue) -> String {
        match value {
            FormValue::Text(text) => text.to_string(),
            FormValue::File(file) => panic!("expected text, but the field contains a file: {file}"),
        }
    }

    proptest! {
        #[test]
        fn urlencoded_form_is_parsed_as_the_url_standard_specifies(
            body in "([a-z=&+ \\x00é]|%[0-9a-fA-F]{2}|%|=|&){0,40}",
        ) {
            let actual = read_urlencoded(body.as_bytes(), true).expect("the form should not exceed MAX_FIELDS");
            let actual: Vec<_> = actual.into_iter().map(|(name, value)| (name, text(value))).collect();
            let expected: Vec<_> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            prop_assert_eq!(actual, expected);
        }
    }
}
