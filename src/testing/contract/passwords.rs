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

/// Checks the rules of [`PasswordStore`] with the accounts of two usernames, which the store must contain. Their password
/// hashes are replaced.
///
/// # Errors
/// [`Violation`], the first rule that the store breaks.
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

/// A user of the suite.
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
        found.ok_or_else(|| Failure(format!("the hash of {:?} was not found", self.name)))
    }

    async fn change(&self, old: &PasswordHash, new: &PasswordHash) -> Result<bool, Failure> {
        Ok(self.store.change_password(&self.subject, old, new, Timestamp::now()).await?)
    }
}

async fn same_hash<S: UserStore + PasswordStore>(store: &S, names: [&str; 2]) -> Check {
    for member in Member::all(store, names).await? {
        let stored = account(store, member.name).await?.password_hash;
        ensure!(member.hash().await? == stored, "find_hash returns another hash for {:?}", member.name);
    }
    Ok(())
}

async fn unknown_account<S: UserStore + PasswordStore>(store: &S, names: [&str; 2]) -> Check {
    let [one, _] = Member::all(store, names).await?;
    let before = one.hash().await?;
    for name in unknown_names(255) {
        let subject = parse(&name);
        ensure!(store.find_hash(&subject).await?.is_none(), "the subject {name:?} has a hash");
        let nobody = Member { store, name: "nobody", subject };
        ensure!(!nobody.change(&before, &argon2_hash('A')).await?, "the password of {name:?} was changed");
        ensure!(one.hash().await? == before, "the hash of {:?} changed instead", one.name);
    }
    Ok(())
}

async fn change_replaces<S: UserStore + PasswordStore>(store: &S, names: [&str; 2]) -> Check {
    let [one, other] = Member::all(store, names).await?;
    for member in [&one, &other] {
        ensure!(member.change(&member.hash().await?, &argon2_hash('B')).await?, "the change was refused");
        ensure!(member.hash().await? == argon2_hash('B'), "the new hash of {:?} is not stored", member.name);
    }
    ensure!(one.change(&argon2_hash('B'), &argon2_hash('C')).await?, "the second change was refused");
    ensure!(one.hash().await? == argon2_hash('C'), "the second hash of {:?} is not stored", one.name);
    ensure!(other.hash().await? == argon2_hash('B'), "the hash of {:?} changed too", other.name);
    Ok(())
}

async fn change_compares<S: UserStore + PasswordStore>(store: &S, names: [&str; 2]) -> Check {
    let [one, _] = Member::all(store, names).await?;
    let before = one.hash().await?;
    let changed = one.change(&argon2_hash('D'), &argon2_hash('E')).await?;
    ensure!(!changed, "change_password returned true with a hash that is not stored");
    ensure!(one.hash().await? == before, "a hash that was not `old` was replaced");
    Ok(())
}

async fn change_once<S: UserStore + PasswordStore>(store: &S, names: [&str; 2]) -> Check {
    let [one, _] = Member::all(store, names).await?;
    for _ in 0..10 {
        let (old, left, right) = (one.hash().await?, argon2_hash('L'), argon2_hash('R'));
        let (first, second) = join(one.change(&old, &left), one.change(&old, &right)).await;
        let done = (first?, second?);
        let stored = one.hash().await?;
        ensure!(done.0 != done.1, "of two concurrent changes, {done:?} succeeded");
        ensure!(stored == if done.0 { left } else { right }, "the hash of the refused change is stored");
        ensure!(one.change(&stored, &argon2_hash('F')).await?, "the next change was refused");
    }
    Ok(())
}
