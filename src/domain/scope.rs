//! Scopes: what a token may be used for ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).

use std::{collections::HashSet, fmt, str::FromStr, sync::Arc};

use thiserror::Error;

/// One scope, such as `users:read`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

/// The error for a string that is not a valid scope.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a scope: a scope consists of visible ASCII characters other than \" and \\")]
pub struct InvalidScope(String);

impl Scope {
    /// The scope that requests a refresh token
    /// ([OpenID Connect Core section 11](https://openid.net/specs/openid-connect-core-1_0.html#OfflineAccess)). Every
    /// user may request it, since it grants no access.
    pub const OFFLINE_ACCESS: &str = "offline_access";

    /// The scope that the UserInfo endpoint requires
    /// ([OpenID Connect Core section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)).
    /// Every user may request it.
    pub const OPENID: &str = "openid";

    /// Returns the scope [`OPENID`](Self::OPENID).
    pub fn openid() -> Self {
        Self(Self::OPENID.into())
    }

    /// Returns the scope [`OFFLINE_ACCESS`](Self::OFFLINE_ACCESS).
    pub fn offline_access() -> Self {
        Self(Self::OFFLINE_ACCESS.into())
    }

    /// Returns the scope as a string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(InvalidScope(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of scopes in their original order. Clones share the scopes.
///
/// ```
/// use gatepass::Scopes;
///
/// let granted: Scopes = "me items:read me".parse()?;
/// assert_eq!(granted.to_string(), "me items:read");
/// assert!(granted.contains_all(&"me".parse()?));
/// # Ok::<(), gatepass::error::InvalidScope>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(Arc<[Scope]>);

impl Scopes {
    /// Returns whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the scopes.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Returns whether the set contains a scope.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|member| member.as_str() == scope)
    }

    /// Returns whether the set contains all of `others`.
    pub fn contains_all(&self, others: &Self) -> bool {
        others.iter().all(|scope| self.contains(scope.as_str()))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        // Without the hash set, removing duplicates would take quadratic time.
        let mut seen = HashSet::new();
        Self(scopes.into_iter().filter(|scope| seen.insert(scope.clone())).collect())
    }
}

impl FromStr for Scopes {
    type Err = InvalidScope;

    /// Parses scopes separated by white space.
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        text.split_whitespace().map(str::parse).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.0.iter().enumerate() {
            write!(f, "{}{scope}", if position > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

/// The scopes of a user, a client or a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GrantedScopes {
    /// All scopes: the application does not use scopes, as in FastAPI's tutorial, or the client's scopes are not
    /// limited.
    All,
    /// Only these scopes.
    Only(Scopes),
}

impl From<Scopes> for GrantedScopes {
    fn from(scopes: Scopes) -> Self {
        Self::Only(scopes)
    }
}

impl GrantedScopes {
    /// Returns the requested scopes that are granted, or all granted scopes if none is requested. Returns `None` if
    /// none of the requested scopes is granted. [`GrantedScopes::All`] ignores the request and returns itself.
    pub fn grant(&self, requested: &[String]) -> Option<Self> {
        let Self::Only(allowed) = self else { return Some(Self::All) };
        if requested.is_empty() {
            return Some(self.clone());
        }
        let is_requested = |scope: &&Scope| requested.iter().any(|requested| requested == scope.as_str());
        let granted: Scopes = allowed.iter().filter(is_requested).cloned().collect();
        (!granted.is_empty()).then_some(Self::Only(granted))
    }

    /// Returns the scopes that are in both sets.
    pub fn limited_to(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, scopes) | (scopes, Self::All) => scopes.clone(),
            (Self::Only(own), Self::Only(others)) => {
                Self::Only(own.iter().filter(|scope| others.contains(scope.as_str())).cloned().collect())
            }
        }
    }

    /// Returns these scopes with `scope` added.
    pub fn with(&self, scope: Scope) -> Self {
        match self {
            Self::All => Self::All,
            Self::Only(own) => Self::Only(own.iter().cloned().chain([scope]).collect()),
        }
    }

    /// Returns the scopes, separated by spaces, as the value of a `scope` parameter; `None` for [`GrantedScopes::All`].
    pub fn scope(&self) -> Option<String> {
        match self {
            Self::All => None,
            Self::Only(scopes) => Some(scopes.to_string()),
        }
    }

    /// Returns whether all of `scopes` are granted.
    pub fn covers<'a>(&self, scopes: impl IntoIterator<Item = &'a str>) -> bool {
        match self {
            Self::All => true,
            Self::Only(own) => scopes.into_iter().all(|scope| own.contains(scope)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scopes(text: &str) -> GrantedScopes {
        GrantedScopes::Only(text.parse().expect("scopes"))
    }

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn grant_returns_the_intersection_or_all_scopes_if_none_is_requested() {
        let allowed = scopes("me users:read");
        assert_eq!(allowed.grant(&[]), Some(allowed.clone()));
        assert_eq!(allowed.grant(&list("users:read admin")), Some(scopes("users:read")));
        assert_eq!(allowed.grant(&list("admin")), None);
        assert_eq!(scopes("").grant(&[]), Some(scopes("")));
        assert_eq!(GrantedScopes::All.grant(&list("\"")), Some(GrantedScopes::All));
    }

    #[test]
    fn parse_rejects_empty_scopes_and_characters_that_rfc_6749_excludes() {
        for text in ["", "a b", "\"", "\\", "é", "\u{7f}", "\t"] {
            assert!(text.parse::<Scope>().is_err(), "{text:?}");
        }
        assert!("!#[]~".parse::<Scope>().is_ok());
    }

    #[test]
    fn long_scope_list_is_parsed_in_linear_time() {
        // A quadratic algorithm would take many minutes.
        let text: String = (0..400_000).map(|number| format!("s{number} ")).collect();
        assert_eq!(text.repeat(2).parse::<Scopes>().expect("scopes").iter().count(), 400_000);
    }

    proptest! {
        #[test]
        fn grant_returns_only_scopes_that_are_allowed_and_requested(
            allowed in "[a-d ]{0,12}",
            requested in "[a-f ]{0,12}",
        ) {
            let requested = list(&requested);
            if let Some(GrantedScopes::Only(granted)) = scopes(&allowed).grant(&requested) {
                let GrantedScopes::Only(allowed) = scopes(&allowed) else { unreachable!() };
                prop_assert!(allowed.contains_all(&granted));
                let is_requested = |scope: &Scope| requested.contains(&scope.to_string());
                prop_assert!(requested.is_empty() || granted.iter().all(is_requested));
            }
        }

        #[test]
        fn parsing_displayed_scopes_returns_the_same_scopes(text in "[!#-\\[\\]-~ ]{0,40}") {
            let once: Scopes = text.parse().unwrap();
            prop_assert_eq!(once.to_string().parse::<Scopes>().unwrap(), once);
        }
    }
}
