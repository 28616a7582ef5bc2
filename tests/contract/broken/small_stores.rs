//! Broken client registries and failed-attempt stores.

use std::{collections::HashMap, sync::Mutex};

use gatepass::{
    BackendError, Client, ClientId, ClientRegistry, GrantedScopes, Timestamp,
    testing::contract,
    throttle::{FailedAttemptStore, FailedAttempts, ThrottleKey},
};
use tokio::task::yield_now;

use crate::contract::broken::assert_caught;

#[derive(Clone, Copy, Debug, PartialEq)]
enum ClientFault {
    None,
    LosesScopes,
    RefusesText,
    IgnoresCase,
}

struct Clients(Vec<Client>, ClientFault);

impl ClientRegistry for Clients {
    async fn find(&self, client_id: &ClientId) -> Result<Option<Client>, BackendError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == ' ';
        if self.1 == ClientFault::RefusesText && !client_id.as_str().chars().all(is_plain) {
            return Err(BackendError::new("this is not a client ID"));
        }
        let is_found = |client: &&Client| {
            client.id == *client_id
                || self.1 == ClientFault::IgnoresCase
                    && client.id.as_str().eq_ignore_ascii_case(client_id.as_str())
        };
        let mut found = self.0.iter().find(is_found).cloned();
        if let Some(client) = found.as_mut().filter(|_| self.1 == ClientFault::LosesScopes) {
            client.scopes = GrantedScopes::All;
        }
        Ok(found)
    }
}

#[actix_web::test]
async fn contract_catches_each_fault_of_a_client_registry() {
    let scopes = GrantedScopes::Only("reports:read".parse().unwrap());
    let clients = [Client { scopes, ..Client::public("reports".parse().unwrap()) }];
    let run = async |fault| contract::client_registry(&Clients(clients.to_vec(), fault), &clients).await;
    run(ClientFault::None).await.unwrap();
    let table = [
        (ClientFault::LosesScopes, "registered-client"),
        (ClientFault::RefusesText, "unknown-client"),
        (ClientFault::IgnoresCase, "exact-client-id"),
    ];
    assert_caught(("ClientRegistry", include_str!("../../../src/domain/ports.rs")), &table, run).await;
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    OmitsKeys,
    CountsOneKey,
    SortsKeys,
    IgnoresCase,
    NeverForgets,
    ForgetsAtOnce,
    ClearsOneKey,
    CountsInTwoSteps,
    HasNoDeviceKey,
}

struct Attempts {
    fault: Fault,
    counts: Mutex<HashMap<String, FailedAttempts>>,
    device_key: Mutex<Option<[u8; 32]>>,
}

impl Attempts {
    fn name(&self, key: &ThrottleKey) -> String {
        let name = key.as_str();
        if self.fault == Fault::IgnoresCase { name.to_lowercase() } else { name.to_owned() }
    }

    /// Returns the keys that a call changes: only the first one if the store has `fault`, otherwise all.
    fn changed<'a>(&self, fault: Fault, keys: &'a [ThrottleKey]) -> &'a [ThrottleKey] {
        if self.fault == fault { &keys[..1] } else { keys }
    }
}

impl FailedAttemptStore for Attempts {
    fn normalize_username(&self, username: &str) -> String {
        username.to_owned()
    }

    async fn find(&self, keys: &[ThrottleKey]) -> Result<Vec<FailedAttempts>, BackendError> {
        let counts = self.counts.lock().unwrap();
        let mut names: Vec<_> = keys.iter().map(|key| self.name(key)).collect();
        match self.fault {
            Fault::OmitsKeys => names.retain(|name| counts.contains_key(name)),
            Fault::SortsKeys => names.sort(),
            _ => (),
        }
        Ok(names.iter().map(|name| counts.get(name).copied().unwrap_or_default()).collect())
    }

    async fn add(&self, keys: &[ThrottleKey], now: Timestamp) -> Result<(), BackendError> {
        for key in self.changed(Fault::CountsOneKey, keys) {
            let before = self.counts.lock().unwrap().get(&self.name(key)).copied().unwrap_or_default();
            if self.fault == Fault::CountsInTwoSteps {
                yield_now().await;
            }
            let is_recent = match self.fault {
                Fault::NeverForgets => true,
                Fault::ForgetsAtOnce => {
                    before.last == Some(now) || before.last > Some(now - key.forget_after() / 2)
                }
                _ => before.last > Some(now - key.forget_after()),
            };
            let count = if is_recent { before.count + 1 } else { 1 };
            let failures = FailedAttempts { count, last: Some(now) };
            self.counts.lock().unwrap().insert(self.name(key), failures);
        }
        Ok(())
    }

    async fn clear(&self, keys: &[ThrottleKey]) -> Result<(), BackendError> {
        for key in self.changed(Fault::ClearsOneKey, keys) {
            self.counts.lock().unwrap().remove(&self.name(key));
        }
        Ok(())
    }

    async fn device_key(&self, new: [u8; 32]) -> Result<[u8; 32], BackendError> {
        let mut stored = self.device_key.lock().unwrap();
        Ok(if self.fault == Fault::HasNoDeviceKey { new } else { *stored.get_or_insert(new) })
    }
}

#[actix_web::test]
async fn contract_catches_each_fault_of_a_failed_attempt_store() {
    let run = async |fault| {
        let store = Attempts { fault, counts: Mutex::default(), device_key: Mutex::default() };
        contract::failed_attempt_store(&store).await
    };
    run(Fault::None).await.unwrap();
    let table = [
        (Fault::OmitsKeys, "no-failures"),
        (Fault::SortsKeys, "order-of-keys"),
        (Fault::CountsOneKey, "counts-every-key"),
        (Fault::IgnoresCase, "exact-key"),
        (Fault::NeverForgets, "forgets"),
        (Fault::ForgetsAtOnce, "forgets"),
        (Fault::ClearsOneKey, "clears"),
        (Fault::CountsInTwoSteps, "atomic-count"),
        (Fault::HasNoDeviceKey, "device-key"),
    ];
    let source = include_str!("../../../src/domain/throttle.rs");
    assert_caught(("FailedAttemptStore", source), &table, run).await;
}
