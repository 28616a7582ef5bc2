//! RSA: signing with RS256, and verification of RS256 and PS256
//! ([RFC 7518 section 3.3](https://www.rfc-editor.org/rfc/rfc7518#section-3.3)).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use crypto_bigint::{BoxedUint, ConcatenatingMul, NonZero, Resize};
use crypto_primes::{
    Flavor,
    hazmat::{SetBits, SmallFactorsSieveFactory},
    is_prime, sieve_and_find,
};
use ed25519_dalek::pkcs8::{SecretDocument, spki::der::asn1::UintRef};
use getrandom::{SysRng, rand_core::UnwrapErr};
use pkcs1::RsaPrivateKey;
use ring::{
    rand::SystemRandom,
    signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{PublicKeyMembers, Sign, SigningAlgorithm, Verify, pem};
use crate::{adapters::jwt::key_error::Reason, domain::backend_error::BackendError};

pub(super) const ALG: &str = "RS256";
const PSS: &str = "PS256";

/// The accepted lengths of public keys, in bits
/// ([RFC 7518](https://www.rfc-editor.org/rfc/rfc7518#section-3.3) requires the minimum).
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The length of new keys, in bits, which [NIST SP 800-57](https://doi.org/10.6028/NIST.SP.800-57pt1r5) accepts beyond
/// 2030.
const NEW_BITS: u32 = 3072;
const PUBLIC_EXPONENT: u32 = 65537;

struct PublicKey {
    algorithms: &'static [&'static str],
    components: RsaPublicKeyComponents<Vec<u8>>,
}

struct PrivateKey {
    pair: RsaKeyPair,
    public: PublicKey,
}

/// Generates a key. ring checks in `parse` that the numbers are consistent.
pub(super) fn generate() -> Result<(Box<dyn Sign>, Zeroizing<String>), Reason> {
    let document = loop {
        if let Some(key) = generate_numbers() {
            break pem::wrap_rsa(&key).map_err(pem::invalid)?;
        }
    };
    Ok((parse(document.as_bytes())?, pem::write(&document)?))
}

/// Generates the numbers of a key in PKCS#1
/// ([RFC 8017 section 3.2](https://www.rfc-editor.org/rfc/rfc8017#section-3.2)). Returns `None` if the primes do not
/// suit the public exponent.
fn generate_numbers() -> Option<SecretDocument> {
    let (p, q) = (prime()?, prime()?);
    let (p, q) = if *p > *q { (p, q) } else { (q, p) };
    let [p1, q1] = [&p, &q].map(|prime| Zeroizing::new(prime.wrapping_sub(BoxedUint::one())));
    let (n, e) = (p.concatenating_mul(&*q), BoxedUint::from(PUBLIC_EXPONENT).resize(NEW_BITS));
    let phi = NonZero::new(p1.concatenating_mul(&*q1)).into_option()?;
    let d = Zeroizing::new(e.invert_mod(&phi).into_option()?);
    let [d_p, d_q] = [&p1, &q1].map(|order| {
        let order = NonZero::new((**order).clone()).into_option()?;
        Some(Zeroizing::new(d.rem(&order)))
    });
    let q_inv = Zeroizing::new(q.invert_mod(&NonZero::new((*p).clone()).into_option()?).into_option()?);
    let numbers = [&n, &e, &d, &p, &q, &*d_p?, &*d_q?, &q_inv];
    let numbers = numbers.map(|number| Zeroizing::new(number.to_be_bytes().into_vec()));
    let [modulus, public_exponent, private_exponent, prime1, prime2, exponent1, exponent2, coefficient] =
        numbers.each_ref().map(|number| UintRef::new(number).ok());
    SecretDocument::encode_msg(&RsaPrivateKey {
        modulus: modulus?,
        public_exponent: public_exponent?,
        private_exponent: private_exponent?,
        prime1: prime1?,
        prime2: prime2?,
        exponent1: exponent1?,
        exponent2: exponent2?,
        coefficient: coefficient?,
        other_prime_infos: None,
    })
    .ok()
}

/// Generates a prime of half the key length, such that the product of two such primes has the full length.
fn prime() -> Option<Zeroizing<BoxedUint>> {
    let candidates = SmallFactorsSieveFactory::<BoxedUint>::new(Flavor::Any, NEW_BITS / 2, SetBits::TwoMsb);
    let is_prime = |_: &mut _, candidate: &BoxedUint| is_prime(Flavor::Any, candidate);
    sieve_and_find(&mut UnwrapErr(SysRng), candidates.ok()?, is_prime).ok()?.map(Zeroizing::new)
}

/// Parses a private key of 2048 to 4096 bits in PKCS#8.
pub(super) fn parse(document: &[u8]) -> Result<Box<dyn Sign>, Reason> {
    let pair = RsaKeyPair::from_pkcs8(document);
    let pair = pair.map_err(pem::rejected("an RSA private key of 2048 to 4096 bits"))?;
    let components = RsaPublicKeyComponents::from(pair.public());
    Ok(Box::new(PrivateKey { pair, public: PublicKey { algorithms: &[ALG], components } }))
}

/// Parses the public key of a JWK with the type RSA. A key without `alg` is used for both algorithms.
pub(super) fn parse_jwk(jwk: &Value) -> Option<Box<dyn Verify>> {
    let algorithms: &[&str] = match jwk.get("alg").map(Value::as_str) {
        None => &[ALG, PSS],
        Some(Some(ALG)) => &[ALG],
        Some(Some(PSS)) => &[PSS],
        Some(_) => return None,
    };
    let [n, e] = ["n", "e"].map(|name| URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok());
    let components = RsaPublicKeyComponents { n: n?, e: e? };
    let first = components.n.first().filter(|first| **first > 0)?;
    let bits = components.n.len() * 8 - first.leading_zeros() as usize;
    BITS.contains(&bits).then(|| Box::new(PublicKey { algorithms, components }) as _)
}

impl Verify for PublicKey {
    fn algorithms(&self) -> &'static [&'static str] {
        self.algorithms
    }

    fn verifies(&self, alg: &str, message: &[u8], signature: &[u8]) -> bool {
        let parameters = match alg {
            ALG => &RSA_PKCS1_2048_8192_SHA256,
            PSS => &RSA_PSS_2048_8192_SHA256,
            _ => return false,
        };
        self.components.verify(parameters, message, signature).is_ok()
    }
}

impl Sign for PrivateKey {
    fn algorithm(&self) -> SigningAlgorithm {
        SigningAlgorithm::Rs256
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BackendError> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| BackendError::new(Reason::NoRandomBytes))?;
        Ok(signature)
    }

    fn verifier(&self) -> &dyn Verify {
        &self.public
    }

    fn public_key(&self) -> Option<PublicKeyMembers> {
        let RsaPublicKeyComponents { n, e } = &self.public.components;
        let [n, e] = [n, e].map(|number| URL_SAFE_NO_PAD.encode(number));
        Some([("kty", "RSA".into()), ("n", n), ("e", e)].into())
    }
}
