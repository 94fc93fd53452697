//! The lines on the socket: one JSON object each, a request up and an answer down, in order.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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
        /// The account's token that a service has just refused; another one is wanted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other_than: Option<Secret>,
        /// Nothing more is asked: the agent closes the connection with the answer, which spares both of them a step.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        last: bool,
    },
    /// The accounts' names.
    List,
    /// How one account is.
    Status {
        /// The account's name.
        account: String,
    },
    /// To be told whenever an account or the vault changes, for as long as the connection lasts.
    Subscribe {
        /// Also to be asked about programs that nobody decided about. Only our own programs are.
        #[serde(default)]
        decide: bool,
    },
    /// The answer to a question.
    Decide {
        /// The question's number.
        question: u64,
        /// What the person says.
        verdict: Verdict,
    },
    /// To forget the keys until somebody unlocks.
    Lock,
    /// To open the vault again.
    Unlock {
        /// Where the vault takes one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        passphrase: Option<Secret>,
    },
}

/// What a person says of a program that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It gets this token.
    Once,
    /// It gets tokens as long as this process of it lives.
    Run,
    /// It gets tokens.
    Always,
    /// It does not get this token.
    No,
    /// It gets none.
    Never,
}

/// A passphrase or a token on its way to the agent.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A program that asks, and what for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its number.
    pub id: u64,
    /// The executable.
    pub program: String,
    /// Who ran it, and who ran that, up to the first process.
    pub parents: Vec<String>,
    /// Its process.
    pub pid: i32,
    /// Whose token.
    pub account: String,
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
    /// To `subscribe`, `decide`, `lock` and `unlock`: it is done.
    Done(bool),
    /// To a subscriber: how an account is now.
    Account {
        /// Its name.
        name: Cow<'a, str>,
        /// As in `status`, or `gone`.
        status: Cow<'a, str>,
    },
    /// To a subscriber: whether the vault can be used, `ready`, `closed` or the code of what is wrong.
    Vault(Cow<'a, str>),
    /// To a subscriber who decides.
    Question(Question),
    /// To a subscriber who decides: the question of this number is over.
    Over(u64),
    /// Instead of any other.
    Error(Trouble),
}

/// Why a request was not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// One of the core's codes, or `not_allowed`, `not_offered`, `bad_request`, `busy`, `no_such_question`, `slow`.
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

/// A request or an answer as a line. The room suffices for any secret in it, so that no growth leaves a copy behind.
pub(crate) fn line_of(value: &impl Serialize, secrets: usize) -> Zeroizing<Vec<u8>> {
    // JSON writes a character in at most six.
    let mut line = Zeroizing::new(Vec::with_capacity(6 * secrets + 256));
    if serde_json::to_writer(&mut *line, value).is_err() {
        line.clear();
    }
    line.push(b'\n');
    line
}

impl Answer<'_> {
    pub(crate) fn line(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Token { access_token, token_type, .. } => line_of(self, access_token.len() + token_type.len()),
            _ => line_of(self, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_its_optional_members_is_read() {
        let request = serde_json::from_str(r#"{"ask":"token","account":"work"}"#).unwrap();
        assert!(
            matches!(request, Request::Token { account, min_ttl: 0, audience: None, scope: None, other_than: None, last: false } if account == "work")
        );
    }

    #[test]
    fn an_answer_is_one_member_that_names_its_kind() {
        let answer = Answer::Error(Trouble::new("busy", "Too many.", "Wait."));
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(text, r#"{"error":{"code":"busy","message":"Too many.","hint":"Wait."}}"#);
    }
}
