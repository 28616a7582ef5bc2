//! The values of columns that people write: validated once, when they come in.

use thiserror::Error;

use crate::{
    adapters::sql::username_key::username_key,
    domain::{
        client::ClientId,
        scope::{InvalidScope, Scopes},
        user::Username,
    },
};

/// The reason why a text cannot be stored in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidField(&'static str);

/// The reason why a text cannot be stored as scopes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidScopes {
    /// One of them is not a scope.
    #[error(transparent)]
    Scope(#[from] InvalidScope),
    /// They are too long for a token.
    #[error("they are longer than {MAX_SCOPES} bytes, and every token carries them")]
    TooLong,
}

/// The maximum length of a user's scopes, in bytes. A token with them stays well below the 8 KiB that servers accept as a
/// header.
const MAX_SCOPES: usize = 2048;

/// The maximum length of a username's key, in bytes: some characters fold to many.
const MAX_KEY: usize = 1024;

const EMPTY: InvalidField = InvalidField("it is empty");
const TOO_LONG: InvalidField = InvalidField("it is longer than 255 characters");
const HIDDEN: InvalidField = InvalidField("it holds a control character or an invisible one");
const SURROUNDING_SPACE: InvalidField = InvalidField("it begins or ends with white space");
const NOT_AN_EMAIL: InvalidField = InvalidField("it is not an email address");
const NOT_A_CLIENT_ID: InvalidField =
    InvalidField("visible ASCII characters other than :, + and % are expected, without spaces");

/// Validates a name to sign in with.
///
/// # Errors
/// [`InvalidField`] if the name is empty, longer than 255 characters, surrounded by white space, or contains
/// [hidden characters](is_hidden).
pub fn username(text: &str) -> Result<Username, InvalidField> {
    line(text)?;
    let username = Username::new(text).map_err(|_| TOO_LONG)?;
    if username_key(text).len() > MAX_KEY { Err(TOO_LONG) } else { Ok(username) }
}

/// Validates an email address, but only its form: just a message that arrives shows that it exists. An empty text is `None`.
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

/// Validates a full name. An empty text is `None`.
///
/// # Errors
/// [`InvalidField`] if the name is longer than 255 characters, surrounded by white space, or contains
/// [hidden characters](is_hidden).
pub fn full_name(text: &str) -> Result<Option<String>, InvalidField> {
    if text.is_empty() {
        return Ok(None);
    }
    line(text)?;
    Ok(Some(text.to_owned()))
}

/// Parses scopes separated by white space.
///
/// # Errors
/// [`InvalidScopes`] if one of them is not a scope, or all of them together are longer than 2,048 bytes.
pub fn scopes(text: &str) -> Result<Scopes, InvalidScopes> {
    let scopes: Scopes = text.parse()?;
    if scopes.to_string().len() > MAX_SCOPES {
        return Err(InvalidScopes::TooLong);
    }
    Ok(scopes)
}

/// Validates the identifier of a new client. HTTP Basic carries it form-encoded
/// ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)), which many clients omit: `+` and `%`
/// would be ambiguous.
///
/// # Errors
/// [`InvalidField`] if the identifier is empty, longer than 255 characters, or contains other than visible ASCII
/// characters, or `:`, `+` or `%`.
pub fn client_id(text: &str) -> Result<ClientId, InvalidField> {
    line(text)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b":+%".contains(&byte)) {
        return Err(NOT_A_CLIENT_ID);
    }
    ClientId::new(text).map_err(|_| NOT_A_CLIENT_ID)
}

fn line(text: &str) -> Result<(), InvalidField> {
    if text.is_empty() {
        return Err(EMPTY);
    }
    if text.chars().nth(255).is_some() {
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

/// Returns whether a character controls a terminal, changes the direction of the text, or is invisible: in a name it
/// deceives the reader.
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
    fn username_with_hidden_characters_or_surrounding_space_is_refused() {
        for fine in ["johndoe", "John Doe", "johndoe@example.com", "Straße", "田中", "😀", &"x".repeat(255)]
        {
            assert_eq!(username(fine).as_ref().map(Username::as_str), Ok(fine));
        }
        for (wrong, why) in [
            ("", EMPTY),
            (" johndoe", SURROUNDING_SPACE),
            ("johndoe\u{a0}", SURROUNDING_SPACE),
            ("john\0doe", HIDDEN),
            ("john\ndoe", HIDDEN),
            ("\u{202e}eodnhoj", HIDDEN),
            ("john\u{200b}doe", HIDDEN),
            (&"x".repeat(256), TOO_LONG),
            (&"\u{fdfa}".repeat(255), TOO_LONG),
        ] {
            assert_eq!(username(wrong).err(), Some(why), "{wrong:?}");
        }
    }

    #[test]
    fn email_without_name_or_host_is_refused() {
        assert_eq!(email(""), Ok(None));
        assert!(email("johndoe@example.com").is_ok_and(|email| email.is_some()));
        for wrong in ["johndoe", "@", "johndoe@", "@example.com", "john doe@example.com"] {
            assert_eq!(email(wrong), Err(NOT_AN_EMAIL), "{wrong:?}");
        }
    }

    #[test]
    fn scopes_longer_than_the_limit_are_refused() {
        let longest = "x".repeat(MAX_SCOPES);
        for fine in ["", "me users:read", &longest, &"me ".repeat(MAX_SCOPES)] {
            assert!(scopes(fine).is_ok(), "{fine:?}");
        }
        assert_eq!(scopes(&format!("{longest}x")), Err(InvalidScopes::TooLong));
        assert!(matches!(scopes("me \""), Err(InvalidScopes::Scope(_))));
    }

    #[test]
    fn client_id_that_basic_credentials_cannot_carry_is_refused() {
        assert!(client_id("web-1").is_ok());
        for wrong in ["", "a:b", "a+b", "a%20b", "a b", "é", "\u{7f}", &"x".repeat(256)] {
            assert!(client_id(wrong).is_err(), "{wrong:?}");
        }
    }
}
