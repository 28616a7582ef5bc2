//! The password grant ([RFC 6749 section 4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)).

use crate::{
    auth::{
        Auth, AuthError,
        grants::{AuthenticatedRequest, GrantRequest, GrantType, Parameter, SignedIn, Tokens},
    },
    domain::{
        client::{Client, ClientInfo},
        event::{Event, EventKind},
        secret::{DeviceCookie, Password},
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
    Ok(SignedIn::from(auth.sign_in_within_rate(sign_in, &IssueTokens).await?).tokens)
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
    /// The requested audiences; an empty list requests the default audience.
    pub audiences: &'a [String],
    /// The authenticated client; `None` for the default client.
    pub client: Option<&'a Client>,
    /// The sender of the request.
    pub client_info: &'a ClientInfo,
}

/// The last step of a sign-in, which opens the session.
pub(super) trait Start<U: AuthUser> {
    /// The credentials for later requests: tokens or a cookie.
    type Credentials;

    /// Opens the session. Returns `None` if the user's credentials were changed concurrently.
    fn start(
        &self,
        auth: &Auth<U>,
        request: &AuthenticatedRequest<'_, U>,
    ) -> impl Future<Output = Result<Option<Self::Credentials>, AuthError>> + Send;
}

struct IssueTokens;

impl<U: AuthUser> Start<U> for IssueTokens {
    type Credentials = Tokens;

    async fn start(
        &self,
        auth: &Auth<U>,
        request: &AuthenticatedRequest<'_, U>,
    ) -> Result<Option<Tokens>, AuthError> {
        auth.start_session(request).await
    }
}

/// A session that a sign-in started.
pub(crate) struct Started<U, T> {
    user: U,
    pub(crate) credentials: T,
    pub(crate) device_cookie: Option<DeviceCookie>,
}

impl<U> From<Started<U, Tokens>> for SignedIn<U> {
    fn from(Started { user, credentials, device_cookie }: Started<U, Tokens>) -> Self {
        Self { user, tokens: Tokens { device_cookie, ..credentials } }
    }
}

/// The maximum number of attempts per sign-in. A sign-in is retried if its account is changed concurrently.
pub(super) const ATTEMPTS: usize = 3;

impl<U: AuthUser> Auth<U> {
    /// Signs a user in with a password.
    ///
    /// # Errors
    /// - The errors of [`verify_password`](Self::verify_password).
    /// - [`AuthError::UnsupportedGrant`] if the password grant is off or no password hasher is set.
    /// - [`AuthError::InvalidClient`] if a registered client is required and `client` is `None`,
    ///   [`AuthError::UnauthorizedClient`] if the client may not use the password grant.
    /// - [`AuthError::ScopeNotGranted`] and [`AuthError::InvalidTarget`] only if the password is right.
    pub async fn sign_in(&self, sign_in: SignIn<'_>) -> Result<SignedIn<U>, AuthError> {
        self.check_rate(sign_in.client_info).await?;
        Ok(self.sign_in_within_rate(sign_in, &IssueTokens).await?.into())
    }

    /// Signs a user in. The caller must have checked the request rate.
    pub(super) async fn sign_in_within_rate<T: Start<U>>(
        &self,
        sign_in: SignIn<'_>,
        last_step: &T,
    ) -> Result<Started<U, T::Credentials>, AuthError> {
        if !is_enabled(self) {
            return Err(AuthError::UnsupportedGrant);
        }
        let client = self.client_for(sign_in.client, GrantType::Password)?;
        let result = self.try_sign_in(&sign_in, &client, last_step).await;
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

    async fn try_sign_in<T: Start<U>>(
        &self,
        sign_in: &SignIn<'_>,
        client: &Client,
        last_step: &T,
    ) -> Result<Started<U, T::Credentials>, AuthError> {
        for _ in 0..ATTEMPTS {
            let SignIn { username, password, client_info, .. } = sign_in;
            let verified = self.verify_account(username, password, client_info).await?;
            // A password change from here on raises the version. To detect an earlier change, the account is read
            // again.
            let owner = self.owner(verified.account.user.subject());
            let credentials_version = self.credentials_version(&owner).await?;
            if self.has_sessions() && !self.is_unchanged(username, &verified).await? {
                continue;
            }
            let password_hash = verified.password_hash().clone();
            let user = verified.account.user;
            let request = AuthenticatedRequest {
                user: Some(&user),
                username: Some(username),
                credentials_version,
                scopes: sign_in.scopes,
                audiences: sign_in.audiences,
                client,
                client_info,
            };
            if let Some(credentials) = last_step.start(self, &request).await? {
                let device_cookie = self.device_cookie(&user.subject(), &password_hash, client_info).await;
                // Not fatal: without the cookie, the device is unknown at the next sign-in.
                let device_cookie = device_cookie
                    .inspect_err(|error| log::warn!("cannot create a device cookie: {error}"))
                    .unwrap_or_default();
                return Ok(Started { user, credentials, device_cookie });
            }
        }
        Err(AuthError::InvalidCredentials)
    }
}
