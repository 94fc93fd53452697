//! TLS by rustls, with a certificate that may be replaced while the server runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

/// Why there can be no TLS with these files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Everybody on the machine could be this server.
    #[error("{} may be read by everybody", .0.display())]
    Open(PathBuf),
    /// There is no certificate in PEM form.
    #[error("{} has no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// There is no private key in PEM form.
    #[error("{} has no private key in PEM form", .0.display())]
    NoKey(PathBuf),
    /// They are not of one another, or of a kind that is not known.
    #[error("this certificate and this key cannot be used together: {0}")]
    Unusable(rustls::Error),
}

/// A certificate chain and its key, read again when they are replaced. Clones are the same.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    live: Arc<Live>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.live.certificate).finish_non_exhaustive()
    }
}

/// The pair of files, and what they had when they were read last.
struct Live {
    certificate: PathBuf,
    key: PathBuf,
    in_use: RwLock<Arc<CertifiedKey>>,
    digest: Mutex<[u8; 32]>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Live {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.in_use.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Tls {
    /// TLS 1.2 and 1.3 with the chain in `certificate` (PEM, the server's own first) and the private key in `key` (PEM).
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn open(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let (digest, pair) = read(certificate, key)?;
        let live = Arc::new(Live {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            in_use: RwLock::new(Arc::new(pair)),
            digest: Mutex::new(digest),
        });
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(TlsError::Unusable)?;
        let mut config = config.with_no_client_auth().with_cert_resolver(live.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), live })
    }

    /// Takes what the files have now, for new connections. What cannot be used changes nothing. Whether something changed. Blocks.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn read_again(&self) -> Result<bool, TlsError> {
        let mut last = self.live.digest.lock().unwrap_or_else(PoisonError::into_inner);
        let (digest, pair) = read(&self.live.certificate, &self.live.key)?;
        if *last == digest {
            return Ok(false);
        }
        *self.live.in_use.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
        *last = digest;
        Ok(true)
    }

    /// The handshake; whether both ends agreed on HTTP/2.
    pub(super) async fn accept(&self, socket: TcpStream) -> io::Result<(TlsStream<TcpStream>, bool)> {
        let stream = self.acceptor.accept(socket).await?;
        let second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok((stream, second))
    }
}

/// Both files, with a digest that tells whether one of them changed.
fn read(certificate: &Path, key: &Path) -> Result<([u8; 32], CertifiedKey), TlsError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |error| TlsError::Read { path, error }
    };
    let chain_pem = std::fs::read(certificate).map_err(fail(certificate))?;
    if readable_by_all(key).map_err(fail(key))? {
        return Err(TlsError::Open(key.to_owned()));
    }
    let key_pem = Zeroizing::new(std::fs::read(key).map_err(fail(key))?);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain_pem).collect();
    let chain =
        chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| TlsError::NoCertificate(certificate.into()))?;
    let secret = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| TlsError::NoKey(key.to_owned()))?;
    let pair = CertifiedKey::from_der(chain, secret, &ring::default_provider()).map_err(TlsError::Unusable)?;
    let digest = Sha256::new().chain_update(&chain_pem).chain_update([0]).chain_update(&key_pem).finalize();
    Ok((digest.into(), pair))
}

#[cfg(unix)]
fn readable_by_all(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn readable_by_all(_: &Path) -> io::Result<bool> {
    Ok(false)
}
