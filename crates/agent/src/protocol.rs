//! The lines on the socket: one JSON object each, a request up and an answer down, in order.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The version of the protocol that this crate speaks.
pub const VERSION: u32 = 1;

/// The longest request in bytes, its line feed left out.
pub(crate) const LONGEST_LINE: usize = 64 * 1024;

/// What a client asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// Which version the agent speaks.
    Hello,
    /// An access token.
    Token {
        /// The account's name.
        account: String,
        /// The token must live at least this many seconds.
        #[serde(default)]
        min_ttl: u64,
        /// For whom the token shall be (RFC 8693, section 2.1).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audience: Option<String>,
        /// What the token shall allow (RFC 8693, section 2.1).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
    },
    /// The accounts' names.
    List,
    /// How one account is.
    Status {
        /// The account's name.
        account: String,
    },
}

/// What the agent answers. Not `Debug`: it may hold a token.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer<'a> {
    /// To `hello`.
    Hello {
        /// See [`VERSION`].
        version: u32,
    },
    /// To `token`.
    Token {
        /// The token; whoever reads it wipes it.
        access_token: Cow<'a, str>,
        /// `Bearer`, as a rule.
        token_type: Cow<'a, str>,
        /// When it expires, in seconds since 1970, where known.
        expires_at: Option<i64>,
    },
    /// To `list`.
    Accounts(Vec<String>),
    /// To `status`: `signed_in`, `refreshing`, `waiting` or `ended`.
    Status(Cow<'a, str>),
    /// Instead of any other.
    Error(Trouble),
}

/// Why a request was not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// One of the core's codes, or `not_allowed`, `not_offered`, `bad_request`, `busy`.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// The next step.
    pub hint: String,
}

impl Trouble {
    pub(crate) fn new(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), hint: hint.into() }
    }
}

impl From<&pilotlight::Error> for Trouble {
    fn from(error: &pilotlight::Error) -> Self {
        Self::new(error.code().as_str(), error.message(), error.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_its_optional_members_is_read() {
        let request = serde_json::from_str(r#"{"ask":"token","account":"work"}"#).unwrap();
        assert!(
            matches!(request, Request::Token { account, min_ttl: 0, audience: None, scope: None } if account == "work")
        );
    }

    #[test]
    fn an_answer_is_one_member_that_names_its_kind() {
        let answer = Answer::Error(Trouble::new("busy", "Too many.", "Wait."));
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(text, r#"{"error":{"code":"busy","message":"Too many.","hint":"Wait."}}"#);
    }
}
