//! Device cookies: they show that a device has signed in to an account before, so that failed attempts by strangers do
//! not delay the device. The cookies do not authenticate anyone.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::{secret::DeviceCookie, time::Timestamp};

/// The maximum number of accounts in a cookie.
const MAX_ACCOUNTS: usize = 4;

const ID_BYTES: usize = 16;
const PAYLOAD_BYTES: usize = ID_BYTES + 8;
const CODE_BYTES: usize = 32;
const ENTRY_BYTES: usize = PAYLOAD_BYTES + 2 * CODE_BYTES;

/// An entry in a cookie: the random ID of the device, the expiry, and two authentication codes over both. The second
/// code also depends on the account, which the entry does not reveal.
type Entry = [u8; ENTRY_BYTES];

pub(super) type DeviceId = [u8; ID_BYTES];

/// Returns the ID of the device if the cookie has a valid entry for the account with this hash.
pub(super) fn verify(
    key: &[u8; 32],
    account: &[u8; 32],
    cookie: &DeviceCookie,
    now: Timestamp,
) -> Option<DeviceId> {
    entries(cookie).find_map(|entry| device_of(key, account, &entry, 1, now))
}

/// Returns the ID of the device if the cookie has a valid entry for any account.
pub(super) fn verify_any(key: &[u8; 32], cookie: &DeviceCookie, now: Timestamp) -> Option<DeviceId> {
    entries(cookie).find_map(|entry| device_of(key, &[], &entry, 0, now))
}

/// Returns the cookie with a new entry for the account. The new entry starts with zero failed attempts; copies of the
/// entry that it replaces keep their count.
pub(super) fn renew(
    key: &[u8; 32],
    account: &[u8; 32],
    sent: Option<&DeviceCookie>,
    random: &[u8; 32],
    now: Timestamp,
) -> DeviceCookie {
    let old = sent.into_iter().flat_map(entries);
    let others = old.filter(|entry| device_of(key, account, entry, 1, now).is_none());
    let mut entry = [0; ENTRY_BYTES];
    entry[..ID_BYTES].copy_from_slice(&random[..ID_BYTES]);
    let expires = now + DeviceCookie::LIFETIME;
    entry[ID_BYTES..PAYLOAD_BYTES].copy_from_slice(&expires.as_unix().to_be_bytes());
    let codes = [&[], account.as_slice()]
        .map(|account| code(key, account, &entry[..PAYLOAD_BYTES]).finalize().into_bytes());
    entry[PAYLOAD_BYTES..PAYLOAD_BYTES + CODE_BYTES].copy_from_slice(&codes[0]);
    entry[PAYLOAD_BYTES + CODE_BYTES..].copy_from_slice(&codes[1]);
    let all = [entry].into_iter().chain(others).take(MAX_ACCOUNTS);
    all.map(|entry| URL_SAFE_NO_PAD.encode(entry)).collect::<Vec<_>>().join(".").into()
}

fn entries(cookie: &DeviceCookie) -> impl Iterator<Item = Entry> {
    let entries = cookie.expose().split('.').take(MAX_ACCOUNTS);
    entries.filter_map(|text| URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok())
}

/// Returns the device of an entry if its code at this position is valid and the entry has not expired.
fn device_of(
    key: &[u8; 32],
    account: &[u8],
    entry: &Entry,
    position: usize,
    now: Timestamp,
) -> Option<DeviceId> {
    let (payload, codes) = entry.split_at(PAYLOAD_BYTES);
    let (id, expires) = payload.split_at(ID_BYTES);
    let sent = codes.chunks(CODE_BYTES).nth(position)?;
    // `verify_slice` compares in constant time.
    code(key, account, payload).verify_slice(sent).ok()?;
    let expires = Timestamp::from_unix(u64::from_be_bytes(expires.try_into().ok()?));
    (now < expires).then(|| id.try_into().ok())?
}

/// Returns the code for an account, or for all accounts if `account` is empty.
fn code(key: &[u8; 32], account: &[u8], payload: &[u8]) -> Hmac<Sha256> {
    // HMAC accepts keys of any length.
    let mut code = <Hmac<Sha256> as KeyInit>::new_from_slice(key).unwrap_or_else(|_| unreachable!());
    code.update(b"gatepass device cookie");
    code.update(payload);
    code.update(account);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [1; 32];
    const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn cookie(account: u8, sent: Option<&DeviceCookie>, random: u8) -> DeviceCookie {
        renew(&KEY, &[account; 32], sent, &[random; 32], NOW)
    }

    #[test]
    fn cookie_is_valid_only_for_its_account_and_key_until_it_expires() {
        let cookie = cookie(1, None, 7);
        assert_eq!(verify(&KEY, &[1; 32], &cookie, NOW), Some([7; ID_BYTES]));
        assert_eq!(verify_any(&KEY, &cookie, NOW), Some([7; ID_BYTES]));
        assert_eq!(verify_any(&[2; 32], &cookie, NOW), None);
        assert_eq!(verify_any(&KEY, &cookie, NOW + DeviceCookie::LIFETIME), None);
        assert_eq!(verify(&KEY, &[2; 32], &cookie, NOW), None);
        assert_eq!(verify(&[2; 32], &[1; 32], &cookie, NOW), None);
        assert_eq!(verify(&KEY, &[1; 32], &cookie, NOW + DeviceCookie::LIFETIME), None);
        for index in 0..cookie.expose().len() {
            let mut changed = cookie.expose().to_owned().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap().into();
            let is_valid = verify(&KEY, &[1; 32], &changed, NOW).is_some();
            let is_valid_for_any = verify_any(&KEY, &changed, NOW).is_some();
            assert!(
                !is_valid || !is_valid_for_any,
                "both codes are still valid after character {index} was changed"
            );
            assert!(
                index >= 32 || !is_valid && !is_valid_for_any,
                "a code is still valid after character {index} of the payload was changed"
            );
        }
    }

    #[test]
    fn renewed_cookie_keeps_the_entries_of_the_last_four_accounts() {
        let mut sent = None;
        for account in 0..6 {
            sent = Some(cookie(account, sent.as_ref(), 100 + account));
        }
        let sent = cookie(4, sent.as_ref(), 200);
        let devices =
            [0, 1, 2, 3, 4, 5].map(|account| verify(&KEY, &[account; 32], &sent, NOW).map(|id| id[0]));
        assert_eq!(devices, [None, None, Some(102), Some(103), Some(200), Some(105)]);
        assert!(sent.expose().len() < 500);
    }
}
