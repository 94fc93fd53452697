//! A company's network: a certificate authority that nobody else knows, and a proxy as the only way out.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// A certificate for a name, by an authority of its own.
#[derive(Debug)]
pub struct PrivateCertificate {
    /// The authority's certificate, in PEM.
    pub authority: PathBuf,
    /// The server's certificate, in PEM.
    pub chain: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
}

impl PrivateCertificate {
    /// Writes both to `folder`.
    ///
    /// # Panics
    /// When it cannot.
    pub fn issue(folder: &Path, name: &str) -> Self {
        let key = || KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, key()).expect("an authority");
        let (own, params) = (key(), CertificateParams::new(vec![name.to_owned()]).expect("parameters"));
        let certificate = params.signed_by(&own, &authority).expect("a certificate");
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).expect("a file in the folder");
            path
        };
        let issued = Self {
            authority: write("authority.pem", authority.pem()),
            chain: write("chain.pem", certificate.pem()),
            key: write("key.pem", own.serialize_pem()),
        };
        #[cfg(unix)]
        fs::set_permissions(&issued.key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
        issued
    }
}

/// A proxy that leads to one server, whatever name it is asked for (RFC 9110 section 9.3.6).
#[derive(Debug)]
pub struct Tunnel {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// On a free loopback port.
    ///
    /// # Panics
    /// When there is none.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (address, asked) = (listener.local_addr().expect("its address"), Arc::<Mutex<Vec<String>>>::default());
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let log = Arc::clone(&log);
                // Either side may go at any time.
                thread::spawn(move || lead(stream, server, &log));
            }
        });
        Self { address, asked }
    }

    /// As `proxy` of the settings has it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whom it was asked for, as `NAME:PORT`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn lead(mut stream: TcpStream, server: SocketAddr, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let Some(target) = first.strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix(" HTTP/1.1")) else {
        return stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n");
    };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(target.to_owned());
    let mut beyond = TcpStream::connect(server)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from, mut to) = (stream.try_clone()?, beyond.try_clone()?);
    thread::spawn(move || {
        let copied = io::copy(&mut from, &mut to);
        to.shutdown(std::net::Shutdown::Write).and(copied)
    });
    io::copy(&mut beyond, &mut stream)?;
    stream.shutdown(std::net::Shutdown::Write)
}
