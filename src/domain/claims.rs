//! What an access token says.

use crate::domain::user::Subject;

/// What a genuine access token says about its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// Whom the token was issued to.
    pub subject: Subject,
}

impl Claims {
    /// The claims of a token that says whose it is.
    pub fn new(subject: Subject) -> Self {
        Self { subject }
    }
}
