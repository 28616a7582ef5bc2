//! An `Auth` with one member and the Argon2 hasher.

use gatepass::{
    Account, Auth, AuthError, ClientInfo, ErrorFormat, GrantedScopes, PasswordHash, passwords::Argon2Hasher,
    tutorial::InsecureSubjectTokens,
};

use crate::support::doubles::{Member, Members};

/// The username of the only member.
pub const NAME: &str = "johndoe@example.com";

/// Returns members with one account that has this stored hash.
pub fn members(hash: impl Into<PasswordHash>) -> Members {
    let (email, granted_scopes) = (NAME.to_owned(), GrantedScopes::All);
    let user = Member { id: 1, email, suspended: false, granted_scopes };
    Members::new(vec![Account { user, password_hash: hash.into() }])
}

pub fn auth(members: &Members, hasher: Argon2Hasher) -> Auth<Member> {
    let auth = Auth::builder(members.clone()).passwords(hasher).tokens(InsecureSubjectTokens);
    auth.without_login_throttle().error_format(ErrorFormat::FastApi).build().expect("compatible parts")
}

/// Verifies a password as a sign-in does, and returns whether the credentials are right.
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
