//! The rules of signing in that are a matter of choice.

use crate::domain::error_format::ErrorFormat;

/// Rules of an [`Auth`](crate::Auth). The default ones are FastAPI's, but for inactive users.
///
/// ```
/// use gatepass::{ErrorFormat, Policy};
///
/// let policy = Policy { error_format: ErrorFormat::OAuth2, require_grant_type: true, ..Policy::default() };
/// ```
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// How errors are worded.
    pub error_format: ErrorFormat,
    /// Gives inactive users a token too, as FastAPI's tutorial does; whatever asks for an
    /// [`ActiveUser`](crate::ActiveUser) still refuses them.
    pub inactive_users_sign_in: bool,
    /// Refuses a sign-in without `grant_type=password`.
    pub require_grant_type: bool,
    /// Refuses a sign-in without a client that proves itself.
    pub require_client: bool,
    /// Refuses every sign-in with a password: tokens are recognised and none is issued.
    pub password_grant_off: bool,
}
