//! Sign-ins that the application authenticates itself.

use crate::{
    auth::{
        Auth, AuthError,
        grants::{AuthenticatedRequest, GrantType, SignedIn, password::ATTEMPTS},
    },
    domain::{
        client::{Client, ClientInfo},
        event::{Event, EventKind},
        ports::UserStore,
        user::{AuthUser, Subject},
    },
};

/// A sign-in of a user that your application has authenticated by other means than a password, such as a passkey, a
/// link in an email, or another identity provider.
#[derive(Debug)]
pub struct ExternalSignIn<'a> {
    /// The user.
    pub subject: &'a Subject,
    /// The requested scopes; an empty list requests all scopes of the user that the client may have.
    pub scopes: &'a [String],
    /// The requested audiences; an empty list requests the default audience.
    pub audiences: &'a [String],
    /// The authenticated client, which must be allowed to use the password grant; `None` for the default client.
    pub client: Option<&'a Client>,
    /// The sender of the request.
    pub client_info: &'a ClientInfo,
}

impl<U: AuthUser> Auth<U> {
    /// Signs in a user that your application has authenticated: issues tokens and opens a session, as
    /// [`sign_in`](Self::sign_in) does. **It does not verify any credentials.** It works without a password hasher, and
    /// even if the password grant is off.
    ///
    /// - Attempts are not throttled: limit them in your application, for example with [`check_rate`](Self::check_rate).
    /// - A sign-in emits [`EventKind::SignedIn`], as a sign-in with a password does. No event is emitted for an unknown
    ///   subject.
    /// - If the user's password changes between your check and this call, the session still opens. Call this function
    ///   immediately after your check.
    ///
    /// # Errors
    /// - [`AuthError::InvalidCredentials`] if the user does not exist, [`AuthError::InactiveUser`] if the user is not
    ///   active.
    /// - [`AuthError::InvalidClient`] if a registered client is required and `client` is `None`,
    ///   [`AuthError::UnauthorizedClient`] if the client may not use the password grant.
    /// - [`AuthError::ScopeNotGranted`] if none of the requested scopes can be granted.
    /// - [`AuthError::InvalidTarget`] if a requested audience is unknown or not allowed for the client.
    /// - [`AuthError::NotConfigured`] if no token issuer is set.
    /// - [`AuthError::Backend`] if a store or the token service fails.
    pub async fn sign_in_external(&self, sign_in: ExternalSignIn<'_>) -> Result<SignedIn<U>, AuthError> {
        let ExternalSignIn { subject, scopes, audiences, client, client_info } = sign_in;
        let client = self.client_for(client, GrantType::Password)?;
        let owner = self.owner(subject.clone());
        for _ in 0..ATTEMPTS {
            // The version is read before the user, so that no session opens if the user is disabled from here on.
            let credentials_version = self.credentials_version(&owner).await?;
            let user = self.0.users.find_by_subject(subject).await?.ok_or(AuthError::InvalidCredentials)?;
            if !user.is_active() && !self.0.rules.inactive_users_sign_in {
                let event = Event::new(EventKind::SignInInactive, client_info, self.now());
                self.emit(&Event { subject: Some(subject), client_id: self.stored_id(&client), ..event });
                return Err(AuthError::InactiveUser);
            }
            let request = AuthenticatedRequest {
                user: Some(&user),
                username: None,
                credentials_version,
                scopes,
                audiences,
                client: &client,
                client_info,
            };
            if let Some(tokens) = self.start_session(&request).await? {
                return Ok(SignedIn { user, tokens });
            }
        }
        Err(AuthError::InvalidCredentials)
    }
}
