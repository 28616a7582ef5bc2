//! Private keys in PKCS#8 PEM ([RFC 7468 section 10](https://www.rfc-editor.org/rfc/rfc7468#section-10)).

use ed25519_dalek::pkcs8::{
    self, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument,
    spki::{
        AlgorithmIdentifierRef,
        der::{
            self,
            asn1::{AnyRef, OctetStringRef},
            pem::LineEnding,
        },
    },
};
use zeroize::Zeroizing;

use super::{Sign, ecdsa, eddsa, rsa};
use crate::adapters::jwt::key_error::Reason;

const LABEL: &str = "PRIVATE KEY";
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Parses a private key. Its kind determines the algorithm.
pub(in crate::adapters::jwt) fn parse(pem: &str) -> Result<Box<dyn Sign>, Reason> {
    let (label, document) = SecretDocument::from_pem(pem).map_err(invalid)?;
    if label != LABEL {
        return Err(Reason::InvalidKey(format!("not a private key in PKCS#8 PEM: the label is {label:?}")));
    }
    let kind = document.decode_msg::<PrivateKeyInfoRef<'_>>().map_err(invalid)?.algorithm.oid;
    match kind {
        EC => ecdsa::parse(document.as_bytes()),
        RSA => rsa::parse(document.as_bytes()),
        ED25519 => eddsa::parse(document.as_bytes()),
        _ => Err(Reason::InvalidKey(format!(
            "keys of type {kind} cannot sign tokens: use P-256, RSA or Ed25519"
        ))),
    }
}

/// Converts an RSA key from PKCS#1 to PKCS#8.
pub(super) fn wrap_rsa(key: &SecretDocument) -> der::Result<SecretDocument> {
    let algorithm = AlgorithmIdentifierRef { oid: RSA, parameters: Some(AnyRef::NULL) };
    SecretDocument::encode_msg(&PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(key.as_bytes())?))
}

/// Writes a PKCS#8 document as PEM.
pub(super) fn write(document: &SecretDocument) -> Result<Zeroizing<String>, Reason> {
    document.to_pem(LABEL, LineEnding::LF).map_err(invalid)
}

/// Parses a private key, and returns it with the text of its key file.
pub(in crate::adapters::jwt) fn import(pem: &str) -> Result<(Box<dyn Sign>, Zeroizing<String>), Reason> {
    let key = parse(pem)?;
    let (_, document) = SecretDocument::from_pem(pem).map_err(invalid)?;
    Ok((key, write(&document)?))
}

pub(super) fn invalid(error: der::Error) -> Reason {
    Reason::InvalidKey(format!("not a private key in PKCS#8 PEM: {error}"))
}

pub(super) fn rejected(kind: &'static str) -> impl Fn(ring::error::KeyRejected) -> Reason {
    move |error| Reason::InvalidKey(format!("not {kind}: {error}"))
}

pub(super) fn encoding(error: pkcs8::Error) -> Reason {
    Reason::InvalidKey(format!("not a private key in PKCS#8 PEM: {error}"))
}
