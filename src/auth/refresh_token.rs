//! The format and derivation of refresh tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::domain::{
    secret::RefreshToken,
    session::{SessionId, TokenHash},
};

/// The number of base64url characters that encode 256 bits.
pub(super) const PART_LENGTH: usize = 43;

/// The two parts of a refresh token, 256 bits each: the name of its family, which all tokens of the family share, and a
/// part that only this token has. The family name is secret too. Stores keep only the hashes of both.
pub(super) struct TokenParts<'a> {
    family: &'a str,
    own: &'a str,
}

impl<'a> TokenParts<'a> {
    /// Splits a token; returns `None` if it does not have the length of a refresh token.
    pub(super) fn of(token: &'a RefreshToken) -> Option<Self> {
        let (family, own) = token.expose().split_at_checked(PART_LENGTH)?;
        (own.len() == PART_LENGTH).then_some(Self { family, own })
    }

    pub(super) fn family_hash(&self) -> TokenHash {
        hash(self.family)
    }

    pub(super) fn hash(&self) -> TokenHash {
        hash(self.own)
    }

    /// Derives the next token from this one and a salt.
    pub(super) fn successor(&self, salt: &str) -> Successor {
        let own = derive(self.own.as_bytes(), salt);
        Successor { hash: hash(&own), token: joined(self.family, &own) }
    }
}

/// The next token of a family and its hash.
pub(super) struct Successor {
    pub(super) token: RefreshToken,
    pub(super) hash: TokenHash,
}

/// Creates the first token of a new family.
pub(super) fn first(random: &[u8; 32]) -> RefreshToken {
    joined(&derive(random, "family"), &derive(random, "refresh token"))
}

/// Joins both parts without leaving an unwiped copy in memory.
fn joined(family: &str, own: &str) -> RefreshToken {
    let mut token = Zeroizing::new(String::with_capacity(2 * PART_LENGTH));
    token.push_str(family);
    token.push_str(own);
    token.into()
}

/// Creates the identifier of a new session.
pub(super) fn session_id(random: &[u8; 32]) -> SessionId {
    // 22 base64url characters encode at least 128 bits.
    SessionId::new(&derive(random, "session")[..22])
        .unwrap_or_else(|_| unreachable!("base64url is valid in a session ID"))
}

/// Creates the value of a session cookie.
pub(super) fn cookie(random: &[u8; 32]) -> Zeroizing<String> {
    derive(random, "session cookie")
}

/// Creates the salt for deriving the next token.
pub(super) fn salt(random: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

pub(super) fn hash(part: &str) -> TokenHash {
    TokenHash(URL_SAFE_NO_PAD.encode(Sha256::digest(part)))
}

/// Derives 256 bits from a secret for one purpose (HMAC-SHA-256 as a pseudorandom function).
fn derive(secret: &[u8], purpose: &str) -> Zeroizing<String> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).unwrap_or_else(|_| unreachable!());
    mac.update(purpose.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successor_shares_only_the_family_name_with_its_predecessor() {
        let token = first(&[7; 32]);
        let parts = TokenParts::of(&token).unwrap();
        assert_eq!(token.expose().len(), 86);
        assert_ne!(parts.family, parts.own);
        let next = parts.successor("salt");
        assert_eq!(TokenParts::of(&next.token).unwrap().family, parts.family);
        assert_eq!(TokenParts::of(&next.token).unwrap().hash(), next.hash);
        assert_eq!(parts.successor("salt").hash, next.hash);
        assert_ne!(parts.hash(), next.hash);
        assert_ne!(parts.successor("another").hash, next.hash);
    }

    #[test]
    fn token_with_wrong_length_is_rejected() {
        for text in ["", "x", &"x".repeat(43), &"x".repeat(85), &"x".repeat(87), &"é".repeat(43)] {
            assert!(TokenParts::of(&RefreshToken::from(text)).is_none(), "{text}");
        }
    }
}
