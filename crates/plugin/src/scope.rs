//! Where an authorized request may go: what a capability allows, compared with parsed addresses and never with text.
//!
//! A window that could name any address could have the token sent to a server of its choice. So nothing is allowed that no
//! capability allows.

use std::sync::Arc;

use pilotlight::AuthorizedClient;
use reqwest::Url;
use serde::{Deserialize, Deserializer, de::Error as _};

/// One entry under `allow` or `deny` of the permission `pilotlight:fetch`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchScope {
    /// `https://api.example.com/v1/*` (everything below), or one exact path.
    url: Pattern,
    /// The account whose token may go there, by its name; every account where it is left out.
    account: Option<String>,
}

#[derive(Debug, Clone)]
struct Pattern {
    origin: Url,
    path: String,
    below: bool,
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "a scope's url must be an absolute address")?;
        if !AuthorizedClient::may_send_to(&url) {
            return Err("a scope's url must begin with https://, or http:// for this machine alone");
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err("a scope's url has neither a user, a query nor a fragment");
        }
        let path = url.path();
        let below = path.ends_with("/*");
        let path = if below { path.trim_end_matches('*') } else { path }.to_owned();
        if path.contains('*') || url.host_str().is_some_and(|host| host.contains('*')) {
            return Err("a scope's url may have one star, as its last segment");
        }
        Ok(Self { origin: url, path, below })
    }

    fn matches(&self, url: &Url) -> bool {
        let same = url.scheme() == self.origin.scheme()
            && url.host() == self.origin.host()
            && url.port_or_known_default() == self.origin.port_or_known_default();
        same && if self.below { url.path().starts_with(&self.path) } else { url.path() == self.path }
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl FetchScope {
    fn covers(&self, account: &str, url: &Url) -> bool {
        self.account.as_deref().is_none_or(|only| only == account) && self.url.matches(url)
    }
}

/// Whether the token of `account` may go to `url`: some entry allows it and none denies it.
pub(crate) fn allows(allow: &[Arc<FetchScope>], deny: &[Arc<FetchScope>], account: &str, url: &Url) -> bool {
    let covered = |scopes: &[Arc<FetchScope>]| scopes.iter().any(|scope| scope.covers(account, url));
    !hides_a_slash(url.path()) && covered(allow) && !covered(deny)
}

/// A server may decode these before it looks for `..`; then the path that was compared is not the one that is served.
fn hides_a_slash(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ["%2f", "%5c", "%00"].iter().any(|hidden| path.contains(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(json: &str) -> Vec<Arc<FetchScope>> {
        vec![Arc::new(serde_json::from_str(json).unwrap())]
    }

    fn asks(allow: &[Arc<FetchScope>], deny: &[Arc<FetchScope>], account: &str, url: &str) -> bool {
        allows(allow, deny, account, &Url::parse(url).unwrap())
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        assert!(!asks(&[], &[], "work", "https://api.example.com/"));
    }

    #[test]
    fn a_star_allows_what_is_below_at_the_same_origin_and_nothing_else() {
        let allow = scope(r#"{"url":"https://api.example.com/v1/*","account":"work"}"#);
        for good in ["https://api.example.com/v1/notes?x=1", "https://API.example.com:443/v1/"] {
            assert!(asks(&allow, &[], "work", good), "{good}");
        }
        for bad in [
            "http://api.example.com/v1/notes",
            "https://api.example.com.evil.example/v1/notes",
            "https://api.example.com@evil.example/v1/notes",
            "https://evil.example/https://api.example.com/v1/",
            "https://api.example.com:8443/v1/notes",
            "https://api.example.com/v2",
            "https://api.example.com/v1",
            "https://api.example.com/v1/../admin",
            "https://api.example.com/v1/%2e%2e/admin",
            "https://api.example.com/v1/..%2fadmin",
            "https://api.example.com/v1/..%5Cadmin",
        ] {
            assert!(!asks(&allow, &[], "work", bad), "{bad}");
        }
        assert!(!asks(&allow, &[], "home", "https://api.example.com/v1/notes"), "another account's token");
    }

    #[test]
    fn a_deny_wins_over_an_allow() {
        let allow = scope(r#"{"url":"https://api.example.com/*"}"#);
        let deny = scope(r#"{"url":"https://api.example.com/admin/*"}"#);
        assert!(asks(&allow, &deny, "anyone", "https://api.example.com/notes"));
        assert!(!asks(&allow, &deny, "anyone", "https://api.example.com/admin/keys"));
    }

    #[test]
    fn a_scope_that_is_not_understood_is_refused() {
        for bad in [
            r#"{"url":"*"}"#,
            r#"{"url":"https://*/x"}"#,
            r#"{"url":"https://*.example.com/*"}"#,
            r#"{"url":"http://example.com/*"}"#,
            r#"{"url":"ftp://localhost/*"}"#,
            r#"{"url":"https://a.example/*/b"}"#,
            r#"{"url":"https://a.example/?x=*"}"#,
            r#"{"url":"https://u:p@a.example/*"}"#,
            r#"{"url":"https://a.example/*","acount":"work"}"#,
            r#"{}"#,
        ] {
            assert!(serde_json::from_str::<FetchScope>(bad).is_err(), "{bad}");
        }
    }
}
