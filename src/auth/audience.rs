//! The audiences of tokens ([RFC 8707](https://www.rfc-editor.org/rfc/rfc8707)).

use crate::{
    auth::{Auth, AuthError},
    domain::{claims::Audience, client::Client, session::TokenFamily, user::AuthUser},
};

impl<U: AuthUser> Auth<U> {
    /// Returns the audiences for the tokens of a sign-in: the requested audiences or, if none is requested, the first
    /// one that the client may have. The list is empty if the application has not set any audiences; the token is then
    /// for the issuer's own audience.
    pub(super) fn audiences(
        &self,
        client: &Client,
        requested: &[String],
    ) -> Result<Vec<Audience>, AuthError> {
        let mut allowed = self.allowed_audiences(client);
        if requested.is_empty() {
            allowed.truncate(1);
        }
        self.restrict(allowed, client, requested)
    }

    /// Returns the audiences for the tokens of a refresh: those of the sign-in that the client may still have. If
    /// audiences are requested, returns only these.
    pub(super) fn audiences_to_refresh(
        &self,
        family: &TokenFamily,
        client: &Client,
        requested: &[String],
    ) -> Result<Vec<Audience>, AuthError> {
        let mut allowed = self.allowed_audiences(client);
        if family.audiences.is_empty() {
            // An older version of Gatepass opened the session, or no audiences were set at that time.
            allowed.truncate(1);
        } else {
            allowed.retain(|audience| family.audiences.contains(audience));
            if allowed.is_empty() && requested.is_empty() {
                // No further refresh can succeed: the client has to sign in again.
                return Err(AuthError::InvalidRefreshToken);
            }
        }
        self.restrict(allowed, client, requested)
    }

    /// Returns the audiences of this application that the client may request tokens for. The first is the default.
    fn allowed_audiences(&self, client: &Client) -> Vec<Audience> {
        let known = &self.0.rules.audiences;
        match &client.audiences {
            None => known.clone(),
            Some(listed) => listed.iter().filter(|audience| known.contains(audience)).cloned().collect(),
        }
    }

    fn restrict(
        &self,
        mut allowed: Vec<Audience>,
        client: &Client,
        requested: &[String],
    ) -> Result<Vec<Audience>, AuthError> {
        let is_allowed = |name: &String| allowed.iter().any(|audience| audience.as_str() == name);
        // A client that may not have any audience of this application must not get a token for the issuer instead.
        let has_none = allowed.is_empty() && client.audiences.is_some();
        if has_none || !requested.iter().all(is_allowed) {
            return Err(AuthError::InvalidTarget);
        }
        if !requested.is_empty() {
            allowed.retain(|audience| requested.iter().any(|name| audience.as_str() == name));
        }
        Ok(allowed)
    }
}
