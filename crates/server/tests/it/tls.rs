//! https: both versions of HTTP, a certificate that is replaced, and files that cannot be used.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pilotlight_server::{Tls, TlsError};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::running::{Running, config};

/// A certificate in files, and what a client needs to trust it.
fn certificate(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("chain.pem"), cert.pem()).unwrap();
    write_private(&folder.join("key.pem"), &KeyPair::serialize_pem(&signing_key));
    cert.der().clone()
}

fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    set_mode(path, 0o600);
}

fn set_mode(path: &Path, mode: u32) {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    #[cfg(not(unix))]
    let _ = (path, mode);
}

fn open(folder: &TempDir) -> Result<Tls, TlsError> {
    Tls::open(&folder.path().join("chain.pem"), &folder.path().join("key.pem"))
}

/// A connection that trusts this certificate alone, and offers these protocols.
async fn connect(
    running: &Running,
    trusted: &CertificateDer<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let client = client.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut client = client.with_no_client_auth();
    client.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let socket = TcpStream::connect(running.address).await?;
    TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").unwrap(), socket).await
}

async fn started(tls: Tls) -> Running {
    Running::over(config(|_| {}), Arc::new(pilotlight_server::MemoryStore::new()), Some(tls)).await
}

#[tokio::test]
async fn https_serves_http_1_1_and_http_2() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certificate(folder.path());
    let running = started(open(&folder).unwrap()).await;

    let mut first = connect(&running, &trusted, &[b"http/1.1"]).await.unwrap();
    first.write_all(b"GET /jwks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let second = connect(&running, &trusted, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(second.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(second)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/jwks").body(Body::empty()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);

    let (status, _) = running.ask("GET /jwks HTTP/1.1", "").await;
    assert_eq!(status, 0, "nothing in clear");
}

#[tokio::test]
async fn a_replaced_certificate_serves_new_connections_and_a_broken_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let one = certificate(folder.path());
    let tls = open(&folder).unwrap();
    let running = started(tls.clone()).await;
    assert!(!tls.read_again().unwrap(), "nothing has changed");
    let before = connect(&running, &one, &[]).await.unwrap();

    std::fs::write(folder.path().join("chain.pem"), "nonsense").unwrap();
    assert!(matches!(tls.read_again(), Err(TlsError::NoCertificate(_))));
    assert!(connect(&running, &one, &[]).await.is_ok());

    let two = certificate(folder.path());
    assert!(tls.read_again().unwrap());
    assert!(connect(&running, &two, &[]).await.is_ok());
    assert!(connect(&running, &one, &[]).await.is_err(), "the old one is gone");
    let (mut before, mut answer) = (before, String::new());
    before.write_all(b"GET /jwks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    before.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "who was connected goes on: {answer}");
}

#[test]
fn files_that_cannot_be_used_are_refused_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(open(&folder), Err(TlsError::Read { .. })));
    certificate(folder.path());
    let key = folder.path().join("key.pem");
    let whole = std::fs::read_to_string(&key).unwrap();
    write_private(&key, "nonsense");
    assert!(matches!(open(&folder), Err(TlsError::NoKey(_))));
    write_private(&key, &KeyPair::generate().unwrap().serialize_pem());
    assert!(matches!(open(&folder), Err(TlsError::Unusable(_))), "of another certificate");
    write_private(&key, &whole);
    assert!(open(&folder).is_ok());
    set_mode(&key, 0o644);
    assert_eq!(matches!(open(&folder), Err(TlsError::Open(_))), cfg!(unix));
}

#[cfg(all(unix, feature = "redis"))]
#[test]
fn a_store_in_redis_is_reached_under_tls_and_not_where_its_certificate_is_not_trusted() {
    use crate::command_line::run;
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let (chain, key) = (path("chain.pem"), path("key.pem"));
    let under_tls = ["--tls-cert-file", &chain, "--tls-key-file", &key, "--tls-auth-clients", "no"];
    let arguments = [&["--port", "0", "--tls-port", &port, "--bind", "127.0.0.1"][..], &under_tls].concat();
    let redis = crate::redis_server::RedisServer::with(&arguments);
    let store = format!("rediss://localhost:{port}/0");
    let add = |trusted: &str| {
        let mut command = std::process::Command::new(crate::command_line::PROGRAM);
        command.args(["client", "add", "app", "--redirect-uri", "https://app.example/", "--store", &store]);
        command.env("SSL_CERT_FILE", trusted).output().unwrap().status.code()
    };
    // On a busy machine it may take longer than Redis is given: then it is to be asked again.
    let code = (0..50).map(|_| add(&chain)).find(|code| *code != Some(1));
    assert!(matches!(code, Some(Some(0 | 3))), "added now, or by an attempt whose answer came too late: {code:?}");
    let kept: u64 = redis.ask(&redis::cmd("DBSIZE"));
    assert_eq!(kept, 1);
    let distrustful = run(&["grant", "list", "--store", &store], "");
    assert_eq!(distrustful.status.code(), Some(1), "{distrustful:?}");
    assert!(String::from_utf8_lossy(&distrustful.stderr).contains("Redis cannot be used"), "{distrustful:?}");
}
