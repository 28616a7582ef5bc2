//! What a refresh token is made of.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::domain::{refresh::TokenHash, secret::RefreshToken, session::SessionId};

/// 256 bits in base64url.
const PART_LENGTH: usize = 43;

/// A refresh token taken apart: the name of its family, which all tokens of the family begin with, and what is its
/// own. Both are 256 bits that nobody can guess, so that nobody can name a family who has none of its tokens; a
/// store has their hashes.
pub(super) struct TokenParts<'a> {
    family: &'a str,
    own: &'a str,
}

impl<'a> TokenParts<'a> {
    /// The parts of a token that has the form of one.
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

    /// The token that is made of this one and a salt: always the same, and for who lacks one of the two any.
    pub(super) fn successor(&self, salt: &str) -> Successor {
        let own = derive(self.own.as_bytes(), salt);
        Successor { hash: hash(&own), token: joined(self.family, &own) }
    }
}

/// The next token of a family, and what a store keeps in its place.
pub(super) struct Successor {
    pub(super) token: RefreshToken,
    pub(super) hash: TokenHash,
}

/// The first token of a new family.
pub(super) fn first(random: &[u8; 32]) -> RefreshToken {
    joined(&derive(random, "family"), &derive(random, "refresh token"))
}

/// Both halves, in a text that does not move while it grows.
fn joined(family: &str, own: &str) -> RefreshToken {
    let mut token = Zeroizing::new(String::with_capacity(2 * PART_LENGTH));
    token.push_str(family);
    token.push_str(own);
    token.into()
}

/// The name of a new session.
pub(super) fn session_id(random: &[u8; 32]) -> SessionId {
    // 128 bits are enough for a name.
    derive(random, "session")[..22].into()
}

/// What the successor of a token is made of, beside the token.
pub(super) fn salt(random: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

fn hash(part: &str) -> TokenHash {
    URL_SAFE_NO_PAD.encode(Sha256::digest(part)).into()
}

/// 256 bits from a secret, for one purpose (HMAC-SHA-256 as a pseudorandom function).
fn derive(secret: &[u8], purpose: &str) -> Zeroizing<String> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).unwrap_or_else(|_| unreachable!());
    mac.update(purpose.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_two_times_256_bits_and_its_successor_shares_the_first() {
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
    fn what_has_not_the_form_of_a_token_is_none() {
        for text in ["", "x", &"x".repeat(43), &"x".repeat(85), &"x".repeat(87), &"é".repeat(43)] {
            assert!(TokenParts::of(&RefreshToken::from(text)).is_none(), "{text}");
        }
    }
}
