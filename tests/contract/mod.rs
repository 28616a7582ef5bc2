//! The contract tests, run on every store.

mod sessions;
mod sql;
mod sql_changes;
mod sql_faults;
mod sql_sessions;
mod use_cases;
mod users;

use crate::support::doubles;
use gatepass::{
    Account, AuthUser, BackendError, PasswordHash, Subject, UserStore, Username,
    tutorial::{TutorialUser, TutorialUsers},
};

#[actix_web::test]
async fn tutorial_users_keep_the_contract() {
    users::holds(TutorialUsers::default(), ["johndoe", "alice"]).await;
}

#[actix_web::test]
async fn store_of_another_user_model_keeps_the_contract() {
    users::holds(doubles::Members::default(), ["johndoe@example.com", "alice@example.com"]).await;
}

#[actix_web::test]
async fn tutorial_users_are_those_of_the_tutorial() {
    let users = TutorialUsers::default();
    for (name, hash, active) in [("johndoe", "fakehashedsecret", true), ("alice", "fakehashedsecret2", false)]
    {
        let account = users.find_by_username(&Username::new(name).unwrap()).await.unwrap().unwrap();
        assert_eq!(account.password_hash.expose(), hash);
        assert_eq!((account.user.subject(), account.user.is_active()), (Subject::new(name).unwrap(), active));
    }
}

/// Loses every new hash.
struct Forgetful(TutorialUsers);

impl UserStore for Forgetful {
    type User = TutorialUser;

    async fn find_by_username(
        &self,
        username: &Username,
    ) -> Result<Option<Account<TutorialUser>>, BackendError> {
        self.0.find_by_username(username).await
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<TutorialUser>, BackendError> {
        self.0.find_by_subject(subject).await
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

#[actix_web::test]
#[should_panic(expected = "replaced")]
async fn store_that_loses_hashes_breaks_the_contract() {
    users::holds(Forgetful(TutorialUsers::default()), ["johndoe", "alice"]).await;
}
