//! Signing in: a username and a password become an access token.

use crate::{
    auth::{
        Auth, GrantError,
        refresh::{RefreshTokens, Refreshing},
        refresh_token::{self, TokenParts},
    },
    domain::{
        backend_error::BackendError,
        client::ClientId,
        event::{Event, EventKind},
        ports::{IssuedToken, NewToken, PasswordCheck, PasswordHasher, TokenService, UserStore},
        scope::{GrantedScopes, Scope},
        secret::{Password, PasswordHash, RefreshToken},
        session::{ClientInfo, NewSession},
        time::Timestamp,
        user::{Account, AuthUser, Username},
    },
};

/// Who wants to sign in, and for what.
#[derive(Debug)]
pub struct SignIn<'a> {
    /// The user's name.
    pub username: &'a Username,
    /// The user's password.
    pub password: &'a Password,
    /// The scopes asked for; none means all that the user has.
    pub scopes: &'a [String],
    /// The client, once it proved itself.
    pub client_id: Option<ClientId>,
    /// Where the request came from.
    pub client_info: &'a ClientInfo,
    /// The moment of the sign-in.
    pub now: Timestamp,
    /// Random bytes: the session and its first refresh token are made of them.
    pub random: [u8; 32],
}

/// What a sign-in gives.
#[derive(Debug)]
pub struct Login {
    /// The access token.
    pub token: IssuedToken,
    /// What it may be used for.
    pub granted_scopes: GrantedScopes,
    /// What the next access token is to be had for, where there is such.
    pub refresh_token: Option<RefreshToken>,
}

/// How often a sign-in begins again whose account was changed under it.
const ATTEMPTS: usize = 2;

impl<S: UserStore, H: PasswordHasher, T: TokenService> Auth<S, H, T> {
    /// Signs a user in: the resource owner password credentials grant
    /// ([RFC 6749 section 4.3](https://www.rfc-editor.org/rfc/rfc6749#section-4.3)).
    ///
    /// # Errors
    /// [`GrantError::IncorrectCredentials`] for an unknown user and for a wrong password alike, in the same
    /// time, and at once for a password that is [not hashable](Password::is_hashable), whoever the user;
    /// [`GrantError::InactiveUser`] and [`GrantError::ScopeNotGranted`] only after the password proved right;
    /// [`GrantError::TooManyAttempts`] for every name alike, where there are [`LoginThrottleLimits`](crate::LoginThrottleLimits).
    pub async fn login(&self, sign_in: SignIn<'_>) -> Result<Login, GrantError> {
        if self.ports.options.policy.password_grant_off {
            return Err(GrantError::PasswordGrantOff);
        }
        let name = sign_in.username.as_str();
        let done = self.guarded(name, sign_in.client_info, sign_in.now, self.sign_in(&sign_in)).await;
        if let Err(error) = &done {
            self.tell_failure(&sign_in, error);
        }
        done
    }

    async fn sign_in(&self, sign_in: &SignIn<'_>) -> Result<Login, GrantError> {
        // Before the store is asked: it is as quick for every name, and tells nothing of any.
        if !sign_in.password.is_hashable() {
            return Err(GrantError::IncorrectCredentials);
        }
        for _ in 0..ATTEMPTS {
            let account = self.prove(sign_in).await?;
            if let Some(login) = self.begin(sign_in, &account).await? {
                return Ok(login);
            }
        }
        Err(GrantError::IncorrectCredentials)
    }

    fn tell_failure(&self, sign_in: &SignIn<'_>, error: &GrantError) {
        let kind = match error {
            GrantError::IncorrectCredentials => EventKind::SignInFailed,
            GrantError::InactiveUser => EventKind::SignInInactive,
            GrantError::TooManyAttempts { .. } => EventKind::SignInBlocked,
            _ => return,
        };
        self.tell(&Event {
            username: Some(sign_in.username),
            client_id: sign_in.client_id.as_ref(),
            ..Event::new(kind, sign_in.client_info, sign_in.now)
        });
    }

    /// The account whose password it is.
    async fn prove(&self, sign_in: &SignIn<'_>) -> Result<Account<S::User>, GrantError> {
        let ports = &*self.ports;
        let account = ports.store.find_by_username(sign_in.username).await?;

        // The dummy_hash keeps the time equal: an unknown user costs one verification, like a known one.
        let hash = account.as_ref().map_or(ports.hasher.dummy_hash(), |account| &account.password_hash);
        let verdict = ports.hasher.verify(sign_in.password, hash).await?;
        let mut account = match (account, verdict) {
            (Some(account), PasswordCheck::Match | PasswordCheck::NeedsRehash) => account,
            _ => return Err(GrantError::IncorrectCredentials),
        };
        if !account.user.is_active() && !ports.options.policy.inactive_users_sign_in {
            return Err(GrantError::InactiveUser);
        }
        if verdict == PasswordCheck::NeedsRehash {
            match self.renew_hash(&account, sign_in.password).await {
                Ok(new) => account.password_hash = new,
                // The password was right all the same; the next sign-in tries again.
                Err(fault) => log::warn!("an outdated hash was not replaced: {fault}"),
            }
        }
        Ok(account)
    }

    async fn renew_hash(
        &self,
        account: &Account<S::User>,
        password: &Password,
    ) -> Result<PasswordHash, BackendError> {
        let new = self.ports.hasher.hash(password).await?;
        self.ports.store.replace_hash(&account.user.subject(), &account.password_hash, &new).await?;
        Ok(new)
    }

    /// What the user may have of what was asked for.
    fn grant(&self, user: &S::User, sign_in: &SignIn<'_>) -> Result<Grant, GrantError> {
        let (own, wanted) = (user.allowed_scopes(), sign_in.scopes);
        let mut refresh_token = None;
        let granted_scopes = match self.refreshing() {
            None => own.grant(wanted),
            Some(Refreshing { settings, .. }) => {
                let is_wanted = wanted.iter().any(|scope| scope == Scope::OFFLINE_ACCESS);
                if is_wanted || settings.issue == RefreshTokens::Always {
                    let end = settings.end(sign_in.now, sign_in.now);
                    refresh_token = Some((refresh_token::first(&sign_in.random), end));
                }
                if is_wanted {
                    let is_permission = |scope: &&String| *scope != Scope::OFFLINE_ACCESS;
                    let wanted: Vec<_> = wanted.iter().filter(is_permission).cloned().collect();
                    own.grant(&wanted).map(|granted| granted.with(Scope::offline_access()))
                } else {
                    own.grant(wanted)
                }
            }
        };
        Ok(Grant { granted_scopes: granted_scopes.ok_or(GrantError::ScopeNotGranted)?, refresh_token })
    }

    /// Issues the tokens, or `None` where the account is not as it was any more.
    async fn begin(
        &self,
        sign_in: &SignIn<'_>,
        account: &Account<S::User>,
    ) -> Result<Option<Login>, GrantError> {
        let ports = &*self.ports;
        let Grant { granted_scopes, refresh_token } = self.grant(&account.user, sign_in)?;
        let order = NewToken {
            subject: account.user.subject(),
            granted_scopes,
            client_id: sign_in.client_id.clone(),
            session_id: ports.options.sessions.as_ref().map(|_| refresh_token::session_id(&sign_in.random)),
            now: sign_in.now,
        };
        let token = ports.tokens.issue(&order).await?;
        if let (Some(sessions), Some(id)) = (&ports.options.sessions, &order.session_id) {
            let parts = refresh_token.as_ref().and_then(|(token, _)| TokenParts::of(token));
            let hashes = parts.map(|parts| (parts.family_hash(), parts.hash()));
            let refresh_end = refresh_token.as_ref().map_or(sign_in.now, |(_, end)| *end);
            let session = NewSession {
                id,
                subject: &order.subject,
                password_hash: &account.password_hash,
                client_id: order.client_id.as_ref(),
                granted_scopes: &order.granted_scopes,
                client_info: sign_in.client_info,
                now: sign_in.now,
                expires_at: token.expires_in.map(|lifetime| refresh_end.max(sign_in.now + lifetime)),
                refresh_token: hashes.as_ref().map(|(family, first)| (family, first)),
            };
            if !sessions.begin(&session).await? {
                return Ok(None);
            }
        }
        self.tell(&Event {
            username: Some(sign_in.username),
            subject: Some(&order.subject),
            client_id: order.client_id.as_ref(),
            session_id: order.session_id.as_ref(),
            ..Event::new(EventKind::SignedIn, sign_in.client_info, sign_in.now)
        });
        let refresh_token = refresh_token.map(|(token, _)| token);
        Ok(Some(Login { token, granted_scopes: order.granted_scopes, refresh_token }))
    }
}

struct Grant {
    granted_scopes: GrantedScopes,
    /// The first one of a session, and when it ends, where one is due.
    refresh_token: Option<(RefreshToken, Timestamp)>,
}
