//! Password hashes that other programs created.

use gatepass::{
    Password, PasswordCheck, PasswordHasher,
    passwords::{Argon2Hasher, Argon2Settings},
};

use crate::{
    block_on, hasher,
    members::{NAME, auth, members, sign_in},
    quick, serial,
    support::vectors::{OUTDATED, PASSWORDS, Vector},
};

/// Hashes that argon2-cffi created with the parameters of [`quick`].
const CURRENT: Vector = Vector {
    kind: "Argon2id, current parameters",
    hashes: [
        "$argon2id$v=19$m=4096,t=2,p=1$FGmtuW0TJnkHrHPlaCbvOA$mhT4B3mVppP9Bu/jkrwdOjEA6PtoDdt24lKylNdciqk",
        "$argon2id$v=19$m=4096,t=2,p=1$wRDXMNANwx6aZophG6ADyA$0O4TKjmQMHisHwRdcuEtHuNwSOUvlQRedtFoAjkSjtQ",
        "$argon2id$v=19$m=4096,t=2,p=1$C4KAE4q8Q2EGaiRTTsQ5Xg$K+/OqCDId/ASIYPAvytP1yHOODwx1KyEbz4ybfKsR9c",
    ],
};

/// Returns whether hashes of this kind ignore the end of this password.
fn truncates(kind: &str, password: &str) -> bool {
    kind.starts_with("bcrypt") && password.len() > 72
}

fn assert_verifies(vector: &Vector, expected: PasswordCheck) {
    let hasher = hasher(quick());
    let verify = |password: &str, hash: &str| block_on(hasher.verify(&password.into(), &hash.into()));
    for (password, hash) in PASSWORDS.iter().zip(vector.hashes) {
        let kind = vector.kind;
        let expected = if truncates(vector.kind, password) { PasswordCheck::Match } else { expected };
        assert_eq!(verify(password, hash).unwrap(), expected, "{kind}: {password}");
        assert_eq!(verify("wrong", hash).unwrap(), PasswordCheck::Mismatch, "{kind}: {password}");
        let longer = format!("x{password}");
        assert_eq!(verify(&longer, hash).unwrap(), PasswordCheck::Mismatch, "{kind}: {longer}");
    }
}

#[test]
fn hash_from_another_program_needs_rehash_unless_its_parameters_are_current() {
    let _serial = serial();
    OUTDATED.iter().for_each(|vector| assert_verifies(vector, PasswordCheck::NeedsRehash));
    assert_verifies(&CURRENT, PasswordCheck::Match);
}

#[test]
fn sign_in_with_an_outdated_hash_of_any_kind_replaces_the_hash_once() {
    let _serial = serial();
    let hasher = hasher(quick());
    for vector in OUTDATED.iter() {
        for (password, hash) in PASSWORDS.iter().zip(vector.hashes) {
            let kind = vector.kind;
            let store = members(hash);
            let auth = auth(&store, hasher.clone());

            assert!(!block_on(sign_in(&auth, NAME, "wrong")).unwrap(), "{kind}");
            assert_eq!(store.hash_of(1), hash, "{kind}: a wrong password should not replace the hash");

            assert!(block_on(sign_in(&auth, NAME, password)).unwrap(), "{kind}");
            let replaced = store.hash_of(1);
            if truncates(vector.kind, password) {
                assert_eq!(
                    replaced, hash,
                    "{kind}: the end of the password may be mistyped, so the hash should stay"
                );
                continue;
            }
            assert!(replaced.starts_with("$argon2id$v=19$m=4096,t=2,p=1$"), "{kind}: {replaced}");

            assert!(block_on(sign_in(&auth, NAME, password)).unwrap(), "{kind}: second sign-in");
            assert_eq!(store.hash_of(1), replaced, "{kind}: the current hash should stay");
        }
    }
}

#[test]
fn hashes_have_different_salts_and_need_a_rehash_after_a_parameter_change() {
    let _serial = serial();
    let password = Password::from("secret");
    let [hash, other] = [(); 2].map(|()| block_on(hasher(quick()).hash(&password)).unwrap());
    assert_ne!(hash.expose(), other.expose(), "the hashes should have different salts");
    for settings in [
        Argon2Settings { memory: 2048, ..quick() },
        Argon2Settings { memory: 8192, ..quick() },
        Argon2Settings { iterations: 1, ..quick() },
        Argon2Settings { parallelism: 2, ..quick() },
    ] {
        let result = block_on(hasher(settings.clone()).verify(&password, &hash)).unwrap();
        assert_eq!(result, PasswordCheck::NeedsRehash, "{settings:?}");
    }
    assert_eq!(block_on(hasher(quick()).verify(&password, &hash)).unwrap(), PasswordCheck::Match);
}

#[test]
fn sign_in_with_a_bcrypt_hash_ignores_bytes_after_the_72nd_and_keeps_the_hash() {
    let _serial = serial();
    let verifier = hasher(quick());
    let bcrypt = OUTDATED.iter().find(|vector| vector.kind == "bcrypt $2b$").unwrap();
    let (long, hash) = (PASSWORDS[2], bcrypt.hashes[2]);
    let verify = |password: &str| block_on(verifier.verify(&password.into(), &hash.into())).unwrap();
    assert_eq!(verify(&long[..72]), PasswordCheck::NeedsRehash);
    assert_eq!(verify(&long[..71]), PasswordCheck::Mismatch);

    let store = members(hash);
    let auth = auth(&store, hasher(quick()));
    for mistyped in [format!("{long}x"), format!("{}y", &long[..72])] {
        assert!(block_on(sign_in(&auth, NAME, &mistyped)).unwrap());
        assert!(
            block_on(sign_in(&auth, NAME, long)).unwrap(),
            "the mistyped password should not replace the hash"
        );
    }
}

#[test]
fn hash_from_asp_net_core_identity_is_verified() {
    let _serial = serial();
    let hasher = hasher(quick());
    // These hashes are from the tests of ASP.NET Core.
    for hash in [
        "AQAAAAAAAAD6AAAAEAhftMyfTJylOlZT+eEotFXd1elee8ih5WsjXaR3PA9M",
        "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw",
        "AQAAAAIAAAD6AAAAIJbVi5wbMR+htSfFp8fTw8N8GOS/Sje+S/4YZcgBfU7EQuqv4OkVYmc4VJl9AGZzmRTxSkP7LtVi9IWyUxX8IAAfZ8v\
         +ZfhjCcudtC1YERSqE1OEdXLW9VukPuJWBBjLuw==",
    ] {
        let verify = |password: &str| block_on(hasher.verify(&password.into(), &hash.into())).unwrap();
        assert_eq!(verify("my password"), PasswordCheck::NeedsRehash, "{hash}");
        assert_eq!(verify("my passwords"), PasswordCheck::Mismatch, "{hash}");
    }
}

#[test]
fn hash_for_a_user_without_a_password_is_supported_and_matches_no_password() {
    let _serial = serial();
    let hasher = hasher(quick());
    for hash in ["!", "!!", "!dFJ0sYv2aqPXrzOyqzDcAzOyRzsmHdKmFEJt4lUG"] {
        assert_eq!(Argon2Hasher::check_hash(&hash.into()), Ok(()));
        for password in ["!", hash, "secret"] {
            let check = block_on(hasher.verify(&password.into(), &hash.into())).unwrap();
            assert_eq!(check, PasswordCheck::Mismatch, "{hash}: {password}");
        }
    }
}

#[test]
fn password_in_a_different_unicode_normalization_form_matches() {
    let _serial = serial();
    let hasher = hasher(quick());
    let (composed, decomposed) = ("caf\u{e9} \u{fb01}n", "cafe\u{301} fin");
    for (set, typed) in [(composed, decomposed), (decomposed, composed)] {
        let hash = block_on(hasher.hash(&set.into())).unwrap();
        assert_eq!(block_on(hasher.verify(&typed.into(), &hash)).unwrap(), PasswordCheck::Match, "{typed:?}");
        assert_eq!(block_on(hasher.verify(&"cafe fin".into(), &hash)).unwrap(), PasswordCheck::Mismatch);
    }
    // argon2-cffi, which does not normalize, created this hash of the decomposed password with the current parameters.
    let imported =
        "$argon2id$v=19$m=4096,t=2,p=1$BNJ92cyug5eCb71k8s7XKA$AMtyGRESPdWPnryawIf+2YahDfmcNPf4dCd67NB8+8w"
            .into();
    let check = block_on(hasher.verify(&decomposed.into(), &imported)).unwrap();
    assert_eq!(check, PasswordCheck::NeedsRehash);
    assert_eq!(block_on(hasher.verify(&composed.into(), &imported)).unwrap(), PasswordCheck::Mismatch);
}
