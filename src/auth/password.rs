//! Passwords: verifying, hashing and changing them.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    auth::{Auth, AuthError, throttle::Target},
    domain::{
        backend_error::BackendError,
        client::ClientInfo,
        event::{Event, EventKind},
        ports::{
            DynPasswordHasher, PasswordCheck, PasswordHasher, PasswordPolicy, PasswordStore, UserStore,
            WeakPassword,
        },
        secret::{Password, PasswordHash},
        user::{Account, AuthUser, Subject, Username},
    },
};

/// A request to change a user's password.
#[derive(Debug)]
pub struct PasswordChange<'a, U> {
    /// The user.
    pub user: &'a U,
    /// The current password.
    pub current: &'a Password,
    /// The new password.
    pub new: &'a Password,
    /// The sender of the request.
    pub client_info: &'a ClientInfo,
}

/// An account whose password was verified.
pub(super) struct VerifiedAccount<U> {
    pub(super) account: Account<U>,
    /// The hash that replaced an outdated one, if any.
    renewed: Option<PasswordHash>,
}

impl<U> VerifiedAccount<U> {
    /// Returns the hash that is stored now.
    pub(super) fn password_hash(&self) -> &PasswordHash {
        self.renewed.as_ref().unwrap_or(&self.account.password_hash)
    }
}

/// A password change in progress. Its entry in `Inner::password_changes` is removed on drop.
struct PasswordChangeInProgress<'a> {
    subjects: &'a Mutex<HashSet<Subject>>,
    subject: Subject,
}

impl Drop for PasswordChangeInProgress<'_> {
    fn drop(&mut self) {
        lock(self.subjects).remove(&self.subject);
    }
}

fn lock(subjects: &Mutex<HashSet<Subject>>) -> MutexGuard<'_, HashSet<Subject>> {
    subjects.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<U: AuthUser> Auth<U> {
    /// Verifies a username and a password, and returns the user. Replaces an outdated hash.
    ///
    /// # Errors
    /// - [`AuthError::InvalidCredentials`] for an unknown user or a wrong password, with the same response time;
    ///   immediately for a password that is [not hashable](Password::is_hashable).
    /// - [`AuthError::InactiveUser`] only if the password is right.
    /// - [`AuthError::TooManyAttempts`] after too many failed attempts or requests, whether or not the user exists.
    /// - [`AuthError::NotConfigured`] if no password hasher is set.
    /// - [`AuthError::Backend`] if a store or the hasher fails.
    pub async fn verify_password(
        &self,
        username: &str,
        password: &Password,
        client_info: &ClientInfo,
    ) -> Result<U, AuthError> {
        self.check_rate(client_info).await?;
        Ok(self.verify_account(username, password, client_info).await?.account.user)
    }

    pub(super) async fn verify_account(
        &self,
        username: &str,
        password: &Password,
        client_info: &ClientInfo,
    ) -> Result<VerifiedAccount<U>, AuthError> {
        // The attempt is not counted as failed: no account has such a password. The check precedes the lookup, so that
        // the response time does not depend on the username.
        if !password.is_hashable() {
            return Err(AuthError::InvalidCredentials);
        }
        let hasher = self.hasher()?;
        let account = match Username::new(username) {
            Ok(username) => self.0.users.find_by_username(&username).await?,
            Err(_) => None,
        };
        let subject = account.as_ref().map(|account| account.user.subject());
        let target = match (&subject, &account) {
            (Some(subject), Some(account)) => Target::User(subject, &account.password_hash),
            _ => Target::Username(username),
        };
        let verified = self
            .throttled(target, client_info, async {
                // The dummy hash keeps response times equal.
                let hash = account.as_ref().map_or(hasher.dummy_hash(), |account| &account.password_hash);
                let check = hasher.verify(password, hash).await?;
                let account = match account.clone() {
                    Some(account) if check != PasswordCheck::Mismatch => account,
                    _ => return Err(AuthError::InvalidCredentials),
                };
                if !account.user.is_active() && !self.0.rules.inactive_users_sign_in {
                    return Err(AuthError::InactiveUser);
                }
                let mut renewed = None;
                if check == PasswordCheck::NeedsRehash {
                    match self.renew_hash(hasher, &account, password).await {
                        Ok(hash) => renewed = Some(hash),
                        // Not fatal: the password is right, and the next sign-in tries again.
                        Err(error) => {
                            let subject = account.user.subject();
                            log::warn!(
                                "cannot replace the outdated password hash of user {subject}: {error}"
                            );
                        }
                    }
                }
                Ok(VerifiedAccount { account, renewed })
            })
            .await?;
        if let Some(hash) = &verified.renewed {
            self.remember_network(&verified.account.user.subject(), hash, client_info).await;
        }
        Ok(verified)
    }

    async fn renew_hash(
        &self,
        hasher: &DynPasswordHasher<'static>,
        account: &Account<U>,
        password: &Password,
    ) -> Result<PasswordHash, BackendError> {
        let new = hasher.hash(password).await?;
        self.0.users.replace_hash(&account.user.subject(), &account.password_hash, &new).await?;
        Ok(new)
    }

    /// Returns whether the account is unchanged since its password was verified.
    pub(super) async fn is_unchanged(
        &self,
        username: &str,
        verified: &VerifiedAccount<U>,
    ) -> Result<bool, AuthError> {
        let Ok(username) = Username::new(username) else { return Ok(false) };
        let Some(now) = self.0.users.find_by_username(&username).await? else { return Ok(false) };
        let VerifiedAccount { account, renewed } = verified;
        let has_hash =
            now.password_hash == account.password_hash || Some(&now.password_hash) == renewed.as_ref();
        Ok(has_hash
            && now.user.subject() == account.user.subject()
            && now.user.is_active() == account.user.is_active())
    }

    /// Checks a new password against the password policy and hashes it. `context` contains words that attackers may
    /// know about the user, such as the username and the email address.
    ///
    /// # Errors
    /// - [`AuthError::WeakPassword`] if the policy rejects the password.
    /// - [`AuthError::NotConfigured`] if no password hasher is set.
    /// - [`AuthError::Backend`] if the policy or the hasher fails.
    pub async fn hash_password(
        &self,
        password: &Password,
        context: &[&str],
    ) -> Result<PasswordHash, AuthError> {
        self.check_new_password(password, context).await?;
        Ok(self.hasher()?.hash(password).await?)
    }

    async fn check_new_password(&self, password: &Password, context: &[&str]) -> Result<(), AuthError> {
        let checked = match &self.0.password_policy {
            Some(policy) => policy.check(password, context).await?,
            None => WeakPassword::check_length(password, WeakPassword::MIN_CHARACTERS),
        };
        // A policy may accept empty and overlong passwords, which no hasher accepts.
        checked.and_then(|()| WeakPassword::check_length(password, 1)).map_err(AuthError::WeakPassword)
    }

    /// Changes a user's password and ends all sessions of the user. The current password is verified first.
    ///
    /// # Errors
    /// - [`AuthError::IncorrectPassword`] if the current password is wrong or was changed concurrently.
    /// - [`AuthError::TooManyAttempts`] after too many failed attempts or requests, and while another change of this
    ///   user's password is in progress.
    /// - [`AuthError::WeakPassword`] if the policy rejects the new password, or if it is the current one.
    /// - [`AuthError::NotConfigured`] if [`AuthBuilder::password_changes`](crate::auth::AuthBuilder::password_changes)
    ///   was not called.
    /// - [`AuthError::Backend`] if a store, the policy or the hasher fails. In that case, the password may already have
    ///   been changed.
    pub async fn change_password(&self, change: PasswordChange<'_, U>) -> Result<(), AuthError> {
        self.check_rate(change.client_info).await?;
        let _in_progress = self.start_password_change(change.user.subject())?;
        let result = self.try_change_password(&change).await;
        if let Err(AuthError::IncorrectPassword | AuthError::TooManyAttempts { .. }) = &result {
            self.emit_password_event(EventKind::PasswordChangeFailed, &change);
        }
        result
    }

    /// Starts a password change, unless another one is in progress for this user: a user must not be able to fill the
    /// hasher's queue, which all sign-ins share.
    fn start_password_change(&self, subject: Subject) -> Result<PasswordChangeInProgress<'_>, AuthError> {
        let subjects = &self.0.password_changes;
        if lock(subjects).insert(subject.clone()) {
            Ok(PasswordChangeInProgress { subjects, subject })
        } else {
            Err(AuthError::TooManyAttempts { retry_after: Duration::from_secs(1) })
        }
    }

    fn emit_password_event(&self, kind: EventKind, change: &PasswordChange<'_, U>) {
        let event = Event::new(kind, change.client_info, self.now());
        self.emit(&Event { subject: Some(&change.user.subject()), ..event });
    }

    async fn try_change_password(&self, change: &PasswordChange<'_, U>) -> Result<(), AuthError> {
        let PasswordChange { user, current, new, client_info } = change;
        let (subject, now) = (user.subject(), self.now());
        let store = self.0.passwords.as_ref().ok_or(AuthError::NotConfigured("a password store"))?;
        let old = store.find_hash(&subject).await?.ok_or(AuthError::IncorrectPassword)?;
        let verify = async {
            if !current.is_hashable() {
                return Err(AuthError::IncorrectPassword);
            }
            let turn = self.0.password_change_turn.lock().await;
            match self.hasher()?.verify(current, &old).await? {
                PasswordCheck::Mismatch => Err(AuthError::IncorrectPassword),
                PasswordCheck::Match | PasswordCheck::NeedsRehash => Ok(turn),
            }
        };
        let turn = self.throttled(Target::User(&subject, &old), client_info, verify).await?;
        let context = self.0.password_context.as_ref().map_or_else(Vec::new, |context| context(user));
        let context: Vec<_> = context.iter().map(String::as_str).collect();
        self.check_new_password(new, &context).await?;
        // The hasher compares the passwords, because it may treat different strings as the same password.
        if self.hasher()?.verify(new, &old).await? != PasswordCheck::Mismatch {
            return Err(AuthError::WeakPassword(WeakPassword::Unchanged));
        }
        let new = self.hasher()?.hash(new).await?;
        drop(turn);
        // Sessions end before the change, so that they do not survive it even if the second call to `end_all` fails.
        // The second call ends sessions that were opened in between. If it fails, the change must not be reported as a
        // success.
        self.end_all(&subject, now).await?;
        if !store.change_password(&subject, &old, &new, now).await? {
            return Err(AuthError::IncorrectPassword);
        }
        self.emit_password_event(EventKind::PasswordChanged, change);
        // The user has just entered the password: failed attempts by strangers must not lock out this network.
        self.remember_network(&subject, &new, client_info).await;
        Ok(self.end_all(&subject, now).await?)
    }

    fn hasher(&self) -> Result<&DynPasswordHasher<'static>, AuthError> {
        self.0.hasher.as_deref().ok_or(AuthError::NotConfigured("a password hasher"))
    }
}
