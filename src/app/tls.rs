//! The TLS certificate, which is reloaded when its files change.

use std::{
    fs,
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
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    adapters::background::{self, BackgroundTask},
    app::failure::Failure,
};

/// The interval at which the files are checked for changes.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// The PEM files of a certificate and its private key.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
}

/// The content of both files.
#[derive(Clone, PartialEq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// The certificate in use.
#[derive(Debug)]
struct Current {
    certificate: RwLock<Arc<CertifiedKey>>,
    _reload: BackgroundTask,
}

impl TlsFiles {
    pub(super) fn new(certificate: Option<&Path>, key: Option<&Path>) -> Result<Option<Self>, Failure> {
        let missing = |option| {
            Failure::usage(format!("--tls-cert and --tls-key must be set together: {option} is missing"))
        };
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Ok(Some(Self { certificate: certificate.to_owned(), key: key.to_owned() }))
            }
            (None, None) => Ok(None),
            (Some(_), None) => Err(missing("--tls-key")),
            (None, Some(_)) => Err(missing("--tls-cert")),
        }
    }

    /// Checks that the files contain a certificate and its key.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.parse(&self.read()?).map(|_| ())
    }

    /// Returns the configuration for TLS 1.2 and 1.3. The certificate is reloaded within seconds when its files change.
    pub(super) fn serve(self) -> Result<ServerConfig, Failure> {
        let content = self.read()?;
        let certificate = RwLock::new(self.parse(&content)?.into());
        let current = Arc::new_cyclic(|current| Current {
            certificate,
            _reload: background::spawn(self.reload(content, Weak::clone(current))),
        });
        let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        Ok(config.with_no_client_auth().with_cert_resolver(current))
    }

    fn read(&self) -> Result<Content, Failure> {
        let read = |file: &PathBuf| {
            fs::read(file)
                .map_err(|error| Failure::failed(format!("cannot read {}: {error}", file.display())))
        };
        Ok(Content { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    fn parse(&self, content: &Content) -> Result<CertifiedKey, Failure> {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&content.certificate)
            .collect::<Result<_, _>>()
            .unwrap_or_default();
        if chain.is_empty() {
            return Err(Failure::failed(format!("{certificate} contains no certificate in PEM format")));
        }
        let private_key = PrivateKeyDer::from_pem_slice(&content.key).map_err(|_| {
            Failure::failed(format!("{key} contains no private key in PEM format (PKCS#8, SEC 1 or PKCS#1)"))
        })?;
        CertifiedKey::from_der(chain, private_key, &provider())
            .map_err(|error| Failure::failed(format!("cannot use {certificate} with {key}: {error}")))
    }

    /// Reloads the files for as long as the certificate is in use. New content is used only after two identical reads,
    /// because the two files are rarely replaced at the same instant.
    async fn reload(self, content: Content, current: Weak<Current>) {
        let (mut current_content, mut previous_read) = (Ok(content), None);
        loop {
            sleep(RELOAD_INTERVAL).await;
            let files = self.clone();
            let read = spawn_blocking(move || files.read().map_err(|error| error.to_string()));
            let (Ok(now), Some(current)) = (read.await, current.upgrade()) else { return };
            if now == current_content || previous_read.as_ref() != Some(&now) {
                previous_read = Some(now);
                continue;
            }
            let parsed = now.clone().and_then(|new| self.parse(&new).map_err(|error| error.to_string()));
            match parsed {
                Ok(certified) => {
                    log::info!("reloaded the TLS certificate from {}", self.certificate.display());
                    *current.certificate.write().unwrap_or_else(PoisonError::into_inner) = certified.into();
                }
                Err(error) => {
                    log::error!("cannot reload the TLS certificate; the old one stays in use: {error}");
                }
            }
            (current_content, previous_read) = (now, None);
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

/// Returns the configuration for a client that accepts any certificate, for requests without secrets.
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
