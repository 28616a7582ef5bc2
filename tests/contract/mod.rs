//! The contracts of stores, and the SQL stores.

mod sessions;
mod sql;
mod sql_changes;
mod sql_faults;
mod sql_sessions;
mod use_cases;
mod users;

use crate::support::doubles::Members;
use gatepass::{AuthUser, Subject, UserStore, Username, tutorial::TutorialUsers};

#[actix_web::test]
async fn tutorial_users_fulfill_the_contract() {
    users::assert_contract(TutorialUsers::default(), ["johndoe", "alice"]).await;
}

#[actix_web::test]
async fn store_of_another_user_model_fulfills_the_contract() {
    users::assert_contract(Members::default(), ["johndoe@example.com", "alice@example.com"]).await;
}

#[actix_web::test]
async fn tutorial_users_match_fastapis_tutorial() {
    let users = TutorialUsers::default();
    for (name, hash, active) in [("johndoe", "fakehashedsecret", true), ("alice", "fakehashedsecret2", false)]
    {
        let account = users.find_by_username(&Username::new(name).unwrap()).await.unwrap().unwrap();
        assert_eq!(account.password_hash.expose(), hash);
        assert_eq!((account.user.subject(), account.user.is_active()), (Subject::new(name).unwrap(), active));
    }
}

#[actix_web::test]
#[should_panic(expected = "replaced")]
async fn store_that_loses_new_hashes_violates_the_contract() {
    let members = Members::default().losing_new_hashes();
    users::assert_contract(members, ["johndoe@example.com", "alice@example.com"]).await;
}
