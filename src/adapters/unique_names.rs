//! JSON objects without duplicate names.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IgnoredAny, MapAccess, Visitor},
};

/// Parses a JSON object in UTF-8 ([RFC 7519 section 7.2](https://www.rfc-editor.org/rfc/rfc7519#section-7.2)) without
/// duplicate names ([RFC 7515 section 4](https://www.rfc-editor.org/rfc/rfc7515#section-4)), which parsers interpret
/// differently. Nested objects are not checked.
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    // serde_json does not check the encoding of members that it ignores.
    let json = str::from_utf8(json).ok()?;
    // This check is separate, because derived implementations of `Deserialize` accept arrays and duplicates of unknown
    // names.
    serde_json::from_str::<UniqueNames>(json).ok()?;
    serde_json::from_str(json).ok()
}

struct UniqueNames;

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for UniqueNames {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object without duplicate names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            if !seen.insert(name) {
                return Err(A::Error::custom("duplicate name"));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn text_other_than_a_single_object_with_unique_names_is_rejected() {
        assert!(parse::<Value>(br#"{"a":1,"b":{"a":2}}"#).is_some());
        for json in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"["a"]"#, r#""a""#, r#"{"a":1}{}"#, ""] {
            assert!(parse::<Value>(json.as_bytes()).is_none(), "{json}");
        }
    }

    #[test]
    fn object_with_invalid_utf_8_in_an_ignored_member_is_rejected() {
        #[derive(Deserialize)]
        struct Nothing {}
        assert!(parse::<Nothing>("{\"x\":\"é\"}".as_bytes()).is_some());
        assert!(parse::<Nothing>(b"{\"x\":\"\xe9\"}").is_none());
    }
}
