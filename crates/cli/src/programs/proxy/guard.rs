//! Which requests the proxy takes: those of programs that were told its address, and of no web page.

use std::net::SocketAddr;

use hyper::header::{HOST, ORIGIN};
use hyper::{HeaderMap, Method, Uri};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Why a request is not taken: a status and a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) u16, pub(super) &'static str);

/// Where the proxy listens, and what a request has to know.
pub(super) struct Guard {
    /// None on a Unix socket, whose folder and owner keep others out.
    pub(super) address: Option<SocketAddr>,
    /// The first segment of every path, unless the person does without.
    pub(super) secret: Option<Zeroizing<String>>,
}

impl Guard {
    /// The path and query behind the secret, if the request is taken.
    pub(super) fn admit<'a>(&self, method: &Method, uri: &'a Uri, headers: &HeaderMap) -> Result<&'a str, Refused> {
        if *method == Method::CONNECT || uri.authority().is_some() {
            return Err(Refused(400, "This is no general proxy: use its address in place of the service's."));
        }
        // The service would send the Authorization header back (RFC 9110 section 9.3.8).
        if *method == Method::TRACE {
            return Err(Refused(405, "TRACE is not passed on."));
        }
        self.refuse_pages(headers)?;
        let target = uri.path_and_query().map_or("/", |both| both.as_str());
        let rest = target.strip_prefix('/').ok_or(Refused(400, "Only a path can be asked for."))?;
        let Some(secret) = &self.secret else { return Ok(rest) };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (known, rest) = rest.split_at(end);
        if !bool::from(known.as_bytes().ct_eq(secret.as_bytes())) {
            return Err(Refused(404, "Use the whole address that the proxy printed, with its path."));
        }
        Ok(rest.strip_prefix('/').unwrap_or(rest))
    }

    /// A page of a foreign site can have the browser send requests to this machine. The browser tells so in `Origin` and
    /// `Sec-Fetch-Site`; and a site that has its own name point to this machine (DNS rebinding) is told by `Host`.
    fn refuse_pages(&self, headers: &HeaderMap) -> Result<(), Refused> {
        const PAGE: Refused = Refused(403, "Requests of web pages are not taken.");
        let text = |value: &hyper::header::HeaderValue| value.to_str().map(str::to_ascii_lowercase).unwrap_or_default();
        let mut hosts = headers.get_all(HOST).iter().map(text);
        let host = hosts.next().unwrap_or_default();
        if hosts.next().is_some() || !self.is_ours(&host) {
            return Err(Refused(421, "The request is meant for another host: use the address that the proxy printed."));
        }
        if headers.get_all(ORIGIN).iter().any(|origin| text(origin) != format!("http://{host}")) {
            return Err(PAGE);
        }
        let foreign = |site| !matches!(text(site).as_str(), "none" | "same-origin");
        if headers.get_all("sec-fetch-site").iter().any(foreign) {
            return Err(PAGE);
        }
        Ok(())
    }

    fn is_ours(&self, host: &str) -> bool {
        let Some(address) = self.address else { return true };
        let named = host.strip_prefix("localhost").is_some_and(|port| port == format!(":{}", address.port()));
        named
            || host.parse() == Ok(address)
            || (address.port() == 80 && (host == "localhost" || host.parse() == Ok(address.ip())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(secret: Option<&str>) -> Guard {
        Guard {
            address: Some("127.0.0.1:4000".parse().unwrap()),
            secret: secret.map(|text| Zeroizing::new(text.to_owned())),
        }
    }

    fn admitted(guard: &Guard, target: &str, headers: &[(&'static str, &str)]) -> Result<String, u16> {
        let mut map: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        if !map.contains_key(HOST) {
            map.insert(HOST, "127.0.0.1:4000".parse().unwrap());
        }
        let uri: Uri = target.parse().unwrap();
        guard.admit(&Method::GET, &uri, &map).map(ToOwned::to_owned).map_err(|refused| refused.0)
    }

    #[test]
    fn only_who_knows_the_secret_gets_through() {
        let guard = guard(Some("s3cret"));
        for (target, rest) in [
            ("/s3cret", ""),
            ("/s3cret/", ""),
            ("/s3cret/a/b?c=d", "a/b?c=d"),
            ("/s3cret?x", "?x"),
            ("/s3cret//a", "/a"),
        ] {
            assert_eq!(admitted(&guard, target, &[]).as_deref(), Ok(rest), "{target}");
        }
        for target in ["/", "/a", "/s3cre", "/s3crett/a", "//s3cret", "/?s3cret", "/a/s3cret", "/S3CRET/"] {
            assert_eq!(admitted(&guard, target, &[]), Err(404), "{target}");
        }
    }

    #[test]
    fn a_name_that_points_here_is_not_ours() {
        let guard = guard(None);
        for host in ["127.0.0.1:4000", "localhost:4000", "LOCALHOST:4000"] {
            assert_eq!(admitted(&guard, "/a", &[("host", host)]).as_deref(), Ok("a"), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:4000",
            "127.0.0.1",
            "127.0.0.1:4001",
            "localhost",
            "localhost.:4000",
            "[::1]:4000",
            "",
        ] {
            assert_eq!(admitted(&guard, "/a", &[("host", host)]), Err(421), "{host}");
        }
    }

    #[test]
    fn a_web_page_gets_nothing_and_a_person_does() {
        let guard = guard(None);
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:4001"),
            ("origin", "https://127.0.0.1:4000"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(admitted(&guard, "/a", &[header]), Err(403), "{header:?}");
        }
        for header in
            [("origin", "http://127.0.0.1:4000"), ("sec-fetch-site", "none"), ("sec-fetch-site", "same-origin")]
        {
            assert!(admitted(&guard, "/a", &[header]).is_ok(), "{header:?}");
        }
    }

    #[test]
    fn it_is_no_proxy_for_other_services() {
        let admit = |method: Method, target: &str| {
            guard(None).admit(&method, &target.parse().unwrap(), &HeaderMap::new()).map_err(|refused| refused.0).err()
        };
        assert_eq!(admit(Method::GET, "http://other.example/a"), Some(400));
        assert_eq!(admit(Method::CONNECT, "other.example:443"), Some(400));
        assert_eq!(admit(Method::TRACE, "/"), Some(405));
    }
}
