//! The other side: the authorization server in front of which the proxy stands.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Method, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::{Host, Url};

use super::wire::{Answer, Request, strip};

/// No answer is read beyond this.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// From the connection to the last byte.
const PATIENCE: Duration = Duration::from_secs(60);

/// An upstream that cannot be stood in front of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadUpstream {
    /// Not `http://HOST:PORT`.
    #[error("`{0}` cannot be the upstream: write http://HOST:PORT; paths are passed on as they come")]
    Address(String),
    /// Tokens would leave this machine in clear.
    #[error("`{0}` is not on this machine, and the proxy speaks plain HTTP: use a loopback address")]
    Elsewhere(String),
    /// A revocation endpoint that is no path.
    #[error("`{0}` is no path: write it as in /revoke")]
    Path(String),
}

/// Why there is no answer. Names no header and no body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(#[from] std::io::Error),
    #[error("the upstream took longer than {} s", PATIENCE.as_secs())]
    Late,
    #[error("the upstream broke off: {0}")]
    Broken(#[from] hyper::Error),
    #[error("the upstream's answer is too long or broke off")]
    Body,
    #[error("the request cannot be passed on: {0}")]
    Request(#[from] axum::http::Error),
}

#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    host: String,
    port: u16,
}

impl Upstream {
    pub(crate) fn parse(text: &str) -> Result<Self, BadUpstream> {
        let wrong = || BadUpstream::Address(text.to_owned());
        let url = Url::parse(text).map_err(|_| wrong())?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        let port = url.port_or_known_default().filter(|_| url.scheme() == "http" && bare && anonymous);
        let (Some(port), Some(host)) = (port, url.host()) else { return Err(wrong()) };
        let (local, host) = match host {
            Host::Ipv4(address) => (address.is_loopback(), address.to_string()),
            Host::Ipv6(address) => (address.is_loopback(), address.to_string()),
            Host::Domain(name) => (name == "localhost", name.to_owned()),
        };
        if local { Ok(Self { host, port }) } else { Err(BadUpstream::Elsewhere(text.to_owned())) }
    }

    /// Passes a request on and reads the answer to its end.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, NoAnswer> {
        tokio::time::timeout(PATIENCE, self.exchange(request)).await.unwrap_or(Err(NoAnswer::Late))
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driving = tokio::spawn(connection);
        let answered = self.ask(&mut sender, request).await;
        driving.abort();
        answered
    }

    async fn ask(
        &self,
        sender: &mut hyper::client::conn::http1::SendRequest<Body>,
        request: &Request,
    ) -> Result<Answer, NoAnswer> {
        let mut passed = axum::http::Request::builder().method(&request.method).uri(&request.target);
        if let Some(headers) = passed.headers_mut() {
            headers.clone_from(&request.headers);
        }
        if !request.headers.contains_key(header::HOST) {
            passed = passed.header(header::HOST, format!("localhost:{}", self.port));
        }
        let bodiless = request.body.is_empty() && request.method != Method::POST;
        let body = if bodiless { Body::empty() } else { Body::from(Bytes::copy_from_slice(&request.body)) };
        let (parts, body) = sender.send_request(passed.body(body)?).await?.into_parts();
        let body = to_bytes(Body::new(body), LARGEST_ANSWER).await.map_err(|_| NoAnswer::Body)?;
        let mut headers = parts.headers;
        strip(&mut headers);
        Ok(Answer { status: parts.status, headers, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_an_origin_on_this_machine() {
        for good in ["http://127.0.0.1:4400", "http://localhost:4400/", "http://[::1]:80", "http://127.9.9.9"] {
            assert!(Upstream::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "127.0.0.1:4400",
            "https://127.0.0.1",
            "http://127.0.0.1/realm",
            "http://a@127.0.0.1",
            "http://127.0.0.1?x",
        ] {
            assert!(matches!(Upstream::parse(bad), Err(BadUpstream::Address(_))), "{bad}");
        }
        for far in ["http://id.example.com", "http://192.0.2.1:80", "http://localhost.example.com"] {
            assert!(matches!(Upstream::parse(far), Err(BadUpstream::Elsewhere(_))), "{far}");
        }
    }
}
