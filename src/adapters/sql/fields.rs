//! What the columns of a user and of a client may hold: checked once, where it comes in.

use thiserror::Error;

use crate::{
    adapters::sql::username_key::{LONGEST, username_key},
    domain::{
        client::ClientId,
        scope::{InvalidScope, Scopes},
        user::Username,
    },
};

/// Why a text cannot be stored in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidField(&'static str);

/// Why a text cannot be stored as scopes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidScopes {
    /// One of them is no scope.
    #[error(transparent)]
    Scope(#[from] InvalidScope),
    /// They are longer than a token can carry.
    #[error("they are longer than {LONGEST_SCOPES} bytes, and every token carries them")]
    TooLong,
}

/// How long the scopes of a user are at the most, in bytes. A token of them stays well below the 8 KiB that servers
/// take as a header.
const LONGEST_SCOPES: usize = 2048;

const EMPTY: InvalidField = InvalidField("it is empty");
const TOO_LONG: InvalidField = InvalidField("it is longer than 255 characters");
const HIDDEN: InvalidField = InvalidField("it holds a control character or an invisible one");
const SPACE_AT_THE_END: InvalidField = InvalidField("it begins or ends with white space");
const NO_EMAIL: InvalidField = InvalidField("it is no email address");
const NO_CLIENT_ID: InvalidField =
    InvalidField("visible ASCII characters other than :, + and % are expected, without spaces");

/// A name to sign in with.
///
/// # Errors
/// Where it is empty, longer than 255 characters, surrounded by white space, or holds what cannot be seen.
pub fn username(text: &str) -> Result<Username, InvalidField> {
    line(text)?;
    // Some characters fold to many.
    match username_key(text) {
        Some(key) if key.len() <= LONGEST => Ok(text.into()),
        Some(_) => Err(TOO_LONG),
        None => Err(EMPTY),
    }
}

/// An email address, not looked at closely: only a message that arrives proves one. `None` where it is empty.
///
/// # Errors
/// Where it is longer than 255 characters, holds what cannot be seen, or is not of the form `name@host`.
pub fn email(text: &str) -> Result<Option<String>, InvalidField> {
    if text.is_empty() {
        return Ok(None);
    }
    line(text)?;
    match text.rsplit_once('@') {
        Some((name, host)) if !name.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(Some(text.to_owned()))
        }
        _ => Err(NO_EMAIL),
    }
}

/// A name to show. `None` where it is empty.
///
/// # Errors
/// Where it is longer than 255 characters, surrounded by white space, or holds what cannot be seen.
pub fn full_name(text: &str) -> Result<Option<String>, InvalidField> {
    if text.is_empty() {
        return Ok(None);
    }
    line(text)?;
    Ok(Some(text.to_owned()))
}

/// Scopes, separated by white space.
///
/// # Errors
/// Where one of them is no scope, or all of them, each once, are longer than 2,048 bytes.
pub fn scopes(text: &str) -> Result<Scopes, InvalidScopes> {
    let scopes: Scopes = text.parse()?;
    if scopes.to_string().len() > LONGEST_SCOPES {
        return Err(InvalidScopes::TooLong);
    }
    Ok(scopes)
}

/// The name of a client, such as HTTP Basic carries it whether or not it is encoded as a form's value
/// ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)): `+` and `%` would be others
/// after decoding.
///
/// # Errors
/// Where it is empty, longer than 255 characters, or holds others than visible ASCII characters without `:`, `+`
/// and `%`.
pub fn client_id(text: &str) -> Result<ClientId, InvalidField> {
    line(text)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b":+%".contains(&byte)) {
        return Err(NO_CLIENT_ID);
    }
    Ok(text.into())
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
        return Err(SPACE_AT_THE_END);
    }
    Ok(())
}

/// Whether a character commands a terminal, turns the direction of what follows, or shows nothing: in a name it
/// deceives who reads it.
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
    fn a_username_is_what_a_person_reads() {
        for fine in ["johndoe", "John Doe", "johndoe@example.com", "Straße", "田中", "😀", &"x".repeat(255)]
        {
            assert_eq!(username(fine).as_ref().map(Username::as_str), Ok(fine));
        }
        for (wrong, why) in [
            ("", EMPTY),
            (" johndoe", SPACE_AT_THE_END),
            ("johndoe\u{a0}", SPACE_AT_THE_END),
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
    fn an_email_address_has_an_at_sign_and_no_space() {
        assert_eq!(email(""), Ok(None));
        assert!(email("johndoe@example.com").is_ok_and(|email| email.is_some()));
        for wrong in ["johndoe", "@", "johndoe@", "@example.com", "john doe@example.com"] {
            assert_eq!(email(wrong), Err(NO_EMAIL), "{wrong:?}");
        }
    }

    #[test]
    fn scopes_fit_into_a_token() {
        let longest = "x".repeat(LONGEST_SCOPES);
        for fine in ["", "me users:read", &longest, &"me ".repeat(LONGEST_SCOPES)] {
            assert!(scopes(fine).is_ok(), "{fine:?}");
        }
        assert_eq!(scopes(&format!("{longest}x")), Err(InvalidScopes::TooLong));
        assert!(matches!(scopes("me \""), Err(InvalidScopes::Scope(_))));
    }

    #[test]
    fn a_client_id_fits_into_http_basic() {
        assert!(client_id("web-1").is_ok());
        for wrong in ["", "a:b", "a+b", "a%20b", "a b", "é", "\u{7f}", &"x".repeat(256)] {
            assert!(client_id(wrong).is_err(), "{wrong:?}");
        }
    }
}
