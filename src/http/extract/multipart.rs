//! A parser for multipart/form-data bodies ([RFC 7578](https://www.rfc-editor.org/rfc/rfc7578)) in memory.
//!
//! The parser accepts the same bodies as python-multipart: a truncated body yields its complete parts, text before the
//! first boundary is an error, and text after the last boundary is ignored.

use memchr::memmem::find;

use crate::http::{error::ApiError, extract::header_parameters};

const MAX_BOUNDARY_BYTES: usize = 256;
const MAX_HEADERS: usize = 8;
const MAX_HEADER_BYTES: usize = 4096 + 128;

const INVALID: ApiError = ApiError::MalformedBody("Invalid multipart data.");
const MISSING_NAME: ApiError =
    ApiError::MalformedBody(r#"The Content-Disposition header field "name" must be provided."#);

/// An iterator over the parts of a body.
pub(crate) struct Multipart<'a> {
    /// The rest of the body, starting with the headers of the next part.
    rest: &'a [u8],
    /// The delimiter after the content of a part: a line break, two hyphens and the boundary.
    delimiter: Vec<u8>,
}

/// A part of a body: a text field or a file.
pub(crate) struct Part<'a> {
    pub(crate) name: Vec<u8>,
    /// `None` for a text field.
    pub(crate) filename: Option<Vec<u8>>,
    pub(crate) content: &'a [u8],
}

impl<'a> Multipart<'a> {
    pub(crate) fn new(body: &'a [u8], boundary: &[u8]) -> Result<Self, ApiError> {
        if boundary.len() > MAX_BOUNDARY_BYTES {
            return Err(INVALID);
        }
        let delimiter = [b"\r\n--", boundary].concat();
        let body = match body {
            [b'\r' | b'\n', ..] => &body[find(body, b"-").unwrap_or(body.len())..],
            _ => body,
        };
        let opening = &delimiter[2..];
        let rest = match body.strip_prefix(opening) {
            Some([b'-'] | [b'-', b'-', ..]) => &[],
            Some(rest) => after_line_break(rest)?.unwrap_or_default(),
            None if opening.starts_with(body) => &[],
            None => return Err(INVALID),
        };
        Ok(Self { rest, delimiter })
    }

    /// Returns the next part, or `None` at the end of the body.
    fn next_part(&mut self) -> Result<Option<Part<'a>>, ApiError> {
        let Some(disposition) = self.disposition()? else {
            return Ok(None);
        };
        let (_, mut parameters) = header_parameters::parse(disposition);
        let name = parameters.remove("name").ok_or(MISSING_NAME)?;
        let filename = parameters.remove("filename");
        Ok(self.content()?.map(|content| Part { name, filename, content }))
    }

    /// Reads the headers of a part and returns the value of `Content-Disposition`, or `None` if the body is truncated.
    fn disposition(&mut self) -> Result<Option<&'a [u8]>, ApiError> {
        let mut disposition = Default::default();
        for count in 0.. {
            let end = find(self.rest, b"\r").unwrap_or(self.rest.len());
            let (line, rest) = self.rest.split_at(end);
            if !line.is_empty() {
                let colon = find(line, b":").unwrap_or(line.len());
                let (name, value) = line.split_at(colon);
                let is_header = !name.is_empty()
                    && name.iter().all(is_token)
                    && (!value.is_empty() || rest.is_empty())
                    && line.len() <= MAX_HEADER_BYTES
                    && count < MAX_HEADERS;
                if !is_header {
                    return Err(INVALID);
                }
                if name.eq_ignore_ascii_case(b"Content-Disposition") {
                    disposition = value.get(1..).unwrap_or_default();
                }
            }
            let Some(rest) = after_line_break(rest)? else {
                break;
            };
            self.rest = rest;
            if line.is_empty() {
                return Ok(Some(disposition));
            }
        }
        Ok(None)
    }

    fn content(&mut self) -> Result<Option<&'a [u8]>, ApiError> {
        let (body, mut searched) = (self.rest, 0);
        while let Some(at) = find(&body[searched..], &self.delimiter) {
            let content = &body[..searched + at];
            searched += at + self.delimiter.len();
            let after = &body[searched..];
            let padding = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            self.rest = match after {
                [b'-', b'-', ..] => &[],
                [b'\r', b'\n', rest @ ..] => rest,
                _ if padding > 0 => match after_line_break(&after[padding..])? {
                    Some(rest) => rest,
                    None => break,
                },
                // The line continues after the boundary, so the line is part of the content.
                _ => continue,
            };
            return Ok(Some(content));
        }
        Ok(None)
    }
}

impl<'a> Iterator for Multipart<'a> {
    type Item = Result<Part<'a>, ApiError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_part().transpose()
    }
}

/// Skips a line break and returns the rest of the body, or `None` if the body is truncated.
fn after_line_break(rest: &[u8]) -> Result<Option<&[u8]>, ApiError> {
    match rest {
        [b'\r', b'\n', rest @ ..] => Ok(Some(rest)),
        [] | [b'\r'] => Ok(None),
        _ => Err(INVALID),
    }
}

/// Returns whether a header name may contain this byte (RFC 9110 section 5.6.2).
fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Multipart::new(body, b"b")?
            .map(|part| part.map(|part| (text(&part.name), text(part.content))))
            .collect()
    }

    #[test]
    fn content_of_a_part_extends_from_its_headers_to_the_boundary() {
        let body = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--bb\r\n--b \r\n\
            content-disposition:x;NAME=\"b\"\r\nX: y\r\n\r\n\r\n--b--\r\nanything";
        let expected = [("a", "\r\n--bb"), ("b", "")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(parts(body).unwrap(), expected);
    }

    #[test]
    fn truncated_body_yields_only_its_complete_parts() {
        let body = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b\r\n";
        for end in 0..body.len() {
            assert_eq!(parts(&body[..end]).unwrap(), [], "{:?}", body[..end].escape_ascii());
        }
        assert_eq!(parts(body).unwrap().len(), 1);
    }

    #[test]
    fn malformed_body_is_rejected() {
        for body in [
            "username=johndoe",
            "--c\r\n",
            "--b\n",
            "--bb\r\n",
            "--b\r\nno header\r\n\r\n",
            "--b\r\n: x\r\n\r\n",
            "--b\r\nContent-Disposition: form-data\r\n\r\n",
            "--b\r\nX: y\rZ: z\r\n\r\n",
        ] {
            assert!(parts(body.as_bytes()).is_err(), "accepted a malformed body: {body:?}");
        }
    }
}
