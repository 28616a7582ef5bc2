//! The password grant ([RFC 6749 section 4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)).

use crate::{
    auth::{
        Auth, AuthError,
        grants::{AuthenticatedRequest, GrantRequest, GrantType, Parameter, SignedIn, Tokens},
    },
    domain::{
        client::{Client, ClientInfo},
        event::{Event, EventKind},
        secret::Password,
        session::{CredentialsVersion, SessionStore},
        user::AuthUser,
    },
};

pub(super) const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "username",
        description: "The username.",
        example: Some("johndoe"),
        is_password: false,
    },
    Parameter { name: "password", description: "The password.", example: Some("secret"), is_password: true },
];

pub(super) fn is_enabled<U: AuthUser>(auth: &Auth<U>) -> bool {
    auth.0.hasher.is_some() && !auth.0.rules.password_grant_off
}

pub(super) async fn grant<U: AuthUser>(
    auth: &Auth<U>,
    mut request: GrantRequest,
) -> Result<Tokens, AuthError> {
    let (username, password) = (request.take("username"), Password::from(request.take("password")));
    let sign_in = SignIn {
        username: &username,
        password: &password,
        scopes: &request.scopes,
        audiences: &request.audiences,
        client: Some(&request.client),
        client_info: &request.client_info,
    };
    Ok(auth.sign_in_within_rate(sign_in).await?.tokens)
}

/// A sign-in with a password.
#[derive(Debug)]
pub struct SignIn<'a> {
    /// The username as it was sent.
    pub username: &'a str,
    /// The password.
    pub password: &'a Password,
    /// The requested scopes; an empty list requests all scopes of the user that the client may have.
    pub scopes: &'a [String],
    /// The requested audiences; an empty list requests the default.
    pub audiences: &'a [String],
    /// The authenticated client; `None` for the default client.
    pub client: Option<&'a Client>,
    /// The sender of the request.
    pub client_info: &'a ClientInfo,
}

/// The maximum number of attempts if the account is changed concurrently.
const ATTEMPTS: usize = 3;

impl<U: AuthUser> Auth<U> {
    /// Signs a user in with a password.
    ///
    /// # Errors
    /// - Those of [`verify_password`](Self::verify_password).
    /// - [`AuthError::UnsupportedGrant`] if the password grant is off or no password hasher is set.
    /// - [`AuthError::InvalidClient`] if a registered client is required and none authenticated,
    ///   [`AuthError::UnauthorizedClient`] if the client may not use the password grant.
    /// - [`AuthError::ScopeNotGranted`] and [`AuthError::InvalidTarget`] only if the password is right.
    pub async fn sign_in(&self, sign_in: SignIn<'_>) -> Result<SignedIn<U>, AuthError> {
        self.check_rate(sign_in.client_info).await?;
        self.sign_in_within_rate(sign_in).await
    }

    /// Signs a user in if the rate of requests was checked before.
    async fn sign_in_within_rate(&self, sign_in: SignIn<'_>) -> Result<SignedIn<U>, AuthError> {
        if !is_enabled(self) {
            return Err(AuthError::UnsupportedGrant);
        }
        let client = self.client_for(sign_in.client, GrantType::Password)?;
        let result = self.try_sign_in(&sign_in, &client).await;
        let kind = match &result {
            Err(AuthError::InvalidCredentials) => EventKind::SignInFailed,
            Err(AuthError::InactiveUser) => EventKind::SignInInactive,
            Err(AuthError::TooManyAttempts { .. }) => EventKind::SignInBlocked,
            _ => return result,
        };
        self.emit(&Event {
            username: Some(sign_in.username),
            client_id: self.stored_id(&client),
            ..Event::new(kind, sign_in.client_info, self.now())
        });
        result
    }

    async fn try_sign_in(&self, sign_in: &SignIn<'_>, client: &Client) -> Result<SignedIn<U>, AuthError> {
        for _ in 0..ATTEMPTS {
            let SignIn { username, password, client_info, .. } = sign_in;
            let verified = self.verify_account(username, password, client_info).await?;
            let mut version = CredentialsVersion::default();
            if let Some(sessions) = &self.0.sessions {
                // A password change from here on raises the version. To detect an earlier one, the account is read
                // again.
                let owner = self.owner(verified.account.user.subject());
                version = sessions.store.credentials_version(&owner).await?;
                if !self.is_unchanged(username, &verified).await? {
                    continue;
                }
            }
            let password_hash = verified.password_hash().clone();
            let user = verified.account.user;
            let request = AuthenticatedRequest {
                user: Some(&user),
                username: Some(username),
                credentials_version: version,
                scopes: sign_in.scopes,
                audiences: sign_in.audiences,
                client,
                client_info,
            };
            if let Some(mut tokens) = self.start_session(&request).await? {
                match self.device_cookie(&user.subject(), &password_hash, client_info).await {
                    Ok(cookie) => tokens.device_cookie = cookie,
                    // Not fatal: the device is unknown at the next sign-in.
                    Err(error) => log::warn!("cannot create a device cookie: {error}"),
                }
                return Ok(SignedIn { user, tokens });
            }
        }
        Err(AuthError::InvalidCredentials)
    }
}
