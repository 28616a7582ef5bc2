//! Two kinds of users whose tokens are signed with the same keys.

use gatepass::{
    Account, Auth, AuthUser, BackendError, GrantedScopes, PasswordHash, Subject, UserStore, Username,
    jwt::SigningAlgorithm,
};
use serde::Serialize;

use crate::{
    support::{
        doubles::{AgeingHasher, Members},
        service::spawn,
    },
    tokens::service::{Tokens, now, serve, sign_in, users_me},
};

/// Staff have the ids and names of members.
#[derive(Clone, Serialize)]
struct Staff {
    id: u64,
}

impl AuthUser for Staff {
    fn subject(&self) -> Subject {
        self.id.into()
    }

    fn is_active(&self) -> bool {
        true
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::All
    }
}

struct StaffTable(Members);

impl UserStore for StaffTable {
    type User = Staff;

    async fn find_by_username(&self, username: &Username) -> Result<Option<Account<Staff>>, BackendError> {
        let member = self.0.find_by_username(username).await?;
        Ok(member
            .map(|Account { user, password_hash }| Account { user: Staff { id: user.id }, password_hash }))
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Staff>, BackendError> {
        Ok(self.0.find_by_subject(subject).await?.map(|member| Staff { id: member.id }))
    }

    async fn replace_hash(
        &self,
        _: &Subject,
        _: &PasswordHash,
        _: &PasswordHash,
    ) -> Result<(), BackendError> {
        Ok(())
    }
}

#[test]
fn tokens_of_one_kind_of_user_are_refused_for_another() {
    for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Hs256] {
        let tokens = Tokens::open(algorithm, now());
        let members = serve(&tokens.tokens);
        let staff = Auth::builder(StaffTable(Members::default()))
            .passwords(AgeingHasher::default())
            .tokens(tokens.tokens.clone())
            .build()
            .expect("parts that fit together");
        let document = staff.openapi();
        let staff = spawn(staff, document);

        let (of_member, of_staff) = (sign_in(members), sign_in(staff));
        assert_eq!(users_me(members, &of_member).json()["id"], 1);
        assert_eq!(users_me(staff, &of_staff).json()["id"], 1);
        assert_eq!(users_me(staff, &of_member).status, 401);
        assert_eq!(users_me(members, &of_staff).status, 401);
    }
}
