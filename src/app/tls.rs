//! TLS: the certificate, read anew when its files change.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, Weak},
    thread,
    time::Duration,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use thiserror::Error;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where the certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to its root, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// One setting without the other.
    #[error("--tls-cert and --tls-key belong together: {0} is missing")]
    Half(&'static str),
    /// A file that cannot be read.
    #[error("cannot read {}: {cause}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// A file without a certificate.
    #[error("{} holds no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// A file without a private key.
    #[error("{} holds no private key in PEM (PKCS#8, SEC 1 or PKCS#1)", .0.display())]
    NoKey(PathBuf),
    /// The two do not fit, or cannot be used.
    #[error("{} and {} cannot be used: {cause}", files.certificate.display(), files.key.display())]
    Unusable {
        /// The files.
        files: TlsFiles,
        /// What is wrong.
        cause: rustls::Error,
    },
    /// No cryptography.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// What the two files hold.
#[derive(PartialEq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The certificate that counts now.
struct Current(RwLock<Arc<CertifiedKey>>);

impl TlsFiles {
    /// The files of two settings that belong together.
    pub(super) fn of(certificate: Option<&Path>, key: Option<&Path>) -> Result<Option<Self>, TlsError> {
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Ok(Some(Self { certificate: certificate.to_owned(), key: key.to_owned() }))
            }
            (None, None) => Ok(None),
            (Some(_), None) => Err(TlsError::Half("--tls-key")),
            (None, Some(_)) => Err(TlsError::Half("--tls-cert")),
        }
    }

    /// Tells whether they can be used.
    pub(super) fn check(&self) -> Result<(), TlsError> {
        self.certified(&self.read()?).map(|_| ())
    }

    /// TLS 1.2 and 1.3 with this certificate, and with the next one within seconds after the files change.
    pub(super) fn serve(self) -> Result<ServerConfig, TlsError> {
        let content = self.read()?;
        let current = Arc::new(Current(RwLock::new(self.certified(&content)?.into())));
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as _);
        let watched = Arc::downgrade(&current);
        let watch = thread::Builder::new().name("tls".to_owned());
        watch
            .spawn(move || self.watch(content, &watched))
            .map_err(|error| TlsError::Setup(rustls::Error::General(error.to_string())))?;
        Ok(config)
    }

    fn read(&self) -> Result<Content, TlsError> {
        let read = |file: &PathBuf| {
            fs::read(file).map_err(|cause| TlsError::Unreadable { file: file.clone(), cause })
        };
        Ok(Content { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    fn certified(&self, content: &Content) -> Result<CertifiedKey, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&content.certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError::NoCertificate(self.certificate.clone()))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate(self.certificate.clone()));
        }
        let key =
            PrivateKeyDer::from_pem_slice(&content.key).map_err(|_| TlsError::NoKey(self.key.clone()))?;
        CertifiedKey::from_der(chain, key, &provider())
            .map_err(|cause| TlsError::Unusable { files: self.clone(), cause })
    }

    /// Looks at the files until nobody needs them. What is read counts once it is read twice alike: the two files
    /// are seldom written at the same time.
    fn watch(&self, used: Content, current: &Weak<Current>) {
        let (mut settled, mut before) = (Ok(used), None);
        loop {
            thread::park_timeout(LOOK);
            let Some(current) = current.upgrade() else { return };
            let now = self.read().map_err(|error| error.to_string());
            if now == settled || before.as_ref() != Some(&now) {
                before = Some(now);
                continue;
            }
            let certified = now
                .as_ref()
                .map_err(String::clone)
                .and_then(|content| self.certified(content).map_err(|error| error.to_string()));
            match certified {
                Ok(certified) => {
                    log::info!("TLS has the new certificate in {}", self.certificate.display());
                    *current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
                }
                Err(error) => log::error!("TLS keeps the certificate it has: {error}"),
            }
            (settled, before) = (now, None);
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

/// A client that takes any certificate: for whoever sends no secret, and asks no more than whether there is an answer.
pub(super) fn unverified_client() -> Result<ClientConfig, rustls::Error> {
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth())
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
