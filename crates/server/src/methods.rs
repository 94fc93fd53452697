//! How a person showed who they are: what ID tokens tell as `amr`, in the words of RFC 8176.

use pilotlight_oauth::Scope;

use crate::store::User;

/// The scope of a session that a second factor opened, beside `openid`. No token of a session is ever made, so nobody but this
/// server reads it.
const SECOND: &str = "mfa";
/// What a text ends with where a second factor was typed: an authorization code, of which a store has the hash of the whole, so
/// that nobody can add it; and the `sub` that a store keeps with a device's request.
const SUFFIX: &str = ".mfa";

/// What was checked before somebody was taken for who they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    /// A password alone: all that the account asks for.
    Password,
    /// And a code of the second factor, or a recovery code in its place: each is good once.
    PasswordAndCode,
}

impl Methods {
    /// Of a person who has just passed all that their account asks for.
    pub(crate) fn all_of(user: &User) -> Self {
        if user.totp.is_some() { Self::PasswordAndCode } else { Self::Password }
    }

    /// RFC 8176 section 2.
    pub(crate) fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Password => &["pwd"],
            Self::PasswordAndCode => &["pwd", "otp", "mfa"],
        }
    }

    /// The scope of a session that they opened.
    pub(crate) fn session_scope(self) -> Scope {
        match self {
            Self::Password => Scope::parse("openid"),
            Self::PasswordAndCode => Scope::parse(&format!("openid {SECOND}")),
        }
    }

    /// Reads [`Self::session_scope`]. Of a session from before this was kept it claims the less.
    pub(crate) fn of_session(scope: &Scope) -> Self {
        if scope.contains(SECOND) { Self::PasswordAndCode } else { Self::Password }
    }

    /// Writes them behind a text.
    pub(crate) fn mark(self, text: String) -> String {
        match self {
            Self::Password => text,
            Self::PasswordAndCode => text + SUFFIX,
        }
    }

    /// Reads [`Self::mark`]: them, and the text before them.
    pub(crate) fn unmark(text: &str) -> (Self, &str) {
        match text.strip_suffix(SUFFIX) {
            Some(before) => (Self::PasswordAndCode, before),
            None => (Self::Password, text),
        }
    }
}
