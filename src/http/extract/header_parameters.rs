//! Header values with parameters, such as `form-data; name="username"`.

use std::{borrow::Cow, collections::HashMap};

use encoding_rs::mem::{decode_latin1, encode_latin1_lossy};

/// Returns the value of a header in lower case, and its parameters. As in python-multipart, parameters may contain any
/// byte, and the last of several parameters with the same name is used.
pub(crate) fn parse(header: &[u8]) -> (String, HashMap<String, Vec<u8>>) {
    let header = decode_latin1(header);
    let (mut quoted, mut previous) = (false, ' ');
    let mut segments = header.split(|character| {
        quoted ^= character == '"' && previous != '\\';
        previous = character;
        character == ';' && !quoted
    });
    let value = trim(segments.next().unwrap_or_default()).to_ascii_lowercase();
    let parameters = segments.map(|segment| {
        let (name, value) = segment.split_once('=').unwrap_or((segment, ""));
        let value = unquote(trim(value));
        (trim(name).to_ascii_lowercase(), encode_latin1_lossy(&value).into_owned())
    });
    (value, parameters.collect())
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn unquote(value: &str) -> Cow<'_, str> {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(quoted) => quoted.replace(r"\\", r"\").replace(r#"\""#, r#"""#).into(),
        None => value.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_semicolon_does_not_end_a_parameter() {
        let (value, parameters) = parse(br#"Form-Data; NAME="a;\"b\\c"; filename = c ; name*=d"#);
        assert_eq!(value, "form-data");
        assert_eq!(parameters["name"], br#"a;"b\c"#);
        assert_eq!(parameters["filename"], b"c");
    }

    #[test]
    fn last_of_repeated_parameters_is_used_even_if_it_is_not_ascii() {
        let (_, parameters) = parse(b"multipart/form-data; boundary=a; boundary=\xff");
        assert_eq!(parameters["boundary"], b"\xff");
    }
}
