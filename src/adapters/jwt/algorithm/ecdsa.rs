//! ECDSA: signing with ES256, and verification of ES256 and ES384
//! ([RFC 7518 section 3.4](https://www.rfc-editor.org/rfc/rfc7518#section-3.4)). A signature is the concatenation of r
//! and s, each with a fixed length.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::SecretDocument;
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, EcdsaKeyPair,
        EcdsaVerificationAlgorithm, KeyPair, UnparsedPublicKey,
    },
};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{PublicKeyMembers, Sign, SigningAlgorithm, Verify, pem};
use crate::{adapters::jwt::key_error::Reason, domain::backend_error::BackendError};

pub(super) const ALG: &str = "ES256";

/// The first byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;

/// A curve: its name, its algorithm, and the length of a coordinate in bytes.
struct Curve {
    name: &'static str,
    algorithms: &'static [&'static str],
    verification: &'static EcdsaVerificationAlgorithm,
    length: usize,
}

static P256: Curve =
    Curve { name: "P-256", algorithms: &[ALG], verification: &ECDSA_P256_SHA256_FIXED, length: 32 };
static P384: Curve =
    Curve { name: "P-384", algorithms: &["ES384"], verification: &ECDSA_P384_SHA384_FIXED, length: 48 };

struct PublicKey {
    curve: &'static Curve,
    /// The uncompressed point.
    point: UnparsedPublicKey<Vec<u8>>,
}

/// A private key on P-256.
struct PrivateKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

pub(super) fn generate() -> Result<(Box<dyn Sign>, Zeroizing<String>), Reason> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let document = document.map_err(|_| Reason::NoRandomBytes)?;
    let text = pem::write(&SecretDocument::try_from(document.as_ref()).map_err(pem::invalid)?)?;
    Ok((parse(document.as_ref())?, text))
}

/// Parses a private key in PKCS#8.
pub(super) fn parse(document: &[u8]) -> Result<Box<dyn Sign>, Reason> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document, &SystemRandom::new());
    let pair = pair.map_err(pem::rejected("a P-256 private key that includes its public key"))?;
    let public = PublicKey::new(&P256, pair.public_key().as_ref().to_vec());
    Ok(Box::new(PrivateKey { pair, public }))
}

/// Parses the public key of a JWK with the type EC.
pub(super) fn parse_jwk(jwk: &Value) -> Option<Box<dyn Verify>> {
    let curve = [&P256, &P384].into_iter().find(|curve| jwk["crv"] == curve.name)?;
    let mut point = vec![UNCOMPRESSED];
    for name in ["x", "y"] {
        let coordinate = URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok()?;
        if coordinate.len() != curve.length {
            return None;
        }
        point.extend(coordinate);
    }
    Some(Box::new(PublicKey::new(curve, point)))
}

impl PublicKey {
    fn new(curve: &'static Curve, point: Vec<u8>) -> Self {
        Self { curve, point: UnparsedPublicKey::new(curve.verification, point) }
    }
}

impl Verify for PublicKey {
    fn algorithms(&self) -> &'static [&'static str] {
        self.curve.algorithms
    }

    fn verifies(&self, _: &str, message: &[u8], signature: &[u8]) -> bool {
        self.point.verify(message, signature).is_ok()
    }
}

impl Sign for PrivateKey {
    fn algorithm(&self) -> SigningAlgorithm {
        SigningAlgorithm::Es256
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BackendError> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        Ok(signature.map_err(|_| BackendError::new(Reason::NoRandomBytes))?.as_ref().to_vec())
    }

    fn verifier(&self) -> &dyn Verify {
        &self.public
    }

    fn public_key(&self) -> Option<PublicKeyMembers> {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(self.public.curve.length);
        let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        Some([("kty", "EC".into()), ("crv", self.public.curve.name.into()), ("x", x), ("y", y)].into())
    }
}
