//! The hashes of other programs.

use gatepass::{Argon2Settings, GrantError, Password, PasswordCheck, PasswordHasher};

use crate::{
    alone, block_on, hasher,
    members::{Members, NAME, auth, sign_in},
    quick,
    vectors::{OUTDATED, PASSWORDS, TODAYS, Vector},
};

fn verdicts(vector: &Vector, expected: PasswordCheck) {
    let hasher = hasher(quick());
    let verify = |password: &str, hash: &str| block_on(hasher.verify(&password.into(), &hash.into()));
    for (password, hash) in PASSWORDS.iter().zip(vector.hashes) {
        let kind = vector.kind;
        assert_eq!(verify(password, hash).unwrap(), expected, "{kind}: {password}");
        assert_eq!(verify("wrong", hash).unwrap(), PasswordCheck::Mismatch, "{kind}: {password}");
        assert_eq!(
            verify(&format!("x{password}"), hash).unwrap(),
            PasswordCheck::Mismatch,
            "{kind}: {password}"
        );
    }
}

#[test]
fn hashes_of_other_programs_are_verified_and_outdated() {
    let _alone = alone();
    OUTDATED.iter().for_each(|vector| verdicts(vector, PasswordCheck::NeedsRehash));
}

#[test]
fn argon2id_of_another_program_with_todays_parameters_is_up_to_date() {
    let _alone = alone();
    verdicts(&TODAYS, PasswordCheck::Match);
}

#[test]
fn an_outdated_hash_of_every_kind_is_replaced_at_the_next_sign_in() {
    let _alone = alone();
    for vector in OUTDATED {
        for (password, hash) in PASSWORDS.iter().zip(vector.hashes) {
            let kind = vector.kind;
            let members = Members::new(hash);
            let auth = auth(&members, hasher(quick()));

            let refused = block_on(sign_in(&auth, NAME, "wrong"));
            assert!(matches!(refused, Err(GrantError::IncorrectCredentials)), "{kind}: {refused:?}");
            assert_eq!(members.hash(), hash, "{kind}: a wrong password replaces nothing");

            assert!(block_on(sign_in(&auth, NAME, password)).is_ok(), "{kind}");
            let replaced = members.hash();
            assert!(replaced.starts_with("$argon2id$v=19$m=4096,t=2,p=1$"), "{kind}: {replaced}");

            assert!(block_on(sign_in(&auth, NAME, password)).is_ok(), "{kind}: once more");
            assert_eq!(members.hash(), replaced, "{kind}: today's hash stays");
        }
    }
}

#[test]
fn todays_hash_is_outdated_once_a_parameter_is_set_otherwise() {
    let _alone = alone();
    let password = Password::from("secret");
    let hash = block_on(hasher(quick()).hash(&password)).unwrap();
    for settings in [
        Argon2Settings { memory: 2048, ..quick() },
        Argon2Settings { memory: 8192, ..quick() },
        Argon2Settings { iterations: 1, ..quick() },
        Argon2Settings { parallelism: 2, ..quick() },
    ] {
        let verdict = block_on(hasher(settings.clone()).verify(&password, &hash)).unwrap();
        assert_eq!(verdict, PasswordCheck::NeedsRehash, "{settings:?}");
    }
    assert_eq!(block_on(hasher(quick()).verify(&password, &hash)).unwrap(), PasswordCheck::Match);
}

#[test]
fn bcrypt_reads_72_bytes_as_the_programs_did_that_made_its_hashes() {
    let _alone = alone();
    let verifier = hasher(quick());
    let bcrypt = OUTDATED.iter().find(|vector| vector.kind == "bcrypt $2b$").unwrap();
    let (long, hash) = (PASSWORDS[2], bcrypt.hashes[2]);
    let verify = |password: &str| block_on(verifier.verify(&password.into(), &hash.into())).unwrap();
    assert_eq!(verify(long), PasswordCheck::NeedsRehash);
    assert_eq!(verify(&long[..72]), PasswordCheck::NeedsRehash, "what follows was never in the hash");
    assert_eq!(verify(&long[..71]), PasswordCheck::Mismatch);

    // The hash that replaces it takes all of the password that was typed.
    let members = Members::new(hash);
    let auth = auth(&members, hasher(quick()));
    assert!(block_on(sign_in(&auth, NAME, long)).is_ok());
    assert!(block_on(sign_in(&auth, NAME, &long[..72])).is_err());
}

#[test]
fn two_hashes_of_one_password_differ() {
    let _alone = alone();
    let hasher = hasher(quick());
    let hash = || block_on(hasher.hash(&"secret".into())).unwrap();
    assert_ne!(hash().expose(), hash().expose());
}
