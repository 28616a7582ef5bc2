//! The fields of a form, urlencoded or multipart.

use actix_web::{
    HttpMessage, HttpRequest,
    body::{self, BodyStream},
    dev::Payload,
    http::header,
    web::Bytes,
};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use futures_util::stream;
use serde_json::{Value, json};

use crate::http::error::ApiError;

/// The most bytes a form may have.
pub(crate) const MAX_FORM_BYTES: usize = 1024 * 1024;
/// The most fields a form may have, as in Starlette.
const MAX_FIELDS: usize = 1000;

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
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();

        let fields = if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            form_urlencoded::parse(&body)
                .take(MAX_FIELDS + 1)
                .map(|(name, value)| (name.into_owned(), FormValue::Text(value.into_owned())))
                .collect()
        } else if media_type.eq_ignore_ascii_case("multipart/form-data") {
            let charset = request.mime_type().ok().flatten();
            let charset = charset.as_ref().and_then(|mime| mime.get_param("charset"));
            read_multipart(body, content_type, charset.map(|label| label.as_str())).await?
        } else {
            Vec::new()
        };
        if fields.len() > MAX_FIELDS {
            return Err(ApiError::MalformedBody("Too many fields. Maximum number of fields is 1000."));
        }
        Ok(Self(fields))
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
    match body::to_bytes_limited(BodyStream::new(payload), MAX_FORM_BYTES).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(ApiError::MalformedBody("There was an error parsing the body")),
        Err(_) => Err(TOO_LARGE),
    }
}

async fn read_multipart(
    body: Bytes,
    content_type: &str,
    charset: Option<&str>,
) -> Result<Vec<(String, FormValue)>, ApiError> {
    const INVALID: ApiError = ApiError::MalformedBody("Invalid multipart data.");
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| ApiError::MalformedBody("Missing boundary in multipart."))?;
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let encoding = charset.map_or(Some(UTF_8), |label| Encoding::for_label(label.as_bytes()));

    let body = stream::once(async { Ok::<_, multer::Error>(body) });
    let mut parts = multer::Multipart::new(body, boundary);
    let mut fields = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|_| INVALID)? {
        let name = part.name().map(str::to_owned).ok_or(ApiError::MalformedBody(
            r#"The Content-Disposition header field "name" must be provided."#,
        ))?;
        let filename = part.file_name().map(str::to_owned);
        let content = part.bytes().await.map_err(|_| INVALID)?;
        let value = match filename {
            Some(filename) => FormValue::File(json!({ "filename": filename, "size": content.len() })),
            None => FormValue::Text(decode(&content, encoding)),
        };
        fields.push((name, value));
        if fields.len() > MAX_FIELDS {
            break;
        }
    }
    Ok(fields)
}

/// The text of a multipart value; what its charset cannot decode is Latin-1, as in Starlette.
fn decode(bytes: &[u8], encoding: Option<&'static Encoding>) -> String {
    encoding
        .and_then(|encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes))
        .unwrap_or_else(|| WINDOWS_1252.decode_without_bom_handling(bytes).0)
        .into_owned()
}
