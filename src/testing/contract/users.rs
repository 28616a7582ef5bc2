//! The rules of [`UserStore`].

use crate::{
    domain::{
        ports::UserStore,
        secret::PasswordHash,
        user::{Account, AuthUser},
    },
    testing::contract::{Check, Contract, Failure, Violation, ensure, ensure_eq, parse, unknown_names},
};

/// Checks the rules of [`UserStore`] with the accounts of two usernames, which the store must contain. The suite
/// replaces their password hashes.
///
/// # Errors
/// [`Violation`] for the first rule that the store violates.
///
/// # Panics
/// If a username is not valid.
pub async fn user_store<S: UserStore>(store: &S, usernames: [&str; 2]) -> Result<(), Violation> {
    let contract = Contract { name: "UserStore", source: include_str!("../../domain/ports.rs") };
    let [one, other] = usernames;
    contract.check("unknown-user", unknown_user(store)).await?;
    contract.check("distinct-subjects", distinct_subjects(store, usernames)).await?;
    contract.check("found-by-subject", found_by_subject(store, usernames)).await?;
    contract.check("replace-hash", replace_hash(store, one, other)).await?;
    contract.check("replace-compares", replace_compares(store, one)).await?;
    contract.check("replace-unknown", replace_unknown(store, usernames)).await
}

async fn unknown_user<S: UserStore>(store: &S) -> Check {
    for name in unknown_names(1024) {
        let found = store.find_by_username(&parse(&name)).await?;
        ensure!(
            found.is_none(),
            "expected None for the unknown username {name:?}, but `find_by_username` found a user"
        );
    }
    for name in unknown_names(255) {
        let found = store.find_by_subject(&parse(&name)).await?;
        ensure!(
            found.is_none(),
            "expected None for the unknown subject {name:?}, but `find_by_subject` found a user"
        );
    }
    Ok(())
}

async fn found_by_subject<S: UserStore>(store: &S, usernames: [&str; 2]) -> Check {
    for name in usernames {
        let user = account(store, name).await?.user;
        let Some(found) = store.find_by_subject(&user.subject()).await? else {
            return Err(Failure(format!(
                "expected the user {name:?}, but `find_by_subject` returned None for the user's subject"
            )));
        };
        let facts = |user: &S::User| (user.subject(), user.is_active(), user.allowed_scopes());
        ensure_eq!(
            facts(&found),
            facts(&user),
            "subject, state and scopes that `find_by_subject` returned for {name:?}"
        );
    }
    Ok(())
}

async fn distinct_subjects<S: UserStore>(store: &S, [one, other]: [&str; 2]) -> Check {
    let subject = async |name| Ok::<_, Failure>(account(store, name).await?.user.subject());
    let [first, second, again] = [subject(one).await?, subject(other).await?, subject(one).await?];
    ensure!(first != second, "expected different subjects, but {one:?} and {other:?} both have {first}");
    ensure_eq!(again, first, "the subject of {one:?} in a second call to `find_by_username`");
    Ok(())
}

async fn replace_hash<S: UserStore>(store: &S, one: &str, other: &str) -> Check {
    let (before, untouched) = (account(store, one).await?, account(store, other).await?);
    // Both users get the same hash, because hashers without a salt return the same hash for the same password.
    for (name, account) in [(one, before), (other, untouched)] {
        let (subject, old) = (account.user.subject(), account.password_hash);
        store.replace_hash(&subject, &old, &argon2_hash('A')).await?;
        let stored = hash(store, name).await?;
        ensure_eq!(stored.expose(), argon2_hash('A').expose(), "the hash of {name:?} after `replace_hash`");
    }
    let before = account(store, one).await?.user;
    store.replace_hash(&before.subject(), &argon2_hash('A'), &argon2_hash('B')).await?;
    let after = account(store, one).await?;
    ensure_eq!(
        after.password_hash.expose(),
        argon2_hash('B').expose(),
        "the hash of {one:?} after a second `replace_hash`"
    );
    ensure_eq!(after.user.is_active(), before.is_active(), "`is_active` of {one:?} after `replace_hash`");
    ensure!(
        hash(store, other).await? == argon2_hash('A'),
        "expected only the hash of {one:?} to change, but the hash of {other:?} changed too"
    );
    Ok(())
}

async fn replace_compares<S: UserStore>(store: &S, name: &str) -> Check {
    let before = account(store, name).await?;
    let upper = before.password_hash.expose().to_uppercase();
    for stale in [argon2_hash('C'), PasswordHash::from("stale"), PasswordHash::from(upper)] {
        store.replace_hash(&before.user.subject(), &stale, &argon2_hash('D')).await?;
        ensure!(
            hash(store, name).await? == before.password_hash,
            "expected no change if `old` is not the stored hash, but the hash of {name:?} changed"
        );
    }
    Ok(())
}

async fn replace_unknown<S: UserStore>(store: &S, usernames: [&str; 2]) -> Check {
    for name in usernames {
        let before = hash(store, name).await?;
        for nobody in unknown_names(255) {
            let _ = store.replace_hash(&parse(&nobody), &before, &argon2_hash('E')).await;
            ensure!(
                hash(store, name).await? == before,
                "expected no change for the unknown subject {nobody:?}, but the hash of {name:?} changed"
            );
        }
    }
    Ok(())
}

/// Returns a hash in the format of `Argon2Hasher`.
pub(super) fn argon2_hash(filler: char) -> PasswordHash {
    let (salt, hash) = (filler.to_string().repeat(22), filler.to_string().repeat(43));
    format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${hash}").into()
}

pub(super) async fn account<S: UserStore>(store: &S, name: &str) -> Result<Account<S::User>, Failure> {
    let found = store.find_by_username(&parse(name)).await?;
    found.ok_or_else(|| {
        Failure(format!("expected the account of {name:?}, but `find_by_username` returned None"))
    })
}

async fn hash<S: UserStore>(store: &S, name: &str) -> Result<PasswordHash, Failure> {
    Ok(account(store, name).await?.password_hash)
}
