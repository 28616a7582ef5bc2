//! `WWW-Authenticate`: the challenge to send a token or client credentials.

use std::fmt;

/// A challenge ([RFC 9110 section 11.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1)), its parameters
/// separated by commas.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Challenge<'a> {
    /// The token is missing or not valid, in FastAPI's format: without the parameters that RFC 6750 requires.
    Bearer,
    /// A token is required. A request without one gets no `error`
    /// ([RFC 6750 section 3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    NoToken,
    /// The token is not valid.
    InvalidToken,
    /// The token does not have all of these required scopes.
    InsufficientScope(&'a str),
    /// Client credentials are required.
    Basic,
}

impl fmt::Display for Challenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer => f.write_str("Bearer"),
            Self::NoToken => f.write_str(r#"Bearer realm="api""#),
            Self::InvalidToken => f.write_str(r#"Bearer realm="api", error="invalid_token""#),
            Self::InsufficientScope(scope) => {
                write!(f, r#"Bearer realm="api", error="insufficient_scope", scope="{scope}""#)
            }
            Self::Basic => f.write_str(r#"Basic realm="token", charset="UTF-8""#),
        }
    }
}
