//! Broken user and password stores.

use gatepass::{
    Account, BackendError, PasswordHash, PasswordStore, Subject, Timestamp, UserStore, Username,
    testing::contract,
};
use tokio::task::yield_now;

use crate::{
    contract::broken::assert_caught,
    support::doubles::{Member, Members},
};

const SOURCE: &str = include_str!("../../../src/domain/ports.rs");
const USERNAMES: [&str; 2] = ["johndoe@example.com", "alice@example.com"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    RefusesText,
    FindsActiveUsers,
    HasOneSubject,
    LosesHashes,
    CutsHashes,
    ReplacesEqualHashes,
    ReplacesAnyHash,
    ReplacesForUnknownUsers,
    FindsAnotherHash,
    ChangesForUnknownUsers,
    LosesPasswords,
    ChangesAnyPassword,
    ChangesInTwoSteps,
}

struct Broken(Members, Fault);

impl UserStore for Broken {
    type User = Member;

    async fn find_by_username(&self, username: &Username) -> Result<Option<Account<Member>>, BackendError> {
        let mut found = self.0.find_by_username(username).await?;
        if let Some(account) = found.as_mut().filter(|_| self.1 == Fault::HasOneSubject) {
            account.user.id = 1;
        }
        Ok(found)
    }

    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Member>, BackendError> {
        if self.1 == Fault::RefusesText {
            let _: u64 = subject.as_str().parse()?;
        }
        let found = self.0.find_by_subject(subject).await?;
        Ok(found
            .map(|user| Member { suspended: user.suspended && self.1 != Fault::FindsActiveUsers, ..user }))
    }

    async fn replace_hash(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), BackendError> {
        let stored = self.0.find_hash(subject).await?;
        match (self.1, &stored) {
            (Fault::LosesHashes, _) => Ok(()),
            (Fault::CutsHashes, _) => {
                let cut: String = new.expose().chars().take(60).collect();
                self.0.replace_hash(subject, old, &cut.into()).await
            }
            (Fault::ReplacesEqualHashes, _) => {
                for id in [1_u64, 2] {
                    self.0.replace_hash(&Subject::from(id), old, new).await?;
                }
                Ok(())
            }
            (Fault::ReplacesAnyHash, Some(stored)) => self.0.replace_hash(subject, stored, new).await,
            (Fault::ReplacesForUnknownUsers, None) => {
                self.0.replace_hash(&Subject::from(1_u64), old, new).await
            }
            _ => self.0.replace_hash(subject, old, new).await,
        }
    }
}

impl PasswordStore for Broken {
    async fn find_hash(&self, subject: &Subject) -> Result<Option<PasswordHash>, BackendError> {
        let found = self.0.find_hash(subject).await?;
        Ok(found.map(|hash| if self.1 == Fault::FindsAnotherHash { "another".into() } else { hash }))
    }

    async fn change_password(
        &self,
        subject: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
        now: Timestamp,
    ) -> Result<bool, BackendError> {
        let Some(stored) = self.0.find_hash(subject).await? else {
            return Ok(self.1 == Fault::ChangesForUnknownUsers);
        };
        match self.1 {
            Fault::LosesPasswords => Ok(stored == *old),
            Fault::ChangesAnyPassword => self.0.change_password(subject, &stored, new, now).await,
            Fault::ChangesInTwoSteps if stored == *old => {
                yield_now().await;
                let stored = self.0.find_hash(subject).await?.unwrap();
                self.0.change_password(subject, &stored, new, now).await
            }
            _ => self.0.change_password(subject, old, new, now).await,
        }
    }
}

#[actix_web::test]
async fn contract_catches_each_fault_of_a_user_store() {
    let table = [
        (Fault::RefusesText, "unknown-user"),
        (Fault::HasOneSubject, "distinct-subjects"),
        (Fault::FindsActiveUsers, "found-by-subject"),
        (Fault::LosesHashes, "replace-hash"),
        (Fault::CutsHashes, "replace-hash"),
        (Fault::ReplacesEqualHashes, "replace-hash"),
        (Fault::ReplacesAnyHash, "replace-compares"),
        (Fault::ReplacesForUnknownUsers, "replace-unknown"),
    ];
    assert_caught(("UserStore", SOURCE), &table, async |fault| {
        contract::user_store(&Broken(Members::default(), fault), USERNAMES).await
    })
    .await;
}

#[actix_web::test]
async fn contract_catches_each_fault_of_a_password_store() {
    let table = [
        (Fault::FindsAnotherHash, "same-hash"),
        (Fault::ChangesForUnknownUsers, "unknown-account"),
        (Fault::LosesPasswords, "change-replaces"),
        (Fault::ChangesAnyPassword, "change-compares"),
        (Fault::ChangesInTwoSteps, "change-once"),
    ];
    assert_caught(("PasswordStore", SOURCE), &table, async |fault| {
        contract::password_store(&Broken(Members::default(), fault), USERNAMES).await
    })
    .await;
}
