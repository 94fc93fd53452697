//! The service that the proxy speaks to, and addresses there and here.

use url::Url;

/// A service's address: what stands behind the proxy's own address is put behind its path.
#[derive(Debug, Clone)]
pub(super) struct Upstream(Url);

impl Upstream {
    /// A token goes by https, or stays on this machine.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut url = crate::arguments::address(text)?;
        if super::super::require_private(&url).is_err() {
            return Err("the token would be sent unencrypted: use the service's https address".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err("write the address alone, without user name, query and fragment".to_owned());
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(Self(url))
    }

    pub(super) const fn url(&self) -> &Url {
        &self.0
    }

    /// The address of `rest`, a path and query as the program wrote them. None where it leads out of the service's path.
    pub(super) fn address(&self, rest: &str) -> Option<Url> {
        // Put together as text: joining would take `//host` for another host.
        let url = Url::parse(&format!("{}{rest}", self.0)).ok()?;
        // Dots are resolved by now, `%2e` too.
        let within = url.origin() == self.0.origin() && url.path().starts_with(self.0.path());
        within.then_some(url)
    }

    /// A redirect of the service to itself, as one to the proxy at `base`; any other stays as it is.
    pub(super) fn redirect(&self, asked: &Url, location: &str, base: &str) -> Option<String> {
        let target = asked.join(location).ok()?;
        if target.origin() != self.0.origin() {
            return None;
        }
        let rest = target.as_str().strip_prefix(self.0.as_str())?;
        Some(format!("{base}/{rest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(text: &str) -> Upstream {
        Upstream::parse(text).unwrap()
    }

    #[test]
    fn a_token_goes_by_https_or_stays_on_this_machine() {
        for good in ["https://api.example", "https://api.example:8443/v2", "http://127.0.0.1:9", "http://localhost:9"] {
            assert!(Upstream::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.example",
            "ftp://api.example",
            "api.example",
            "https://me@api.example",
            "https://api.example/?a",
            "https://api.example/#a",
        ] {
            assert!(Upstream::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_is_put_behind_the_services_own() {
        let all = upstream("https://api.example");
        for (rest, url) in [
            ("", "https://api.example/"),
            ("a/b?c=d%20e", "https://api.example/a/b?c=d%20e"),
            ("?x", "https://api.example/?x"),
            ("/evil.example/", "https://api.example//evil.example/"),
            ("@evil.example/", "https://api.example/@evil.example/"),
            ("http://evil.example/", "https://api.example/http://evil.example/"),
        ] {
            assert_eq!(all.address(rest).unwrap().as_str(), url);
        }
    }

    #[test]
    fn no_path_leads_out_of_the_services_own() {
        let part = upstream("https://api.example/v2");
        assert_eq!(part.address("a").unwrap().as_str(), "https://api.example/v2/a");
        assert_eq!(part.address("a/../b").unwrap().as_str(), "https://api.example/v2/b");
        for rest in ["../admin", "%2e%2e/admin", "a/../../admin", "..\\admin", "..", ".%2E/"] {
            assert!(part.address(rest).is_none(), "{rest}");
        }
    }

    #[test]
    fn a_redirect_within_the_service_leads_back_through_the_proxy() {
        let part = upstream("https://api.example/v2");
        let asked = part.address("a/b").unwrap();
        let back = |location| part.redirect(&asked, location, "http://127.0.0.1:4000/s");
        assert_eq!(back("c?d").as_deref(), Some("http://127.0.0.1:4000/s/a/c?d"));
        assert_eq!(back("/v2/x").as_deref(), Some("http://127.0.0.1:4000/s/x"));
        assert_eq!(back("https://api.example/v2/").as_deref(), Some("http://127.0.0.1:4000/s/"));
        for other in ["https://evil.example/v2/", "http://api.example/v2/", "/v1/", "//evil.example/v2/"] {
            assert_eq!(back(other), None, "{other}");
        }
    }
}
