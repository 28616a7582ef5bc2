//! The rules of [`FailedAttemptStore`].

use std::time::Duration;

use futures_util::future::join_all;

use crate::{
    domain::{
        throttle::{FailedAttemptStore, FailedAttempts, ThrottleKey},
        time::Timestamp,
    },
    testing::{
        auth::random,
        contract::{Check, Contract, Failure, Violation, ensure, ensure_eq},
    },
};

const HOUR: Duration = Duration::from_secs(3600);

/// Checks the rules of [`FailedAttemptStore`]. The suite uses random keys.
///
/// # Errors
/// [`Violation`] for the first rule that the store violates.
pub async fn failed_attempt_store<S: FailedAttemptStore>(store: &S) -> Result<(), Violation> {
    let contract = Contract { name: "FailedAttemptStore", source: include_str!("../../domain/throttle.rs") };
    contract.check("no-failures", no_failures(store)).await?;
    contract.check("order-of-keys", order_of_keys(store)).await?;
    contract.check("counts-every-key", counts_every_key(store)).await?;
    contract.check("exact-key", exact_key(store)).await?;
    contract.check("forgets", forgets(store)).await?;
    contract.check("clears", clears(store)).await?;
    contract.check("atomic-count", atomic_count(store)).await?;
    contract.check("device-key", device_key(store)).await
}

/// Returns new random keys in the format of real keys.
fn keys<const N: usize>() -> Result<[ThrottleKey; N], Failure> {
    let key = random()?;
    let key = |number| ThrottleKey { name: format!("{key} {number} 2001:db8::/64"), forget_after: HOUR };
    Ok(std::array::from_fn(key))
}

async fn find<S: FailedAttemptStore>(store: &S, keys: &[ThrottleKey]) -> Result<Vec<u32>, Failure> {
    let found = store.find(keys).await?;
    ensure_eq!(found.len(), keys.len(), "the number of results of `find`");
    Ok(found.iter().map(|failures| failures.count).collect())
}

async fn no_failures<S: FailedAttemptStore>(store: &S) -> Check {
    let keys: [_; 3] = keys()?;
    ensure_eq!(
        store.find(&keys).await?,
        [FailedAttempts::default(); 3],
        "the result of `find` for keys without failures"
    );
    Ok(())
}

async fn counts_every_key<S: FailedAttemptStore>(store: &S) -> Check {
    let (keys, now): ([_; 4], _) = (keys()?, Timestamp::now());
    let longest = ThrottleKey { name: format!("{:~<100}", keys[0].name), ..keys[0].clone() };
    let counted = [keys[0].clone(), keys[1].clone(), longest];
    for count in 1..=3 {
        let last = now + Duration::from_secs(count.into());
        store.add(&counted, last).await?;
        let found = store.find(&counted).await?;
        ensure_eq!(
            found,
            [FailedAttempts { count, last: Some(last) }; 3],
            "the result of `find` after {count} calls to `add`"
        );
    }
    store.add(&keys[1..3], now).await?;
    ensure_eq!(
        find(store, &keys).await?,
        [3, 4, 1, 0],
        "counts of four keys after another `add` with the second and third"
    );
    Ok(())
}

async fn order_of_keys<S: FailedAttemptStore>(store: &S) -> Check {
    let keys: [_; 5] = keys()?;
    // The key in the middle has no failures.
    for (number, key) in keys.iter().enumerate().filter(|(number, _)| *number != 2) {
        for _ in 0..=number {
            store.add(std::slice::from_ref(key), Timestamp::now()).await?;
        }
    }
    ensure_eq!(find(store, &keys).await?, [1, 2, 0, 4, 5], "counts of five keys, in the order of the keys");
    let backwards: Vec<_> = keys.iter().rev().cloned().collect();
    ensure_eq!(find(store, &backwards).await?, [5, 4, 0, 2, 1], "counts of five keys, in reverse order");
    Ok(())
}

async fn exact_key<S: FailedAttemptStore>(store: &S) -> Check {
    let [key]: [_; 1] = keys()?;
    store.add(std::slice::from_ref(&key), Timestamp::now()).await?;
    for name in [key.name.to_uppercase(), key.name.to_lowercase(), format!("{}/", key.name)] {
        let other = ThrottleKey { name, ..key.clone() };
        ensure_eq!(
            find(store, &[other]).await?,
            [0],
            "the count for a similar key that differs in case or length"
        );
    }
    Ok(())
}

async fn forgets<S: FailedAttemptStore>(store: &S) -> Check {
    let (keys, now): ([_; 3], _) = (keys()?, Timestamp::now());
    let [short, long, last] = keys;
    let long = ThrottleKey { forget_after: HOUR * 48, ..long };
    let keys = [short, long, last];
    store.add(&keys, now).await?;
    store.add(&keys, now + HOUR - Duration::from_secs(1)).await?;
    ensure_eq!(
        find(store, &keys).await?,
        [2, 2, 2],
        "counts of three keys before `forget_after` has elapsed"
    );
    // An hour after the second call to `add`.
    let later = now + HOUR * 2 - Duration::from_secs(1);
    store.add(&keys, later).await?;
    ensure_eq!(
        find(store, &keys).await?,
        [1, 3, 1],
        "counts after a failure one hour after the previous one, for three keys with `forget_after` set to \
         1, 48 and 1 hours"
    );
    store.add(&keys, later + HOUR * 30).await?;
    ensure_eq!(
        find(store, &keys).await?,
        [1, 4, 1],
        "counts after a failure 30 hours after the previous one, for three keys with `forget_after` set to \
         1, 48 and 1 hours"
    );
    Ok(())
}

async fn clears<S: FailedAttemptStore>(store: &S) -> Check {
    let (keys, now): ([_; 3], _) = (keys()?, Timestamp::now());
    store.add(&keys, now).await?;
    store.add(&keys, now).await?;
    store.clear(&keys[..2]).await?;
    ensure_eq!(find(store, &keys).await?, [0, 0, 2], "counts of three keys after `clear` with the first two");
    store.clear(&keys[..2]).await?;
    store.add(&keys, now).await?;
    ensure_eq!(find(store, &keys).await?, [1, 1, 3], "counts of three keys after another call to `add`");
    Ok(())
}

async fn atomic_count<S: FailedAttemptStore>(store: &S) -> Check {
    let (keys, now): ([_; 2], _) = (keys()?, Timestamp::now());
    for result in join_all((0..20).map(|_| store.add(&keys, now))).await {
        result?;
    }
    ensure_eq!(find(store, &keys).await?, [20, 20], "counts of two keys after 20 concurrent calls to `add`");
    Ok(())
}

async fn device_key<S: FailedAttemptStore>(store: &S) -> Check {
    let mut found = Vec::new();
    for key in join_all((1..=4).map(|number| store.device_key([number; 32]))).await {
        found.push(key?);
    }
    found.push(store.device_key([5; 32]).await?);
    ensure!(
        found.iter().all(|key| *key == found[0]),
        "expected one key for all callers, but `device_key` returned different keys"
    );
    ensure!(
        found[0].iter().any(|byte| *byte != 0),
        "expected a secret key, but `device_key` returned only zeros"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::throttle::InMemoryFailedAttempts;

    #[actix_web::test]
    async fn in_memory_failed_attempts_fulfill_the_contract() {
        failed_attempt_store(&InMemoryFailedAttempts::new(1000)).await.unwrap();
    }
}
