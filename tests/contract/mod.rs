//! The contract suites for stores, and further tests of the SQL stores.

mod broken;
pub mod hash_maps;
mod sql;
mod sql_changes;
mod sql_faults;
mod sql_sessions;
mod use_cases;

use gatepass::{
    AuthUser, Client, ClientSecretHash, Subject, UserStore, Username, testing::contract,
    tutorial::TutorialUsers,
};

use crate::{
    contract::hash_maps::{InMemorySessions, owner},
    support::doubles::{Members, OneClient},
};

#[actix_web::test]
async fn test_doubles_and_tutorial_users_fulfill_the_contracts() {
    contract::user_store(&TutorialUsers::default(), ["johndoe", "alice"]).await.unwrap();
    let (members, usernames) = (Members::default(), ["johndoe@example.com", "alice@example.com"]);
    contract::user_store(&members, usernames).await.unwrap();
    contract::password_store(&members, usernames).await.unwrap();
    let web = Client::confidential("web".parse().unwrap(), [ClientSecretHash::of(&"web-secret".into())]);
    contract::client_registry(&OneClient, &[web]).await.unwrap();
}

#[actix_web::test]
async fn sessions_in_hash_maps_fulfill_the_contract() {
    let (store, [one, other]) = (InMemorySessions::default(), [owner("johndoe"), owner("alice")]);
    for client in [None, Some(&"web".parse().unwrap())] {
        contract::session_store(&store, [&one, &other], client).await.unwrap();
    }
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
