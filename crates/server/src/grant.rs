//! A grant and the rule of rotation: pure, so that every store decides alike.
//!
//! ```text
//!                      ┌── presented: the current one ──▶ Rotated   (current + 1)
//!  refresh token ──MAC─┤── the one before, same key ────▶ Repeated  (the same successor)
//!                      ├── older, but the key it had ───▶ Late      (refused, nothing ends; the last eight are known)
//!                      └── anything else that is old ───▶ Reused    (the grant is revoked)
//! ```
//! One presentation of the current generation consumes it. So while generation `n` is current, `n` was never presented,
//! and an answer that carried it may still have been lost: that is why `n - 1` may be retried.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use pilotlight_oauth::{Scope, Timestamp};

/// Names one grant: one sign-in on one device. No secret; it stands in logs, in access tokens (`gid`) and in `grant list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId(pub [u8; 16]);

/// How many digits a [`GrantId`] has.
const DIGITS: usize = 32;

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every answer has one or two of them, and a `write!` for each byte would take as long as hashing a token.
        let mut text = [0; DIGITS];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for GrantId {
    type Err = NotAGrantId;

    fn from_str(text: &str) -> Result<Self, NotAGrantId> {
        if text.len() != DIGITS {
            return Err(NotAGrantId);
        }
        let half =
            |digit: u8| char::from(digit).to_digit(16).and_then(|half| u8::try_from(half).ok()).ok_or(NotAGrantId);
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = half(pair[0])? << 4 | half(pair[1])?;
        }
        Ok(Self(id))
    }
}

impl GrantId {
    /// Of a text that is written back as it was read.
    pub(crate) fn of_digits(text: &str) -> Option<Self> {
        text.parse().ok().filter(|_| !text.bytes().any(|digit| digit.is_ascii_uppercase()))
    }
}

/// The text is no grant id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a grant id: it has 32 hexadecimal digits, as `pilotlight-server grant list` prints them")]
pub struct NotAGrantId;

use crate::origin::Origin;
pub use crate::recent_keys::{KeyHash, RecentKeys};

/// SHA-256 thumbprint of a public key, RFC 7638: what a token is bound to (`jkt`, RFC 9449 section 6).
pub type Thumbprint = [u8; 32];

/// Of how many rotations the key is remembered: so far behind a duplicate may be and is still told from a theft.
pub const REMEMBERED_KEYS: usize = 8;

/// Why a grant was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The person, or their client, signed out (RFC 7009).
    SignedOut,
    /// A consumed refresh token was presented again (RFC 9700 section 4.14.2).
    Reuse,
    /// Its authorization code was presented twice (RFC 6749 section 4.1.2).
    CodeReuse,
    /// The operator ended it.
    Operator,
}

impl Reason {
    /// The word kept in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Reuse => "reuse",
            Self::CodeReuse => "code_reuse",
            Self::Operator => "operator",
        }
    }

    /// The reverse of [`Self::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::SignedOut, Self::Reuse, Self::CodeReuse, Self::Operator].into_iter().find(|r| r.as_str() == word)
    }
}

/// One authorization. All tokens issued under it live and die with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its name.
    pub id: GrantId,
    /// `sub` of the person.
    pub subject: String,
    /// The client it was given to.
    pub client: String,
    /// What was consented to. A refresh may ask for less, once; this stays (RFC 6749 section 6).
    pub scope: Scope,
    /// The key that its refresh tokens are bound to, for a public client that proved to have one (RFC 9449 section 5).
    pub bound_to: Option<Thumbprint>,
    /// The resource servers that it is for (RFC 8707); `""` is this server itself. None: this server alone.
    pub resources: Vec<String>,
    /// Where the person signed in.
    pub device: Origin,
    /// When the person last showed who they are before it began: `auth_time`.
    pub authenticated_at: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
    /// The end that no rotation moves; `None` where the operator set none.
    pub ends_at: Option<Timestamp>,
    /// How often it may be refreshed in all; `None` where the operator set no limit.
    pub uses: Option<u32>,
    /// The generation of the one refresh token that may be spent. The first is 0.
    pub generation: u32,
    /// When that generation was made.
    pub rotated_at: Timestamp,
    /// The keys that came with the last rotations.
    pub keys: RecentKeys,
    /// Whether the store knows that nobody was given the current refresh token: it made the rotation after all, later than
    /// its caller waited for it.
    pub answer_lost: bool,
    /// When and why it ended.
    pub revoked: Option<(Timestamp, Reason)>,
}

/// A refresh token, presented.
#[derive(Debug, Clone)]
pub struct Redemption {
    /// The grant the token names.
    pub grant: GrantId,
    /// The generation the token names.
    pub generation: u32,
    /// The client that presents it.
    pub client: String,
    /// The hash of the `Idempotency-Key`, when one came.
    pub key: Option<KeyHash>,
    /// The scope asked for; `None` asks for all of it.
    pub scope: Option<Scope>,
    /// The resources asked for, of [`Grant::resources`]; none asks for all of them.
    pub resources: Vec<String>,
    /// The key that the request proves to have (RFC 9449).
    pub proven: Option<Thumbprint>,
    /// Whether the successor is bound to that key: it is where the client is a public one.
    pub binds: bool,
    /// When it was presented.
    pub now: Timestamp,
    /// How long a refresh token lives unused.
    pub idle: Duration,
    /// See [`crate::Config::retry_window`].
    pub retry_window: Duration,
    /// Of how many rotations the key is remembered: [`REMEMBERED_KEYS`].
    pub remembered_keys: usize,
}

/// What came of a [`Redemption`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The generation went up; the grant, as it is now.
    Rotated(Grant),
    /// As `Rotated`, but the token was *newer* than the store: the store had lost its last writes and is healed.
    Healed(Grant),
    /// A retry: the answer is the successor that was given before; the grant, unchanged.
    Repeated(Grant),
    /// A retry that came after the successor was used. Refused; the grant lives on.
    Late,
    /// A consumed token again: theft, or a broken client. The grant has been revoked by this very step.
    Reused,
    /// Idle for too long, past the absolute end, or used as often as it may be.
    Expired,
    /// Revoked before.
    Revoked(Reason),
    /// More scope than was granted (RFC 6749 section 6). The token is not spent.
    TooWide,
    /// A resource that it is not for (RFC 8707 section 2.2). The token is not spent.
    WrongTarget,
    /// Bound to a key, and another one or none was proven (RFC 9449 section 5). The token is not spent.
    WrongKey,
    /// No such grant, or not this client's.
    Unknown,
}

impl Outcome {
    /// Whether the grant is another one now than before, and has to be kept.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Rotated(_) | Self::Healed(_) | Self::Reused)
    }

    /// The word for logs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Rotated(_) => "rotated",
            Self::Healed(_) => "healed",
            Self::Repeated(_) => "repeated",
            Self::Late => "late",
            Self::Reused => "reused",
            Self::Expired => "expired",
            Self::Revoked(_) => "revoked",
            Self::TooWide => "too_wide",
            Self::WrongTarget => "wrong_target",
            Self::WrongKey => "wrong_key",
            Self::Unknown => "unknown",
        }
    }
}

impl Grant {
    /// A new one, never refreshed.
    #[must_use]
    pub fn new(id: GrantId, subject: String, client: String, scope: Scope, now: Timestamp) -> Self {
        Self {
            id,
            subject,
            client,
            scope,
            bound_to: None,
            resources: Vec::new(),
            device: Origin::default(),
            authenticated_at: now,
            created_at: now,
            ends_at: None,
            uses: None,
            generation: 0,
            rotated_at: now,
            keys: RecentKeys::default(),
            answer_lost: false,
            revoked: None,
        }
    }

    /// How often the current refresh token and its successors may be used; `None` without limit.
    #[must_use]
    pub fn uses_left(&self) -> Option<u32> {
        self.uses.map(|uses| uses.saturating_sub(self.generation))
    }

    /// When the refresh token that is current now ends, if nobody uses it.
    #[must_use]
    pub fn refresh_expires_at(&self, idle: Duration) -> Timestamp {
        let idle_end = self.rotated_at.plus(idle);
        self.ends_at.map_or(idle_end, |end| end.min(idle_end))
    }

    /// Applies the rule. A store calls it inside its atomic step, and writes `self` back where the outcome [is a change](Outcome::is_change).
    pub fn redeem(&mut self, presented: &Redemption) -> Outcome {
        if self.client != presented.client {
            return Outcome::Unknown;
        }
        // A thief without the key can neither spend the token nor have its reuse end the grant.
        if self.bound_to.is_some() && self.bound_to != presented.proven {
            return Outcome::WrongKey;
        }
        // Before what follows, so that a retry never brings back a grant that somebody revoked meanwhile.
        if let Some((_, reason)) = self.revoked {
            return Outcome::Revoked(reason);
        }
        if self.is_over(presented) {
            return Outcome::Expired;
        }
        let refused = self.asks_too_much(presented);
        if presented.generation >= self.generation {
            if self.uses.is_some_and(|uses| presented.generation >= uses) {
                return Outcome::Expired;
            }
            return refused.unwrap_or_else(|| self.rotate(presented));
        }
        match self.retry_of_old(presented) {
            repeated @ Outcome::Repeated(_) => refused.unwrap_or(repeated),
            Outcome::Reused => {
                self.revoked = Some((presented.now, Reason::Reuse));
                Outcome::Reused
            }
            other => other,
        }
    }

    /// A store that lost its last writes does not know when a newer token than its own was made: of that one only the end of
    /// the whole grant is certain.
    fn is_over(&self, presented: &Redemption) -> bool {
        let newer = presented.generation > self.generation;
        let end = if newer { self.ends_at } else { Some(self.refresh_expires_at(presented.idle)) };
        end.is_some_and(|end| presented.now >= end)
    }

    fn asks_too_much(&self, presented: &Redemption) -> Option<Outcome> {
        if presented.scope.as_ref().is_some_and(|asked| !asked.iter().all(|t| self.scope.contains(t))) {
            return Some(Outcome::TooWide);
        }
        (!covers(&self.resources, &presented.resources)).then_some(Outcome::WrongTarget)
    }

    fn rotate(&mut self, presented: &Redemption) -> Outcome {
        let Some(next) = presented.generation.checked_add(1) else { return Outcome::Expired };
        let healed = presented.generation > self.generation;
        if healed {
            // What the store remembers of keys belongs to rotations that the healed gap has swallowed.
            self.keys = RecentKeys::default();
        }
        self.keys.push(presented.key, presented.remembered_keys);
        self.answer_lost = false;
        if presented.binds {
            self.bound_to = self.bound_to.or(presented.proven);
        }
        self.generation = next;
        self.rotated_at = presented.now;
        if healed { Outcome::Healed(self.clone()) } else { Outcome::Rotated(self.clone()) }
    }

    fn retry_of_old(&self, presented: &Redemption) -> Outcome {
        let later = usize::try_from(self.generation - presented.generation - 1).unwrap_or(usize::MAX);
        let same_key = presented.key.is_some() && self.keys.of_rotation(later) == presented.key;
        // Counted from the rotation, which a repetition does not touch: so it is never extended.
        let in_window = presented.key.is_none() && presented.now < self.rotated_at.plus(presented.retry_window);
        match later {
            0 if same_key || in_window || self.answer_lost => Outcome::Repeated(self.clone()),
            1.. if same_key => Outcome::Late,
            _ => Outcome::Reused,
        }
    }

    /// Ends the grant. The first reason stays. Whether it was this call that ended it.
    pub fn revoke(&mut self, reason: Reason, now: Timestamp) -> bool {
        let first = self.revoked.is_none();
        self.revoked.get_or_insert((now, reason));
        first
    }
}

/// Whether all that is `asked` for is among the resources `granted` (RFC 8707 section 2.2).
pub(crate) fn covers(granted: &[String], asked: &[String]) -> bool {
    asked.iter().all(|resource| granted.contains(resource) || (granted.is_empty() && resource.is_empty()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn grant() -> Grant {
        Grant::new(GrantId([1; 16]), "ada".to_owned(), "app".to_owned(), Scope::default(), NOW)
    }

    fn presented(generation: u32, key: Option<KeyHash>) -> Redemption {
        Redemption {
            grant: GrantId([1; 16]),
            generation,
            client: "app".to_owned(),
            key,
            scope: None,
            resources: Vec::new(),
            proven: None,
            binds: true,
            now: NOW,
            idle: Duration::from_secs(60),
            retry_window: Duration::ZERO,
            remembered_keys: REMEMBERED_KEYS,
        }
    }

    /// One honest client: it spends its token under a key of the attempt, until an answer comes.
    struct Honest {
        generation: u32,
        attempt: u8,
        /// What it sent before, and was answered: the network may deliver each of them again.
        before: Vec<(u32, u8)>,
    }

    #[derive(Debug, Clone)]
    enum Event {
        Answered,
        AnswerLost,
        /// The network delivers an attempt that so many others followed once more.
        Duplicate(usize),
        /// The store is set back to what it was some time ago.
        Restored,
    }

    #[test]
    fn a_token_newer_than_the_store_is_healed_however_old_the_stores_copy_is_until_the_grant_ends() {
        let (mut old, mut over) = (grant(), grant());
        let late = Redemption { now: NOW.plus(Duration::from_secs(600)), ..presented(3, None) };
        assert_eq!(old.redeem(&Redemption { generation: 0, ..late.clone() }), Outcome::Expired);
        assert!(matches!(old.redeem(&late), Outcome::Healed(grant) if grant.rotated_at == late.now));
        over.ends_at = Some(late.now);
        assert_eq!(over.redeem(&late), Outcome::Expired);
    }

    proptest! {
        /// P9 and P10: lost answers, duplicates on the network and restored backups, in any order, sign nobody out.
        #[test]
        fn an_honest_client_is_never_signed_out(
            events in prop::collection::vec(
                prop_oneof![Just(Event::Answered), Just(Event::AnswerLost), (0..REMEMBERED_KEYS - 1).prop_map(Event::Duplicate),
                    Just(Event::Restored)],
                1..60,
            ),
        ) {
            let (mut grant, mut backup) = (grant(), grant());
            let mut client = Honest { generation: 0, attempt: 0, before: Vec::new() };
            for event in events {
                match event {
                    Event::Answered | Event::AnswerLost => {
                        let outcome = grant.redeem(&presented(client.generation, Some([client.attempt; 8])));
                        let (Outcome::Rotated(next) | Outcome::Healed(next) | Outcome::Repeated(next)) = outcome else {
                            return Err(TestCaseError::fail(format!("signed out: {outcome:?}")));
                        };
                        prop_assert_eq!(next.generation, client.generation + 1, "one successor for one token");
                        if matches!(event, Event::Answered) {
                            client.before.insert(0, (client.generation, client.attempt));
                            client = Honest { generation: next.generation, attempt: client.attempt + 1, ..client };
                        }
                    }
                    Event::Duplicate(later) => {
                        if let Some(&(generation, attempt)) = client.before.get(later) {
                            grant.redeem(&presented(generation, Some([attempt; 8])));
                        }
                    }
                    Event::Restored => {
                        std::mem::swap(&mut grant, &mut backup);
                        // A duplicate from before the restore is not covered: the key that would excuse it is lost, and
                        // without it the duplicate looks like theft.
                        client.before.clear();
                    }
                }
                prop_assert_eq!(grant.revoked, None);
            }
        }

        /// Whatever is presented, in whatever order: a grant that is revoked stays so, and generations never go back.
        #[test]
        fn nothing_undoes_an_end_or_a_rotation(uses in prop::collection::vec((0..6_u32, prop::option::of(0..3_u8)), 1..60)) {
            let mut grant = grant();
            for (generation, key) in uses {
                let before = grant.clone();
                let outcome = grant.redeem(&presented(generation, key.map(|key| [key; 8])));
                prop_assert_eq!(outcome.is_change(), grant != before);
                prop_assert!(grant.generation >= before.generation);
                prop_assert!(before.revoked.is_none() || grant == before);
            }
        }

        #[test]
        fn a_grant_id_is_read_as_it_is_written_and_nothing_else_panics(bytes: [u8; 16], other in "\\PC{0,40}") {
            prop_assert_eq!(GrantId(bytes).to_string().parse(), Ok(GrantId(bytes)));
            if let Ok(id) = other.parse::<GrantId>() {
                prop_assert_eq!(id.to_string(), other.to_lowercase());
            }
        }
    }
}
