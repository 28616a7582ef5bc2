//! Checks that both stores obey the contract of `UserStore`, even for subjects that are not numbers.

#[path = "../src/users.rs"]
mod users;

use gatepass::{PasswordHash, testing::contract};
use sqlx::SqlitePool;
use users::{Customer, Kind, Staff, Users};

const EMAILS: [&str; 2] = ["johndoe@example.com", "alice@example.com"];

async fn check<K: Kind>(pool: &SqlitePool) {
    let users = Users::<K>::open(pool).await.unwrap();
    for email in EMAILS {
        let hash = PasswordHash::from("a hash");
        assert!(users.add(email, &hash).await.unwrap().is_some());
    }
    contract::user_store(&users, EMAILS).await.unwrap();
    assert_eq!(users.list().await.unwrap().len(), 2);
}

#[actix_web::test]
async fn stores_obey_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}?mode=rwc", folder.path().join("app.db").display());
    let pool = SqlitePool::connect(&url).await.unwrap();
    check::<Customer>(&pool).await;
    check::<Staff>(&pool).await;
}
