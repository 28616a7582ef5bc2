//! Validation of the values that people enter.

use thiserror::Error;

use crate::{
    adapters::sql::username_key::username_key,
    domain::{
        client::ClientId,
        scope::{InvalidScope, Scopes},
        user::Username,
    },
};

/// The reason why a string is not valid for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidField(&'static str);

/// The reason why a string is not a valid list of scopes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidScopes {
    /// A part of the string is not a scope.
    #[error(transparent)]
    Scope(#[from] InvalidScope),
    /// The scopes are too long for a token.
    #[error("the list of scopes is longer than {MAX_SCOPES} bytes, which is the limit for tokens")]
    TooLong,
}

/// The maximum length of a value in characters.
const MAX_CHARACTERS: usize = 255;

/// The maximum length of a user's scopes, in bytes. Tokens contain the scopes and must stay well below 8 KiB, the
/// maximum header length of most servers.
const MAX_SCOPES: usize = 2048;

/// The maximum length of a username key, in bytes. Case folding turns some characters into several.
const MAX_KEY: usize = 1024;

const EMPTY: InvalidField = InvalidField("it is empty");
const TOO_LONG: InvalidField = InvalidField("it is longer than 255 characters");
const KEY_TOO_LONG: InvalidField = InvalidField("it is longer than 1,024 bytes in its case-insensitive form");
const HIDDEN: InvalidField = InvalidField("it contains a control or invisible character");
const SURROUNDING_SPACE: InvalidField = InvalidField("it begins or ends with white space");
const NOT_AN_EMAIL: InvalidField = InvalidField("it is not an email address");
const NOT_A_CLIENT_ID: InvalidField =
    InvalidField("only visible ASCII characters other than :, + and % are allowed");

/// Validates a username.
///
/// # Errors
/// [`InvalidField`] if the name is empty, is longer than 255 characters, begins or ends with white space, contains
/// [hidden characters](is_hidden), or has a [key](username_key) of more than 1,024 bytes.
pub fn username(text: &str) -> Result<Username, InvalidField> {
    line(text)?;
    let username = Username::new(text).map_err(|_| TOO_LONG)?;
    if username_key(text).len() > MAX_KEY { Err(KEY_TOO_LONG) } else { Ok(username) }
}

/// Validates the form of an email address; only a delivered message shows that the address exists. Returns `None` for
/// an empty string.
///
/// # Errors
/// [`InvalidField`] if the address is longer than 255 characters, contains [hidden characters](is_hidden), or is not of
/// the form `name@host`.
pub fn email(text: &str) -> Result<Option<String>, InvalidField> {
    if text.is_empty() {
        return Ok(None);
    }
    line(text)?;
    match text.rsplit_once('@') {
        Some((name, host)) if !name.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(Some(text.to_owned()))
        }
        _ => Err(NOT_AN_EMAIL),
    }
}

/// Validates a full name. Returns `None` for an empty string. The joiners U+200C and U+200D, which names in Persian and
/// some Indian languages need, are allowed between other characters.
///
/// # Errors
/// [`InvalidField`] if the name is longer than 255 characters, begins or ends with white space, or contains any other
/// [hidden characters](is_hidden).
pub fn full_name(text: &str) -> Result<Option<String>, InvalidField> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_joiner = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
    if text.trim_matches(is_joiner).len() != text.len() {
        return Err(HIDDEN);
    }
    if text.chars().count() > MAX_CHARACTERS {
        return Err(TOO_LONG);
    }
    line(&text.replace(is_joiner, ""))?;
    Ok(Some(text.to_owned()))
}

/// Parses scopes separated by white space.
///
/// # Errors
/// [`InvalidScopes`] if an item is not a scope, or the scopes together are longer than 2,048 bytes.
pub fn scopes(text: &str) -> Result<Scopes, InvalidScopes> {
    let scopes: Scopes = text.parse()?;
    if scopes.to_string().len() > MAX_SCOPES {
        return Err(InvalidScopes::TooLong);
    }
    Ok(scopes)
}

/// Validates the identifier of a new client. `:`, `+` and `%` are not allowed: in HTTP Basic, the identifier ends at a
/// `:` and must be form-encoded ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)), but
/// many clients do not encode it.
///
/// # Errors
/// [`InvalidField`] if the identifier is empty, is longer than 255 characters, or contains a character that is not
/// visible ASCII or is not allowed.
pub fn client_id(text: &str) -> Result<ClientId, InvalidField> {
    line(text)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b":+%".contains(&byte)) {
        return Err(NOT_A_CLIENT_ID);
    }
    ClientId::new(text).map_err(|_| NOT_A_CLIENT_ID)
}

/// Checks a one-line value: its length, hidden characters, and surrounding white space.
fn line(text: &str) -> Result<(), InvalidField> {
    if text.is_empty() {
        return Err(EMPTY);
    }
    if text.chars().count() > MAX_CHARACTERS {
        return Err(TOO_LONG);
    }
    if text.contains(is_hidden) {
        return Err(HIDDEN);
    }
    if text.trim().len() != text.len() {
        return Err(SURROUNDING_SPACE);
    }
    Ok(())
}

/// Returns whether a character controls a terminal, changes the text direction, or is invisible, and so could make one
/// name look like another.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn username_with_hidden_characters_or_surrounding_space_is_rejected() {
        for valid in ["johndoe", "John Doe", "johndoe@example.com", "Straße", "田中", "😀", &"x".repeat(255)]
        {
            assert_eq!(username(valid).as_ref().map(Username::as_str), Ok(valid));
        }
        for (invalid, reason) in [
            ("", EMPTY),
            (" johndoe", SURROUNDING_SPACE),
            ("johndoe\u{a0}", SURROUNDING_SPACE),
            ("john\0doe", HIDDEN),
            ("john\ndoe", HIDDEN),
            ("\u{202e}eodnhoj", HIDDEN),
            ("john\u{200b}doe", HIDDEN),
            (&"x".repeat(256), TOO_LONG),
            (&"\u{fdfa}".repeat(255), KEY_TOO_LONG),
        ] {
            assert_eq!(username(invalid).err(), Some(reason), "{invalid:?}");
        }
    }

    #[test]
    fn full_name_may_contain_joiners_but_no_other_hidden_characters() {
        for valid in ["John Doe", "علی\u{200c}رضا", "ශ\u{dca}\u{200d}රී", "सूर\u{94d}\u{200d}य"]
        {
            assert_eq!(full_name(valid), Ok(Some(valid.to_owned())), "{valid:?}");
        }
        assert_eq!(full_name(""), Ok(None));
        let long = format!("x{}x", "\u{200d}".repeat(254));
        for (invalid, reason) in [
            ("\u{200d}", HIDDEN),
            ("John\u{200c}", HIDDEN),
            ("\u{202e}eoD nhoJ", HIDDEN),
            ("John\u{200b}Doe", HIDDEN),
            ("John ", SURROUNDING_SPACE),
            (&long, TOO_LONG),
        ] {
            assert_eq!(full_name(invalid), Err(reason), "{invalid:?}");
        }
        assert_eq!(username("john\u{200d}doe").err(), Some(HIDDEN));
    }

    #[test]
    fn email_without_name_or_host_is_rejected() {
        assert_eq!(email(""), Ok(None));
        assert!(email("johndoe@example.com").is_ok_and(|email| email.is_some()));
        for invalid in ["johndoe", "@", "johndoe@", "@example.com", "john doe@example.com"] {
            assert_eq!(email(invalid), Err(NOT_AN_EMAIL), "{invalid:?}");
        }
    }

    #[test]
    fn scopes_longer_than_the_limit_are_rejected() {
        let longest = "x".repeat(MAX_SCOPES);
        for valid in ["", "me users:read", &longest, &"me ".repeat(MAX_SCOPES)] {
            assert!(scopes(valid).is_ok(), "{valid:?}");
        }
        assert_eq!(scopes(&format!("{longest}x")), Err(InvalidScopes::TooLong));
        assert!(matches!(scopes("me \""), Err(InvalidScopes::Scope(_))));
    }

    #[test]
    fn client_id_that_is_ambiguous_in_basic_credentials_is_rejected() {
        assert!(client_id("web-1").is_ok());
        for invalid in ["", "a:b", "a+b", "a%20b", "a b", "é", "\u{7f}", &"x".repeat(256)] {
            assert!(client_id(invalid).is_err(), "{invalid:?}");
        }
    }
}
