//! What can happen to a request, and how it is written in a script.

use std::fmt;
use std::str::FromStr;

/// What happens to one request.
///
/// The written form, in the docs of each variant, is what [`FromStr`] reads and [`fmt::Display`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// `pass`: nothing out of the ordinary.
    Pass,
    /// `refuse`: the connection is reset as soon as the request is known; the upstream sees nothing of it. (A refusal of TCP
    /// itself comes for free: it is a proxy that is not running.)
    RefuseConnection,
    /// `drop-before`: the request is read whole and the connection closed; the upstream sees nothing of it.
    DropBeforeForwarding,
    /// `drop-after-commit`: the upstream answers, and the connection is closed without a byte of that answer.
    DropAfterCommit,
    /// `half-answer`: the upstream answers, and the connection is closed in the middle of the body (or of the head, where
    /// there is no body).
    HalfAnswer,
    /// `reset`: the upstream answers, and the connection is reset.
    Reset,
    /// `delay MILLISECONDS`: the upstream answers, and the answer is held back for that long.
    Delay(u64),
    /// `hang`: the upstream answers, and the client hears nothing until it gives up.
    Hang,
    /// `answer STATUS [html|malformed|json|empty] [retry-after=SECONDS] [after-commit]`, `html`, `malformed`: the client
    /// gets an answer that the proxy made.
    Answer(MadeAnswer),
    /// `shift-date SECONDS`: the upstream's answer, its `Date` moved by that much.
    ShiftDate(i64),
    /// `revoke`: the refresh token in the request's form is revoked (RFC 7009) before the request is forwarded.
    RevokeThenForward,
}

/// An answer in place of the upstream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MadeAnswer {
    /// 200 to 599.
    pub status: u16,
    /// What it says.
    pub body: BodyKind,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// Whether the upstream did what it was asked before its answer was replaced, as when a gateway runs out of patience.
    pub after_commit: bool,
}

/// What an answer of the proxy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyKind {
    /// A page, as captive portals and gateways send it.
    Html,
    /// `application/json` that breaks off.
    MalformedJson,
    /// A well-formed OAuth error (RFC 6749 section 5.2) that speaks of no grant.
    Json,
    /// Nothing.
    Empty,
}

impl Fault {
    /// Whether the upstream hears of the request.
    #[must_use]
    pub const fn forwards(self) -> bool {
        match self {
            Self::RefuseConnection | Self::DropBeforeForwarding => false,
            Self::Answer(answer) => answer.after_commit,
            _ => true,
        }
    }

    /// Whether the client never learns what the upstream answered, which may have been a new refresh token.
    #[must_use]
    pub const fn loses_answer(self) -> bool {
        match self {
            Self::DropAfterCommit | Self::HalfAnswer | Self::Reset | Self::Hang => true,
            Self::Answer(answer) => answer.after_commit,
            _ => false,
        }
    }

    /// An answer that the upstream never hears of, without `Retry-After`.
    #[must_use]
    pub const fn answer(status: u16, body: BodyKind) -> Self {
        Self::Answer(MadeAnswer { status, body, retry_after: None, after_commit: false })
    }

    /// One of each, as [`Plan::seeded`](super::Plan::seeded) draws from unless told otherwise. Without
    /// [`Fault::RevokeThenForward`], after which no client can be expected to go on.
    #[must_use]
    pub fn any() -> Vec<Self> {
        let busy = |status, retry_after| {
            Self::Answer(MadeAnswer {
                status,
                body: BodyKind::Json,
                retry_after: Some(retry_after),
                after_commit: false,
            })
        };
        let gateway = MadeAnswer { status: 504, body: BodyKind::Html, retry_after: None, after_commit: true };
        vec![
            Self::RefuseConnection,
            Self::DropBeforeForwarding,
            Self::DropAfterCommit,
            Self::HalfAnswer,
            Self::Reset,
            Self::Delay(500),
            Self::Hang,
            busy(429, 1),
            Self::answer(500, BodyKind::Empty),
            busy(503, 1),
            Self::Answer(gateway),
            Self::answer(200, BodyKind::Html),
            Self::answer(200, BodyKind::MalformedJson),
            Self::ShiftDate(-7200),
            Self::ShiftDate(7200),
        ]
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::RefuseConnection => f.write_str("refuse"),
            Self::DropBeforeForwarding => f.write_str("drop-before"),
            Self::DropAfterCommit => f.write_str("drop-after-commit"),
            Self::HalfAnswer => f.write_str("half-answer"),
            Self::Reset => f.write_str("reset"),
            Self::Delay(millis) => write!(f, "delay {millis}"),
            Self::Hang => f.write_str("hang"),
            Self::Answer(answer) => write!(f, "answer {answer}"),
            Self::ShiftDate(seconds) => write!(f, "shift-date {seconds}"),
            Self::RevokeThenForward => f.write_str("revoke"),
        }
    }
}

impl fmt::Display for MadeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = match self.body {
            BodyKind::Html => "html",
            BodyKind::MalformedJson => "malformed",
            BodyKind::Json => "json",
            BodyKind::Empty => "empty",
        };
        write!(f, "{} {body}", self.status)?;
        if let Some(seconds) = self.retry_after {
            write!(f, " retry-after={seconds}")?;
        }
        if self.after_commit { f.write_str(" after-commit") } else { Ok(()) }
    }
}

/// A fault that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadFault {
    /// No fault has that name.
    #[error(
        "`{0}` is no fault: write pass, refuse, drop-before, drop-after-commit, half-answer, reset, delay, hang, answer, \
         html, malformed, shift-date or revoke"
    )]
    Unknown(String),
    /// The first word needs something after it.
    #[error("`{fault}` needs {what}, as in `{example}`")]
    Missing {
        /// The fault.
        fault: &'static str,
        /// What it needs.
        what: &'static str,
        /// How it looks.
        example: &'static str,
    },
    /// A word that has no place there.
    #[error("`{word}` has no place after `{fault}`")]
    Unexpected {
        /// The fault.
        fault: String,
        /// The word.
        word: String,
    },
}

/// A delay longer than a day is a slip of the finger.
const LONGEST_DELAY: u64 = 24 * 3600 * 1000;
/// A hundred years either way.
const LARGEST_SHIFT: i64 = 36_500 * 24 * 3600;

impl FromStr for Fault {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        let mut words = text.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let fault = match name {
            "pass" => Self::Pass,
            "refuse" => Self::RefuseConnection,
            "drop-before" => Self::DropBeforeForwarding,
            "drop-after-commit" => Self::DropAfterCommit,
            "half-answer" => Self::HalfAnswer,
            "reset" => Self::Reset,
            "hang" => Self::Hang,
            "revoke" => Self::RevokeThenForward,
            "delay" => Self::Delay(words.next().and_then(delay).ok_or(NEEDS_DELAY)?),
            "shift-date" => Self::ShiftDate(words.next().and_then(shift).ok_or(NEEDS_SHIFT)?),
            "answer" => {
                let status = words.next().and_then(status).ok_or(NEEDS_STATUS)?;
                Self::Answer(details(name, answer(status, BodyKind::Json), &mut words)?)
            }
            "html" => Self::Answer(details(name, answer(200, BodyKind::Html), &mut words)?),
            "malformed" => Self::Answer(details(name, answer(200, BodyKind::MalformedJson), &mut words)?),
            _ => return Err(BadFault::Unknown(name.to_owned())),
        };
        match words.next() {
            None => Ok(fault),
            Some(word) => Err(unexpected(name, word)),
        }
    }
}

const NEEDS_DELAY: BadFault =
    BadFault::Missing { fault: "delay", what: "milliseconds, a day's at most", example: "delay 500" };
const NEEDS_SHIFT: BadFault =
    BadFault::Missing { fault: "shift-date", what: "seconds, below zero for the past", example: "shift-date -7200" };
const NEEDS_STATUS: BadFault =
    BadFault::Missing { fault: "answer", what: "a status from 200 to 599", example: "answer 503 retry-after=2" };

const fn answer(status: u16, body: BodyKind) -> MadeAnswer {
    MadeAnswer { status, body, retry_after: None, after_commit: false }
}

fn delay(word: &str) -> Option<u64> {
    word.parse().ok().filter(|millis| *millis <= LONGEST_DELAY)
}

fn shift(word: &str) -> Option<i64> {
    word.parse().ok().filter(|seconds| (-LARGEST_SHIFT..=LARGEST_SHIFT).contains(seconds))
}

fn status(word: &str) -> Option<u16> {
    word.parse().ok().filter(|status| (200..=599).contains(status))
}

fn unexpected(fault: &str, word: &str) -> BadFault {
    BadFault::Unexpected { fault: fault.to_owned(), word: word.to_owned() }
}

fn details<'a>(
    name: &str,
    mut answer: MadeAnswer,
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<MadeAnswer, BadFault> {
    for word in words {
        match word {
            "html" => answer.body = BodyKind::Html,
            "malformed" => answer.body = BodyKind::MalformedJson,
            "json" => answer.body = BodyKind::Json,
            "empty" => answer.body = BodyKind::Empty,
            "after-commit" => answer.after_commit = true,
            _ => {
                let seconds = word.strip_prefix("retry-after=").and_then(|seconds| seconds.parse().ok());
                answer.retry_after = Some(seconds.ok_or_else(|| unexpected(name, word))?);
            }
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults() -> impl Strategy<Value = Fault> {
        let body = prop_oneof![
            Just(BodyKind::Html),
            Just(BodyKind::MalformedJson),
            Just(BodyKind::Json),
            Just(BodyKind::Empty)
        ];
        let answer = (200_u16..600, body, any::<Option<u32>>(), any::<bool>()).prop_map(
            |(status, body, retry_after, after_commit)| {
                Fault::Answer(MadeAnswer { status, body, retry_after, after_commit })
            },
        );
        prop_oneof![
            prop::sample::select(Fault::any()),
            Just(Fault::Pass),
            Just(Fault::RevokeThenForward),
            (0..=LONGEST_DELAY).prop_map(Fault::Delay),
            (-LARGEST_SHIFT..=LARGEST_SHIFT).prop_map(Fault::ShiftDate),
            answer,
        ]
    }

    proptest! {
        #[test]
        fn a_fault_is_read_back_as_it_is_written(fault in faults()) {
            prop_assert_eq!(fault.to_string().parse(), Ok(fault));
        }

        #[test]
        fn any_text_is_a_fault_or_a_complaint(text in "\\PC{0,40}") {
            let _ = text.parse::<Fault>();
        }
    }

    #[test]
    fn short_forms_stand_for_a_portal_and_a_broken_server() {
        assert_eq!("html".parse(), Ok(Fault::answer(200, BodyKind::Html)));
        assert_eq!("malformed after-commit".parse(), "answer 200 malformed after-commit".parse::<Fault>());
        assert_eq!("answer 503 retry-after=2".parse(), "answer 503 json retry-after=2".parse::<Fault>());
    }

    #[test]
    fn a_slip_is_answered_with_what_belongs_there() {
        let complaint = |text: &str| text.parse::<Fault>().unwrap_err().to_string();
        assert!(complaint("drop").contains("drop-after-commit"));
        assert!(complaint("").contains("`` is no fault"));
        for text in ["delay", "delay -1", "delay 1h", "delay 99999999999", "delay 1.5"] {
            assert!(complaint(text).contains("delay 500"), "{text}");
        }
        for text in ["answer", "answer 199", "answer 600", "answer html"] {
            assert!(complaint(text).contains("answer 503 retry-after=2"), "{text}");
        }
        for text in ["shift-date", "shift-date soon", "shift-date 9999999999999"] {
            assert!(complaint(text).contains("shift-date -7200"), "{text}");
        }
        assert_eq!(complaint("hang 5"), "`5` has no place after `hang`");
        assert_eq!(complaint("answer 503 retry-after=soon"), "`retry-after=soon` has no place after `answer`");
    }

    #[test]
    fn what_loses_the_answer_was_forwarded_first() {
        assert!(Fault::any().into_iter().all(|fault| fault.forwards() || !fault.loses_answer()));
        assert!(!Fault::answer(503, BodyKind::Json).forwards());
    }
}
