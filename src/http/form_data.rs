//! The fields of a form, urlencoded or multipart.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    body::{self, BodyStream},
    dev::Payload,
    http::header::{self, HeaderValue},
    rt::time::timeout,
    web::Bytes,
};
use encoding_rs::{Encoding, UTF_8, mem::decode_latin1};
use serde_json::{Value, json};

use crate::http::{error::ApiError, multipart::Multipart, parameters};

/// The most bytes a form may have.
pub(crate) const MAX_FORM_BYTES: usize = 1024 * 1024;
/// The longest time a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The most fields a form may have, and the most files, as in Starlette.
const MAX_FIELDS: usize = 1000;

const TOO_MANY_FIELDS: ApiError =
    ApiError::MalformedBody("Too many fields. Maximum number of fields is 1000.");
const TOO_MANY_FILES: ApiError = ApiError::MalformedBody("Too many files. Maximum number of files is 1000.");

/// The fields in the order they came.
pub(crate) struct FormData(Vec<(String, FormValue)>);

/// What a field holds.
pub(crate) enum FormValue {
    Text(String),
    /// A multipart file; its content is of no use here.
    File(Value),
}

impl FormData {
    /// Reads the body of `request`. A body of any other type is a form without fields.
    pub(crate) async fn read(request: &HttpRequest, payload: Payload) -> Result<Self, ApiError> {
        let body = read_body(request, payload).await?;
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.map(HeaderValue::as_bytes).unwrap_or_default();
        let (media_type, parameters) = parameters::parse(content_type);
        let fields = match &*media_type {
            "application/x-www-form-urlencoded" => read_urlencoded(&body)?,
            "multipart/form-data" => {
                let boundary = parameters
                    .get("boundary")
                    .ok_or(ApiError::MalformedBody("Missing boundary in multipart."))?;
                read_multipart(&body, boundary, parameters.get("charset").map(Vec::as_slice))?
            }
            _ => Vec::new(),
        };
        Ok(Self(fields))
    }

    /// Whether a field has this text.
    pub(crate) fn says(&self, name: &str, text: &str) -> bool {
        let last = self.0.iter().rfind(|(field, _)| field == name);
        matches!(last, Some((_, FormValue::Text(own))) if own == text)
    }

    /// The value of a field. Of a repeated field the last counts.
    pub(crate) fn take(&mut self, name: &str) -> Option<FormValue> {
        let last = self.0.iter().rposition(|(field, _)| field == name)?;
        Some(self.0.remove(last).1)
    }
}

async fn read_body(request: &HttpRequest, payload: Payload) -> Result<Bytes, ApiError> {
    const TOO_LARGE: ApiError = ApiError::BodyTooLarge { limit: MAX_FORM_BYTES };
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_FORM_BYTES as u64) {
        return Err(TOO_LARGE);
    }
    let body = body::to_bytes_limited(BodyStream::new(payload), MAX_FORM_BYTES);
    match timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) => Err(ApiError::UnreadableBody),
        Ok(Err(_)) => Err(TOO_LARGE),
        Err(_) => Err(ApiError::BodyTimeout),
    }
}

fn read_urlencoded(body: &[u8]) -> Result<Vec<(String, FormValue)>, ApiError> {
    let fields: Vec<_> = form_urlencoded::parse(body)
        .take(MAX_FIELDS + 1)
        .map(|(name, value)| (name.into_owned(), FormValue::Text(value.into_owned())))
        .collect();
    if fields.len() > MAX_FIELDS { Err(TOO_MANY_FIELDS) } else { Ok(fields) }
}

fn read_multipart(
    body: &[u8],
    boundary: &[u8],
    charset: Option<&[u8]>,
) -> Result<Vec<(String, FormValue)>, ApiError> {
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
                json!({ "filename": decode(&filename, encoding), "size": part.content.len() }),
            ),
            None => FormValue::Text(decode(part.content, encoding)),
        };
        fields.push((decode(&part.name, encoding), value));
    }
    Ok(fields)
}

/// The text of a multipart value; what its charset cannot decode is Latin-1, as in Starlette.
fn decode(bytes: &[u8], encoding: Option<&'static Encoding>) -> String {
    encoding
        .and_then(|encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes))
        .unwrap_or_else(|| decode_latin1(bytes))
        .into_owned()
}
