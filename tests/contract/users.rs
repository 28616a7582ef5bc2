//! The contract of [`UserStore`].
//!
//! To test a store of your own, copy this file into your tests, add two accounts to the store, and call [`assert_contract`].

use gatepass::{Account, AuthUser, PasswordHash, Subject, UserStore, Username};

/// Names and subjects that no user has. Some are likely to break a store.
const UNKNOWN: [&str; 9] = [
    " ",
    "nobody",
    "' OR '1'='1",
    "%",
    "*",
    "../../etc/passwd",
    "\u{202e}eodnhoj",
    "18446744073709551616",
    "\u{1f600}",
];

/// Asserts that `store`, which holds accounts with these two names, fulfills the contract.
///
/// # Panics
/// If the store violates the contract.
pub async fn assert_contract<S: UserStore>(store: S, names: [&str; 2]) {
    let [one, other] = names;
    unknown_users_are_none(&store).await;
    user_is_found_by_subject(&store, one).await;
    user_is_found_by_subject(&store, other).await;
    assert_ne!(account(&store, one).await.user.subject(), account(&store, other).await.user.subject());
    hash_is_replaced_for_one_user(&store, one, other).await;
    hash_that_changed_concurrently_stays(&store, one).await;
    hash_of_an_unknown_user_changes_nothing(&store, one).await;
}

async fn unknown_users_are_none<S: UserStore>(store: &S) {
    let long = "x".repeat(255);
    for unknown in UNKNOWN.into_iter().chain([long.as_str()]) {
        let (username, subject) = (username(unknown), Subject::new(unknown).unwrap());
        assert!(store.find_by_username(&username).await.expect("no error").is_none(), "{unknown:?}");
        assert!(store.find_by_subject(&subject).await.expect("no error").is_none(), "{unknown:?}");
    }
    let longest = username(&"x".repeat(1024));
    assert!(store.find_by_username(&longest).await.expect("no error").is_none());
}

async fn user_is_found_by_subject<S: UserStore>(store: &S, name: &str) {
    let user = account(store, name).await.user;
    let found = store.find_by_subject(&user.subject()).await.expect("no error").expect("a user");
    assert_eq!(found.subject(), user.subject());
    assert_eq!(found.is_active(), user.is_active());
}

async fn hash_is_replaced_for_one_user<S: UserStore>(store: &S, one: &str, other: &str) {
    let (before, untouched) = (account(store, one).await, account(store, other).await);
    let replaced = PasswordHash::from("replaced");
    store.replace_hash(&before.user.subject(), &before.password_hash, &replaced).await.expect("no error");
    let after = account(store, one).await;
    assert_eq!(after.password_hash.expose(), "replaced");
    assert_eq!(after.user.subject(), before.user.subject());
    assert_eq!(after.user.is_active(), before.user.is_active());
    assert_eq!(account(store, other).await.password_hash.expose(), untouched.password_hash.expose());
}

async fn hash_that_changed_concurrently_stays<S: UserStore>(store: &S, name: &str) {
    let before = account(store, name).await;
    let (stale, late) = (PasswordHash::from("stale"), PasswordHash::from("late"));
    store.replace_hash(&before.user.subject(), &stale, &late).await.expect("no error");
    assert_eq!(account(store, name).await.password_hash.expose(), before.password_hash.expose());
}

async fn hash_of_an_unknown_user_changes_nothing<S: UserStore>(store: &S, name: &str) {
    let before = account(store, name).await.password_hash;
    let nobody = Subject::new("nobody").unwrap();
    // An implementation may refuse a subject that none of its users can have.
    let _ = store.replace_hash(&nobody, &before, &"stray".into()).await;
    assert_eq!(account(store, name).await.password_hash.expose(), before.expose());
}

fn username(name: &str) -> Username {
    Username::new(name).unwrap()
}

async fn account<S: UserStore>(store: &S, name: &str) -> Account<S::User> {
    store.find_by_username(&username(name)).await.expect("no error").expect("an account")
}
