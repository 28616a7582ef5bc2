//! An `Auth` with one member and the Argon2 hasher.

use gatepass::{
    Account, Auth, AuthError, ClientInfo, ErrorFormat, GrantedScopes, PasswordHash, passwords::Argon2Hasher,
    tutorial::InsecureSubjectTokens,
};

use crate::support::doubles::{Member, Members};

/// The username of the only member.
pub const NAME: &str = "johndoe@example.com";

/// Returns a store with one account, which has this password hash.
pub fn members(hash: impl Into<PasswordHash>) -> Members {
    Members::new(vec![account(1, NAME, hash)])
}

pub fn account(id: u64, name: &str, hash: impl Into<PasswordHash>) -> Account<Member> {
    let user = Member { id, email: name.to_owned(), suspended: false, granted_scopes: GrantedScopes::All };
    Account { user, password_hash: hash.into() }
}

pub fn auth(members: &Members, hasher: Argon2Hasher) -> Auth<Member> {
    let auth = Auth::builder(members.clone()).passwords(hasher).tokens(InsecureSubjectTokens);
    auth.without_login_throttle().error_format(ErrorFormat::FastApi).build().expect("compatible options")
}

/// Verifies a password as a sign-in does, and returns whether the credentials are correct.
///
/// # Errors
/// Any error other than invalid credentials.
pub async fn sign_in(auth: &Auth<Member>, name: &str, password: &str) -> Result<bool, AuthError> {
    match auth.verify_password(name, &password.into(), &ClientInfo::default()).await {
        Ok(_) => Ok(true),
        Err(AuthError::InvalidCredentials) => Ok(false),
        Err(error) => Err(error),
    }
}
