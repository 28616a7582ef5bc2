//! How tokens are signed.

/// How tokens are signed: one way for all, so that a token cannot choose
/// ([RFC 8725 section 3.1](https://www.rfc-editor.org/rfc/rfc8725#section-3.1)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "service", derive(clap::ValueEnum))]
pub enum SigningAlgorithm {
    /// EdDSA with Ed25519: other services verify with the public keys
    ///
    /// See [RFC 8037](https://www.rfc-editor.org/rfc/rfc8037).
    #[default]
    #[cfg_attr(feature = "service", value(name = "EdDSA"))]
    EdDsa,
    /// HMAC with SHA-256, as in FastAPI's tutorial: only who has the secret verifies
    ///
    /// And could sign as well.
    #[cfg_attr(feature = "service", value(name = "HS256"))]
    Hs256,
}

impl SigningAlgorithm {
    /// The name in a token's header (`alg`).
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }

    /// How the names of its keys' files end.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::EdDsa => "pem",
            Self::Hs256 => "hs256",
        }
    }
}
