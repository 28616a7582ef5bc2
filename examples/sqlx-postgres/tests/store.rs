//! Checks that the store obeys the contract of `UserStore`, even for subjects that are not numbers.

#[path = "../src/users.rs"]
mod users;

use gatepass::{PasswordHash, testing::contract};
use sqlx::PgPool;
use support::new_postgres;

const EMAILS: [&str; 2] = ["johndoe@example.com", "alice@example.com"];

#[actix_web::test]
async fn store_obeys_the_contract() {
    let Some(database) = new_postgres() else {
        return;
    };
    let pool = PgPool::connect(&database.url).await.unwrap();
    sqlx::migrate!().run(&pool).await.unwrap();
    let users = users::Users(pool);
    for email in EMAILS {
        let hash = PasswordHash::from("a hash");
        assert!(users.add(email, "Name", &hash).await.unwrap().is_some());
    }
    contract::user_store(&users, EMAILS).await.unwrap();
    assert_eq!(users.list().await.unwrap().len(), 2);
}
