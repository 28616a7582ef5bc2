//! The rules of [`PasswordStore`].

use futures_util::future::join;

use crate::{
    domain::{
        ports::{PasswordStore, UserStore},
        secret::PasswordHash,
        time::Timestamp,
        user::{AuthUser, Subject},
    },
    testing::contract::{
        Check, Contract, Failure, Violation, ensure, parse, unknown_names,
        users::{account, argon2_hash},
    },
};

/// Checks the rules of [`PasswordStore`] with the accounts of two usernames, which the store must contain. The suite
/// replaces their password hashes.
///
/// # Errors
/// [`Violation`] for the first rule that the store violates.
///
/// # Panics
/// If a username is not valid.
pub async fn password_store<S: UserStore + PasswordStore>(
    store: &S,
    usernames: [&str; 2],
) -> Result<(), Violation> {
    let contract = Contract { name: "PasswordStore", source: include_str!("../../domain/ports.rs") };
    contract.check("same-hash", same_hash(store, usernames)).await?;
    contract.check("unknown-account", unknown_account(store, usernames)).await?;
    contract.check("change-replaces", change_replaces(store, usernames)).await?;
    contract.check("change-compares", change_compares(store, usernames)).await?;
    contract.check("change-once", change_once(store, usernames)).await
}

/// A user that the suite changes.
struct Member<'a, S> {
    store: &'a S,
    name: &'a str,
    subject: Subject,
}

impl<'a, S: UserStore + PasswordStore> Member<'a, S> {
    async fn all(store: &'a S, [one, other]: [&'a str; 2]) -> Result<[Self; 2], Failure> {
        let find = async |name| {
            let subject = account(store, name).await?.user.subject();
            Ok::<_, Failure>(Self { store, name, subject })
        };
        Ok([find(one).await?, find(other).await?])
    }

    async fn hash(&self) -> Result<PasswordHash, Failure> {
        let found = self.store.find_hash(&self.subject).await?;
        found.ok_or_else(|| {
            Failure(format!("expected the hash of {:?}, but `find_hash` returned None", self.name))
        })
    }

    async fn change(&self, old: &PasswordHash, new: &PasswordHash) -> Result<bool, Failure> {
        Ok(self.store.change_password(&self.subject, old, new, Timestamp::now()).await?)
    }
}

async fn same_hash<S: UserStore + PasswordStore>(store: &S, names: [&str; 2]) -> Check {
    for member in Member::all(store, names).await? {
        let stored = account(store, member.name).await?.password_hash;
        ensure!(
            member.hash().await? == stored,
            "expected the hash that `find_by_username` returns for {:?}, but `find_hash` returned a different hash",
            member.name
        );
    }
    Ok(())
}

async fn unknown_account<S: UserStore + PasswordStore>(store: &S, names: [&str; 2]) -> Check {
    let [one, _] = Member::all(store, names).await?;
    let before = one.hash().await?;
    for name in unknown_names(255) {
        let subject = parse(&name);
        ensure!(
            store.find_hash(&subject).await?.is_none(),
            "expected None for the unknown subject {name:?}, but `find_hash` returned a hash"
        );
        let nobody = Member { store, name: "nobody", subject };
        ensure!(
            !nobody.change(&before, &argon2_hash('A')).await?,
            "expected false for the unknown subject {name:?}, but `change_password` returned true"
        );
        ensure!(
            one.hash().await? == before,
            "expected no change for the unknown subject {name:?}, but the hash of {:?} changed",
            one.name
        );
    }
    Ok(())
}

async fn change_replaces<S: UserStore + PasswordStore>(store: &S, names: [&str; 2]) -> Check {
    let [one, other] = Member::all(store, names).await?;
    for member in [&one, &other] {
        ensure!(
            member.change(&member.hash().await?, &argon2_hash('B')).await?,
            "expected true if `old` is the stored hash, but `change_password` returned false"
        );
        ensure!(
            member.hash().await? == argon2_hash('B'),
            "expected the new hash of {:?}, but `find_hash` returned a different hash",
            member.name
        );
    }
    ensure!(
        one.change(&argon2_hash('B'), &argon2_hash('C')).await?,
        "expected true for a second change, but `change_password` returned false"
    );
    ensure!(
        one.hash().await? == argon2_hash('C'),
        "expected the hash of {:?} after the second change, but `find_hash` returned a different hash",
        one.name
    );
    ensure!(
        other.hash().await? == argon2_hash('B'),
        "expected only the hash of {:?} to change, but the hash of {:?} changed too",
        one.name,
        other.name
    );
    Ok(())
}

async fn change_compares<S: UserStore + PasswordStore>(store: &S, names: [&str; 2]) -> Check {
    let [one, _] = Member::all(store, names).await?;
    let before = one.hash().await?;
    let changed = one.change(&argon2_hash('D'), &argon2_hash('E')).await?;
    ensure!(!changed, "expected false if `old` is not the stored hash, but `change_password` returned true");
    ensure!(
        one.hash().await? == before,
        "expected no change if `old` is not the stored hash, but the stored hash changed"
    );
    Ok(())
}

async fn change_once<S: UserStore + PasswordStore>(store: &S, names: [&str; 2]) -> Check {
    let [one, _] = Member::all(store, names).await?;
    for _ in 0..10 {
        let (old, left, right) = (one.hash().await?, argon2_hash('L'), argon2_hash('R'));
        let (first, second) = join(one.change(&old, &left), one.change(&old, &right)).await;
        let done = (first?, second?);
        let stored = one.hash().await?;
        ensure!(
            done.0 != done.1,
            "expected one of two concurrent changes to succeed, but `change_password` returned {done:?}"
        );
        ensure!(
            stored == if done.0 { left } else { right },
            "expected the hash written by the successful change, but `find_hash` returned a different hash"
        );
        ensure!(
            one.change(&stored, &argon2_hash('F')).await?,
            "expected true for a change after concurrent changes, but `change_password` returned false"
        );
    }
    Ok(())
}
