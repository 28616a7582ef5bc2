//! A JSON object in which no name stands twice.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IgnoredAny, MapAccess, Visitor},
};

/// The value of an object without duplicate names; whoever takes the first of two and whoever takes the last
/// would read different objects ([RFC 8259 section 4](https://www.rfc-editor.org/rfc/rfc8259#section-4)), as a token
/// may not be ([RFC 7515 section 4](https://www.rfc-editor.org/rfc/rfc7515#section-4)).
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    // A derived structure would take an array as well, and a duplicate of a name that it does not know.
    serde_json::from_slice::<UniqueNames>(json).ok()?;
    serde_json::from_slice(json).ok()
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
                return Err(A::Error::custom("a name stands twice"));
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
    fn a_name_stands_once_however_it_is_spelled() {
        assert!(parse::<Value>(br#"{"a":1,"b":{"a":2}}"#).is_some());
        for json in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"["a"]"#, r#""a""#, r#"{"a":1}{}"#, ""] {
            assert!(parse::<Value>(json.as_bytes()).is_none(), "{json}");
        }
    }
}
