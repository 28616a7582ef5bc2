//! The contract of [`UserStore`]: what Gatepass relies on, whatever the technology.
//!
//! To hold a store of your own against it, copy this file into your tests, fill the store with two accounts,
//! and call [`holds`].

use gatepass::{Account, AuthUser, PasswordHash, Subject, UserStore, Username};

/// Names and subjects that nobody has, some of them made to break a store.
const NOBODY: [&str; 10] = [
    "",
    " ",
    "nobody",
    "\0",
    "' OR '1'='1",
    "%",
    "*",
    "../../etc/passwd",
    "\u{202e}eodnhoj",
    "18446744073709551616",
];

/// Asserts that `store`, which holds accounts under these two names, keeps the contract.
///
/// # Panics
/// Where it does not.
pub async fn holds<S: UserStore>(store: S, names: [&str; 2]) {
    let [one, other] = names;
    who_is_not_there_is_none(&store).await;
    who_signs_in_is_found_by_subject(&store, one).await;
    who_signs_in_is_found_by_subject(&store, other).await;
    two_users_are_two_subjects(&store, one, other).await;
    a_replaced_hash_is_the_users_own(&store, one, other).await;
    a_hash_that_was_changed_meanwhile_stays(&store, one).await;
    a_hash_for_nobody_changes_nothing(&store, one).await;
}

async fn who_is_not_there_is_none<S: UserStore>(store: &S) {
    let long = "x".repeat(100_000);
    for nobody in NOBODY.into_iter().chain([long.as_str()]) {
        assert!(store.find_by_username(&nobody.into()).await.expect("no fault").is_none(), "{nobody:?}");
        assert!(store.find_by_subject(&nobody.into()).await.expect("no fault").is_none(), "{nobody:?}");
    }
}

async fn who_signs_in_is_found_by_subject<S: UserStore>(store: &S, name: &str) {
    let user = account(store, name).await.user;
    let found = store.find_by_subject(&user.subject()).await.expect("no fault").expect("a user");
    assert_eq!(found.subject(), user.subject());
    assert_eq!(found.is_active(), user.is_active());
}

async fn two_users_are_two_subjects<S: UserStore>(store: &S, one: &str, other: &str) {
    assert_ne!(subject(store, one).await, subject(store, other).await);
}

async fn a_replaced_hash_is_the_users_own<S: UserStore>(store: &S, one: &str, other: &str) {
    let (before, untouched) = (account(store, one).await, account(store, other).await);
    let replaced = PasswordHash::from("replaced");
    store.replace_hash(&before.user.subject(), &before.password_hash, &replaced).await.expect("no fault");
    let after = account(store, one).await;
    assert_eq!(after.password_hash.expose(), "replaced");
    assert_eq!(after.user.subject(), before.user.subject());
    assert_eq!(after.user.is_active(), before.user.is_active());
    assert_eq!(account(store, other).await.password_hash.expose(), untouched.password_hash.expose());
}

async fn a_hash_that_was_changed_meanwhile_stays<S: UserStore>(store: &S, name: &str) {
    let before = account(store, name).await;
    let (stale, late) = (PasswordHash::from("stale"), PasswordHash::from("late"));
    store.replace_hash(&before.user.subject(), &stale, &late).await.expect("no fault");
    assert_eq!(account(store, name).await.password_hash.expose(), before.password_hash.expose());
}

async fn a_hash_for_nobody_changes_nothing<S: UserStore>(store: &S, name: &str) {
    let before = account(store, name).await.password_hash;
    let stray = PasswordHash::from("stray");
    store.replace_hash(&Subject::from("nobody"), &before, &stray).await.expect("no fault");
    assert_eq!(account(store, name).await.password_hash.expose(), before.expose());
}

async fn account<S: UserStore>(store: &S, name: &str) -> Account<S::User> {
    store.find_by_username(&Username::from(name)).await.expect("no fault").expect("an account")
}

async fn subject<S: UserStore>(store: &S, name: &str) -> Subject {
    account(store, name).await.user.subject()
}
