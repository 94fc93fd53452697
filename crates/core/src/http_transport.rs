//! Carries requests to authorization servers, over reqwest and rustls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pilotlight_oauth::{ExposeSecret, HttpRequest, HttpResponse, Method, http_date, retry_after};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, RETRY_AFTER};
use zeroize::Zeroizing;

use crate::Home;
use crate::parts::{Answer, Clock, Transport, TransportError};
use crate::settings::{Current, Proxy, Settings};

/// No answer of an authorization server is longer than this; what is longer is not read.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// From the first byte sent to the last byte read.
const DEADLINE: Duration = Duration::from_secs(15);
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// HTTP over reqwest and rustls, by the way that a home's settings tell.
pub struct HttpTransport {
    clock: Arc<dyn Clock>,
    settings: Option<Current>,
    clients: Mutex<Clients>,
}

/// How requests leave, and which certificates are trusted besides the system's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Way {
    proxy: Proxy,
    certificates: Vec<u8>,
}

// Made when first used: reading the system's certificates takes longer than all else that a short command does.
#[derive(Default)]
struct Clients {
    way: Way,
    outside: Option<reqwest::Client>,
    loopback: Option<reqwest::Client>,
}

impl HttpTransport {
    /// A transport with its connection pools, by the system's proxy and certificates.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, settings: None, clients: Mutex::default() }
    }

    /// The same by the proxy and the certificates that the settings of `home` tell, from the next request on when they change.
    #[must_use]
    pub fn of_home(clock: Arc<dyn Clock>, home: &Home) -> Self {
        Self { settings: Some(Current::of(home.clone())), ..Self::new(clock) }
    }

    /// The client for `url`. A proxy has no way to this machine's own loopback.
    fn client_for(&self, url: &url::Url) -> Result<reqwest::Client, TransportError> {
        let way = self.settings.as_ref().map_or_else(|| Ok(Way::default()), |settings| Way::of(&settings.now()))?;
        let loopback = is_loopback(url);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.way != way {
            *clients = Clients { way, ..Clients::default() };
        }
        let slot = if loopback { &clients.loopback } else { &clients.outside };
        if let Some(client) = slot {
            return Ok(client.clone());
        }
        let made = clients.way.client(loopback, DEADLINE)?;
        let slot = if loopback { &mut clients.loopback } else { &mut clients.outside };
        Ok(slot.insert(made).clone())
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let client = self.client_for(&request.url)?;
        let answer = client.execute(build(&client, request)?).await.map_err(|error| sort(&error))?;
        let status = answer.status().as_u16();
        let text = |name| answer.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let content_type = text(CONTENT_TYPE).map(ToOwned::to_owned);
        let date = text(DATE).and_then(http_date);
        // A date in `Retry-After` is one of the server's clock, too.
        let retry_after =
            text(RETRY_AFTER).and_then(|value| retry_after(value, date.unwrap_or_else(|| self.clock.now())));
        let body = read(answer).await?;
        Ok(HttpResponse { status, content_type, retry_after, date, body: body.into() })
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: HttpRequest) -> Answer<'_> {
        Box::pin(self.exchange(request))
    }
}

impl Way {
    /// As the settings tell. Where they cannot be followed nothing leaves.
    pub(crate) fn of(settings: &Settings) -> Result<Self, TransportError> {
        if let Some(why) = settings.blocked() {
            return Err(TransportError::NotSent(format!("by the settings, {}", why.trim_end_matches('.'))));
        }
        let file = settings.ca_file.as_deref();
        let certificates = file.map(crate::settings::certificates).transpose();
        let certificates = certificates.map_err(|why| TransportError::NotSent(format!("the certificates {why}")))?;
        Ok(Self { proxy: settings.proxy.clone(), certificates: certificates.unwrap_or_default() })
    }

    /// A reqwest client with Pilotlight's TLS, name and time-outs, and no redirects.
    pub(crate) fn client(&self, loopback: bool, deadline: Duration) -> Result<reqwest::Client, TransportError> {
        self.build(loopback, deadline).map_err(|error| TransportError::NotSent(reason(&error)))
    }

    /// What every client begins with: Pilotlight's TLS, this way, no redirects.
    pub(crate) fn builder(&self, loopback: bool) -> Result<reqwest::ClientBuilder, TransportError> {
        self.begin(loopback).map_err(|error| TransportError::NotSent(reason(&error)))
    }

    fn build(&self, loopback: bool, deadline: Duration) -> reqwest::Result<reqwest::Client> {
        let name = concat!("Pilotlight/", env!("CARGO_PKG_VERSION"));
        self.begin(loopback)?.user_agent(name).timeout(deadline).build()
    }

    fn begin(&self, loopback: bool) -> reqwest::Result<reqwest::ClientBuilder> {
        // Another part of the program may have chosen a provider already; any is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_DEADLINE)
            .tls_certs_merge(reqwest::Certificate::from_pem_bundle(&self.certificates)?);
        Ok(match &self.proxy {
            Proxy::None => builder.no_proxy(),
            _ if loopback => builder.no_proxy(),
            Proxy::At(url) => builder.proxy(reqwest::Proxy::all(url.clone())?),
            Proxy::System => builder,
        })
    }
}

/// Whether these bytes are certificates in PEM, one at least, that TLS can trust.
pub(crate) fn trusts(pem: &[u8]) -> bool {
    let some = reqwest::Certificate::from_pem_bundle(pem).is_ok_and(|found| !found.is_empty());
    some && Way { certificates: pem.to_vec(), ..Way::default() }.build(false, DEADLINE).is_ok()
}

/// Whether an address is on this machine: a loopback address, or `localhost`.
pub(crate) fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn build(client: &reqwest::Client, request: HttpRequest) -> Result<reqwest::Request, TransportError> {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
    };
    let mut builder = client.request(method, request.url).header(ACCEPT, "application/json");
    if let Some(kind) = request.content_type {
        builder = builder.header(CONTENT_TYPE, kind);
    }
    if let Some(authorization) = &request.authorization {
        let mut value = HeaderValue::from_str(authorization.expose_secret())
            .map_err(|_| TransportError::NotSent("the credentials hold characters that no header may have".into()))?;
        value.set_sensitive(true);
        builder = builder.header(AUTHORIZATION, value);
    }
    if let Some(key) = &request.idempotency_key {
        builder = builder.header("Idempotency-Key", key);
    }
    if let Some(body) = &request.body {
        builder = builder.body(body.expose_secret().to_owned());
    }
    builder.build().map_err(|error| TransportError::NotSent(reason(&error)))
}

async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, TransportError> {
    let mut body = Zeroizing::new(Vec::with_capacity(8 * 1024));
    while let Some(chunk) = answer.chunk().await.map_err(|error| TransportError::Lost(reason(&error)))? {
        if body.len() + chunk.len() > LONGEST_ANSWER {
            return Err(TransportError::Lost("the answer is too long".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(std::mem::take(&mut *body))
}

/// Only what failed before the request left is known to have changed nothing.
pub(crate) fn sort(error: &reqwest::Error) -> TransportError {
    if error.is_connect() || error.is_builder() {
        TransportError::NotSent(reason(error))
    } else {
        TransportError::Lost(reason(error))
    }
}

/// The innermost cause, which names the trouble and no address with its query.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it took too long".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;
    use crate::parts::SystemClock;
    use crate::settings::Setting;

    /// Answers one request as a proxy would, and tells its first line.
    fn proxy() -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").unwrap();
            first
        });
        (address, served)
    }

    fn request(url: &str) -> HttpRequest {
        HttpRequest {
            method: Method::Get,
            url: url::Url::parse(url).unwrap(),
            content_type: None,
            authorization: None,
            idempotency_key: None,
            body: None,
        }
    }

    #[tokio::test]
    async fn requests_leave_by_the_proxy_that_a_person_set_and_by_none_that_is_not_understood() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home")).unwrap();
        let transport = HttpTransport::of_home(Arc::new(SystemClock), &home);
        let (address, served) = proxy();
        Settings::store(&home, Setting::Proxy, &address).unwrap();
        assert_eq!(transport.send(request("http://service.example/token")).await.unwrap().status, 200);
        assert_eq!(served.join().unwrap(), "GET http://service.example/token HTTP/1.1");

        std::fs::write(home.settings(), r#"{"proxy": "socks9://x"}"#).unwrap();
        let refused = transport.send(request("http://service.example/token")).await.unwrap_err();
        assert!(matches!(&refused, TransportError::NotSent(why) if why.contains("proxy")), "{refused:?}");
    }

    #[tokio::test]
    async fn certificates_that_are_gone_stop_requests_rather_than_be_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home")).unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(Settings::store(&home, Setting::CaFile, file.to_str().unwrap()).is_err(), "it is no certificate");
        Settings::store(&home, Setting::Theme, "dark").unwrap();
        std::fs::write(home.settings(), serde_json::json!({ "ca-file": folder.path().join("gone.pem") }).to_string())
            .unwrap();
        let transport = HttpTransport::of_home(Arc::new(SystemClock), &home);
        let refused = transport.send(request("http://127.0.0.1:9/")).await.unwrap_err();
        assert!(matches!(&refused, TransportError::NotSent(why) if why.contains("gone.pem")), "{refused:?}");
    }
}
