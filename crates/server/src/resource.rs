//! Which resource servers a token is for: RFC 8707. Inside the server `""` stands for this server itself, so that grants
//! outlive a change of its address.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::params::Params;
use crate::problem::Problem;

/// `aud`, RFC 7519 section 4.1.3: one, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    /// Of a token for these resources; for this server where there are none.
    pub(crate) fn of(resources: &[String], issuer: &str) -> Self {
        let name = |resource: &String| if resource.is_empty() { issuer.to_owned() } else { resource.clone() };
        match resources {
            [] => Self::One(issuer.to_owned()),
            [one] => Self::One(name(one)),
            many => Self::Many(many.iter().map(name).collect()),
        }
    }

    /// Reads [`Self::of`].
    pub(crate) fn resources(&self, issuer: &str) -> Vec<String> {
        let all = match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        };
        all.iter().map(|name| if name == issuer { String::new() } else { name.clone() }).collect()
    }

    pub(crate) fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

/// The resources that a request asks for, each once, if the client may have tokens for all of them (section 2).
pub(crate) fn asked_resources(params: &Params, allowed: &[String], issuer: &str) -> Result<Vec<String>, Problem> {
    let mut asked = Vec::new();
    for resource in params.resources() {
        let resource = if resource == issuer { "" } else { resource };
        if !resource.is_empty() && !allowed.iter().any(|known| known == resource) {
            return Err(Problem::InvalidTarget);
        }
        if !asked.iter().any(|known| known == resource) {
            asked.push(resource.to_owned());
        }
    }
    Ok(asked)
}

/// Section 2: an absolute URI without a fragment.
pub(crate) fn is_resource(uri: &str) -> bool {
    uri.bytes().all(|byte| byte.is_ascii_graphic()) && Url::parse(uri).is_ok_and(|url| url.fragment().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_2_a_resource_is_an_absolute_uri_without_fragment() {
        for uri in ["https://api.example/v1", "https://api.example", "urn:example:reports"] {
            assert!(is_resource(uri), "{uri}");
        }
        for uri in ["", "/v1", "api", "https://api.example/#x", "https://api.example/a b", "https://api.example/\n"] {
            assert!(!is_resource(uri), "{uri}");
        }
    }

    #[test]
    fn a_client_may_ask_for_its_own_resources_and_for_this_server_each_once() {
        let allowed = ["https://a.example".to_owned(), "https://b.example".to_owned()];
        let asked = |query: &str| asked_resources(&Params::parse(query.as_bytes()), &allowed, "https://as.example");
        assert_eq!(asked(""), Ok(Vec::new()));
        let both = "resource=https://b.example&resource=https://as.example&resource=https://b.example&resource=";
        assert_eq!(asked(both), Ok(vec!["https://b.example".to_owned(), String::new()]));
        for wrong in ["resource=https://c.example", "resource=https://a.example/", "resource=https://a.example%23x"] {
            assert_eq!(asked(wrong), Err(Problem::InvalidTarget), "{wrong}");
        }
    }
}
