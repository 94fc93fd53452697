//! What came of an attack. A verdict comes from what happened; what was expected only colours it ([`crate::expected`]).

use serde::{Deserialize, Serialize};

/// What came of one attack on one strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The attacker got nothing, and nothing was lost or altered without a word.
    Withstood,
    /// It did not hold; the evidence says where.
    Fell,
    /// It did not hold, and nobody claims that it does: an honest limit.
    FellAsExpected {
        /// Why it cannot, in one sentence.
        reason: String,
    },
    /// This attack has nothing to attack here.
    NotApplicable {
        /// Why.
        why: String,
    },
    /// It could not be carried out to its end.
    Inconclusive {
        /// What was missing.
        why: String,
    },
}

impl Verdict {
    /// The word for it, as in JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Withstood => "withstood",
            Self::Fell => "fell",
            Self::FellAsExpected { .. } => "fell-as-expected",
            Self::NotApplicable { .. } => "not-applicable",
            Self::Inconclusive { .. } => "inconclusive",
        }
    }

    /// What goes with it: the reason of an honest limit, or why there is no verdict.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::FellAsExpected { reason } => Some(reason),
            Self::NotApplicable { why } | Self::Inconclusive { why } => Some(why),
            Self::Withstood | Self::Fell => None,
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Where: a file inside the throw-away home, or what stands for one (`memory of process 7`).
    pub file: String,
    /// At which byte, where that means something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What was read or done there.
    pub what: String,
}

impl Evidence {
    pub(crate) fn new(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self { file: file.into(), offset: None, what: what.into() }
    }

    pub(crate) fn at(file: impl Into<String>, offset: u64, what: impl Into<String>) -> Self {
        Self { file: file.into(), offset: Some(offset), what: what.into() }
    }
}

/// What an attack that came to its end found out.
#[derive(Debug)]
pub(crate) enum Finding {
    /// Nothing was found; what was tried, and what came of it.
    Withstood(String),
    /// Something was.
    Fell(Vec<Evidence>),
}

impl Finding {
    /// Withstood where there is no evidence.
    pub(crate) fn of(evidence: Vec<Evidence>, else_say: impl Into<String>) -> Self {
        if evidence.is_empty() { Self::Withstood(else_say.into()) } else { Self::Fell(evidence) }
    }
}

/// Why an attack did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Halt {
    #[error("{0}")]
    NotApplicable(String),
    #[error("{0}")]
    Inconclusive(String),
}

impl Halt {
    pub(crate) fn not_applicable<T>(why: impl Into<String>) -> Result<T, Self> {
        Err(Self::NotApplicable(why.into()))
    }

    pub(crate) fn inconclusive<T>(why: impl Into<String>) -> Result<T, Self> {
        Err(Self::Inconclusive(why.into()))
    }
}

impl From<std::io::Error> for Halt {
    fn from(error: std::io::Error) -> Self {
        Self::Inconclusive(format!("the lab itself could not go on: {error}"))
    }
}

impl From<rusqlite::Error> for Halt {
    fn from(error: rusqlite::Error) -> Self {
        Self::Inconclusive(format!("the tamperer's SQLite could not go on: {error}"))
    }
}

pub(crate) type Outcome = Result<Finding, Halt>;
