//! TLS: the certificate, reloaded when its files change.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, Weak},
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
use tokio::{task::spawn_blocking, time::sleep};

use crate::adapters::background::{self, BackgroundTask};

/// The time between two looks at the files.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// The reason why TLS is not available.
#[derive(Debug, Error)]
pub enum TlsError {
    /// One setting is given without the other.
    #[error("--tls-cert and --tls-key belong together: {0} is missing")]
    MissingFile(&'static str),
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// A file contains no certificate.
    #[error("{} contains no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    /// A file contains no private key.
    #[error("{} contains no private key in PEM (PKCS#8, SEC 1 or PKCS#1)", .0.display())]
    NoKey(PathBuf),
    /// Certificate and key do not match, or rustls does not accept them.
    #[error("{} and {} cannot be used: {cause}", files.certificate.display(), files.key.display())]
    Unusable {
        /// The files.
        files: TlsFiles,
        /// The reason of rustls.
        cause: rustls::Error,
    },
    /// rustls cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// The content of both files.
#[derive(Clone, PartialEq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The certificate in use.
struct Current {
    certificate: RwLock<Arc<CertifiedKey>>,
    _reload: BackgroundTask,
}

impl TlsFiles {
    pub(super) fn new(certificate: Option<&Path>, key: Option<&Path>) -> Result<Option<Self>, TlsError> {
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Ok(Some(Self { certificate: certificate.to_owned(), key: key.to_owned() }))
            }
            (None, None) => Ok(None),
            (Some(_), None) => Err(TlsError::MissingFile("--tls-key")),
            (None, Some(_)) => Err(TlsError::MissingFile("--tls-cert")),
        }
    }

    /// Checks that the files can be used.
    pub(super) fn check(&self) -> Result<(), TlsError> {
        self.certified(&self.read()?).map(|_| ())
    }

    /// TLS 1.2 and 1.3 with this certificate, and with the next one within seconds after the files change.
    pub(super) fn serve(self) -> Result<ServerConfig, TlsError> {
        let content = self.read()?;
        let certificate = RwLock::new(self.certified(&content)?.into());
        let current = Arc::new_cyclic(|current| Current {
            certificate,
            _reload: background::spawn(self.reload(content, Weak::clone(current))),
        });
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
        Ok(config.with_no_client_auth().with_cert_resolver(current))
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

    /// Reloads the files for as long as the certificate is in use. New content is used once two reads agree: the two files
    /// are rarely written at the same time.
    async fn reload(self, content: Content, current: Weak<Current>) {
        let (mut settled, mut before) = (Ok(content), None);
        loop {
            sleep(RELOAD_INTERVAL).await;
            let files = self.clone();
            let read = spawn_blocking(move || files.read().map_err(|error| error.to_string()));
            let (Ok(now), Some(current)) = (read.await, current.upgrade()) else { return };
            if now == settled || before.as_ref() != Some(&now) {
                before = Some(now);
                continue;
            }
            let certified =
                now.clone().and_then(|new| self.certified(&new).map_err(|error| error.to_string()));
            match certified {
                Ok(certified) => {
                    log::info!("TLS uses the new certificate in {}", self.certificate.display());
                    *current.certificate.write().unwrap_or_else(PoisonError::into_inner) = certified.into();
                }
                Err(error) => log::error!("TLS keeps the old certificate: {error}"),
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
        Some(Arc::clone(&self.certificate.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

/// A client that accepts any certificate: it sends no secret and only checks that there is a response.
pub(super) fn unverified_client() -> Result<ClientConfig, rustls::Error> {
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(config.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate)).with_no_client_auth())
}

#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
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
