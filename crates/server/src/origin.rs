//! Where a person signed in, as they recognise it in the list of their devices. Nothing is decided by it.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// The most that is kept of a `User-Agent`, in characters: enough to recognise a program by.
const LONGEST: usize = 200;

/// The program and the address behind a sign-in. Both are what the other end said of itself, or what its network says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The `User-Agent`, its first 200 characters, none of them a control character.
    pub user_agent: Option<String>,
    /// The address, as text.
    pub address: Option<String>,
}

impl Origin {
    /// Of a request.
    #[must_use]
    pub fn new(user_agent: Option<&str>, address: Option<IpAddr>) -> Self {
        let readable = |text: &str| text.chars().filter(|c| !c.is_control()).take(LONGEST).collect::<String>();
        Self {
            user_agent: user_agent.map(readable).filter(|text| !text.is_empty()),
            address: address.map(|address| address.to_string()),
        }
    }
}

/// Where a request comes from.
pub(crate) fn origin_of(headers: &HeaderMap, peer: Option<IpAddr>) -> Origin {
    Origin::new(headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()), peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_user_agent_two_hundred_characters_are_kept_and_no_control_characters() {
        let long = format!("App\u{1b}[31m/1 {}", "ü".repeat(500));
        let kept = Origin::new(Some(&long), Some([127, 0, 0, 1].into()));
        assert_eq!(kept.user_agent.as_deref().map(|text| text.chars().count()), Some(200));
        assert!(kept.user_agent.unwrap().starts_with("App[31m/1 ü"));
        assert_eq!(kept.address.as_deref(), Some("127.0.0.1"));
        assert_eq!(Origin::new(Some("\r\n"), None), Origin::default());
    }
}
