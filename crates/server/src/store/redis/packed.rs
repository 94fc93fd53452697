//! Grants as bytes, for there may be a million of them in one Redis, and each refresh reads one and writes one.
//!
//! ```text
//!  1 │ flags, 2 │ mark, 4 │ created_at │ rotated_at since then │ generation │ sub │ client │ scope │ what few have
//! ```
//! Numbers are in groups of seven bits, the lowest first, each but the last with its highest bit set; those that may be negative are
//! folded, so that small ones are short on either side of 0. Texts have their length before them. A record in JSON, as
//! earlier servers wrote them, begins with another byte.

use std::net::Ipv4Addr;

use pilotlight_oauth::{Scope, Timestamp};

use super::records::Marked;
use crate::grant::{Grant, GrantId, Reason, RecentKeys};
use crate::origin::Origin;

/// The first byte.
pub(super) const FORMAT: u8 = 1;

/// The scopes that nearly all grants have, each one byte. Their order is part of the format.
const SCOPES: [&str; 4] = ["openid", "profile", "offline_access", "devices"];
/// In the place of one of them: the text of another follows. Theirs are counted from 1.
const OTHER: u64 = 0;

/// Which parts follow, in this order, behind those that all have.
mod flag {
    /// `sub` is 32 hexadecimal digits, as this server makes them, and takes 16 bytes.
    pub(super) const SHORT_SUBJECT: u16 = 1;
    pub(super) const ENDS_AT: u16 = 1 << 1;
    pub(super) const USES: u16 = 1 << 2;
    pub(super) const KEYS: u16 = 1 << 3;
    /// Of the flag alone, as nothing follows.
    pub(super) const ANSWER_LOST: u16 = 1 << 4;
    pub(super) const REVOKED: u16 = 1 << 5;
    pub(super) const BOUND_TO: u16 = 1 << 6;
    pub(super) const RESOURCES: u16 = 1 << 7;
    pub(super) const USER_AGENT: u16 = 1 << 8;
    pub(super) const IPV4: u16 = 1 << 9;
    pub(super) const ADDRESS: u16 = 1 << 10;
    pub(super) const AUTHENTICATED_AT: u16 = 1 << 11;
    pub(super) const ALL: u16 = (1 << 12) - 1;
}

fn number_of(reason: Reason) -> u8 {
    match reason {
        Reason::SignedOut => 1,
        Reason::Reuse => 2,
        Reason::CodeReuse => 3,
        Reason::Operator => 4,
    }
}

/// The bytes of a grant.
pub(super) fn write(marked: &Marked) -> Vec<u8> {
    let grant = &marked.grant;
    let mut parts = Parts { flags: 0, bytes: Vec::with_capacity(128) };
    parts.bytes.extend_from_slice(&[FORMAT, 0, 0]);
    parts.bytes.extend_from_slice(&marked.mark.to_be_bytes());
    let since = |at: Timestamp| at.as_millis().wrapping_sub(grant.created_at.as_millis());
    parts.signed(grant.created_at.as_millis());
    parts.signed(since(grant.rotated_at));
    parts.number(grant.generation.into());
    match GrantId::of_digits(&grant.subject) {
        Some(id) => parts.flagged(flag::SHORT_SUBJECT).extend_from_slice(&id.0),
        None => parts.text(&grant.subject),
    }
    parts.text(&grant.client);
    parts.scope(&grant.scope);
    parts.rare(grant, since);
    let [high, low] = parts.flags.to_be_bytes();
    parts.bytes[1..3].copy_from_slice(&[high, low]);
    parts.bytes
}

/// A record that is being written.
struct Parts {
    flags: u16,
    bytes: Vec<u8>,
}

impl Parts {
    fn flagged(&mut self, flag: u16) -> &mut Vec<u8> {
        self.flags |= flag;
        &mut self.bytes
    }

    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push((number & 0x7f) as u8);
    }

    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn scope(&mut self, scope: &Scope) {
        self.number(scope.iter().count() as u64);
        for token in scope.iter() {
            match (1..).zip(SCOPES).find(|(_, known)| *known == token) {
                Some((place, _)) => self.number(place),
                None => {
                    self.number(OTHER);
                    self.text(token);
                }
            }
        }
    }

    fn rare(&mut self, grant: &Grant, since: impl Fn(Timestamp) -> i64) {
        if let Some(at) = grant.ends_at {
            self.flags |= flag::ENDS_AT;
            self.signed(since(at));
        }
        if let Some(uses) = grant.uses {
            self.flags |= flag::USES;
            self.number(uses.into());
        }
        let keys = grant.keys.to_bytes();
        if !keys.is_empty() {
            self.flags |= flag::KEYS;
            self.number(keys.len() as u64);
            self.bytes.extend_from_slice(&keys);
        }
        if grant.answer_lost {
            self.flags |= flag::ANSWER_LOST;
        }
        if let Some((at, reason)) = grant.revoked {
            self.flags |= flag::REVOKED;
            self.signed(since(at));
            self.bytes.push(number_of(reason));
        }
        if let Some(key) = grant.bound_to {
            self.flagged(flag::BOUND_TO).extend_from_slice(&key);
        }
        if !grant.resources.is_empty() {
            self.flags |= flag::RESOURCES;
            self.number(grant.resources.len() as u64);
            grant.resources.iter().for_each(|resource| self.text(resource));
        }
        self.origin(&grant.device);
        if grant.authenticated_at != grant.created_at {
            self.flags |= flag::AUTHENTICATED_AT;
            self.signed(since(grant.authenticated_at));
        }
    }

    fn origin(&mut self, origin: &Origin) {
        if let Some(user_agent) = &origin.user_agent {
            self.flags |= flag::USER_AGENT;
            self.text(user_agent);
        }
        let Some(address) = &origin.address else { return };
        match address.parse::<Ipv4Addr>() {
            Ok(short) => self.flagged(flag::IPV4).extend_from_slice(&short.octets()),
            Err(_) => {
                self.flags |= flag::ADDRESS;
                self.text(address);
            }
        }
    }
}

/// The reverse of [`write`]; `None` for anything else.
pub(super) fn read(id: GrantId, record: &[u8]) -> Option<Marked> {
    let mut rest = Rest(record);
    if rest.array()? != [FORMAT] {
        return None;
    }
    let flags = Flags(u16::from_be_bytes(rest.array()?));
    if flags.0 & !flag::ALL != 0 {
        return None;
    }
    let mark = u32::from_be_bytes(rest.array()?);
    let created_at = rest.signed()?;
    let then = |since: i64| Timestamp::from_millis(created_at.wrapping_add(since));
    let rotated_at = then(rest.signed()?);
    let generation = rest.number()?.try_into().ok()?;
    let subject =
        if flags.has(flag::SHORT_SUBJECT) { GrantId(rest.array()?).to_string() } else { rest.text()?.to_owned() };
    let client = rest.text()?.to_owned();
    let mut grant = Grant::new(id, subject, client, rest.scope()?, Timestamp::from_millis(created_at));
    (grant.rotated_at, grant.generation) = (rotated_at, generation);
    rest.rare(&flags, &mut grant, then)?;
    rest.0.is_empty().then_some(Marked { grant, mark })
}

struct Flags(u16);

impl Flags {
    fn has(&self, flag: u16) -> bool {
        self.0 & flag != 0
    }
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in (0..u64::BITS).step_by(7) {
            let [byte] = self.array()?;
            number |= u64::from(byte & 0x7f) << place;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let folded = self.number()?;
        Some((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn scope(&mut self) -> Option<Scope> {
        let mut tokens = Vec::new();
        for _ in 0..self.number()? {
            let place = self.number()?;
            tokens.push(match place.checked_sub(1) {
                None => self.text()?,
                Some(place) => *SCOPES.get(usize::try_from(place).ok()?)?,
            });
        }
        Some(Scope::parse(&tokens.join(" ")))
    }

    fn rare(&mut self, flags: &Flags, grant: &mut Grant, then: impl Fn(i64) -> Timestamp) -> Option<()> {
        if flags.has(flag::ENDS_AT) {
            grant.ends_at = Some(then(self.signed()?));
        }
        if flags.has(flag::USES) {
            grant.uses = Some(self.number()?.try_into().ok()?);
        }
        if flags.has(flag::KEYS) {
            grant.keys = RecentKeys::from_bytes(self.bytes()?)?;
        }
        grant.answer_lost = flags.has(flag::ANSWER_LOST);
        if flags.has(flag::REVOKED) {
            let at = then(self.signed()?);
            let [number] = self.array()?;
            let reasons = [Reason::SignedOut, Reason::Reuse, Reason::CodeReuse, Reason::Operator];
            grant.revoked = Some((at, reasons.into_iter().find(|reason| number_of(*reason) == number)?));
        }
        if flags.has(flag::BOUND_TO) {
            grant.bound_to = Some(self.array()?);
        }
        if flags.has(flag::RESOURCES) {
            for _ in 0..self.number()? {
                grant.resources.push(self.text()?.to_owned());
            }
        }
        if flags.has(flag::USER_AGENT) {
            grant.device.user_agent = Some(self.text()?.to_owned());
        }
        if flags.has(flag::IPV4) {
            grant.device.address = Some(Ipv4Addr::from(self.array::<4>()?).to_string());
        }
        if flags.has(flag::ADDRESS) {
            grant.device.address = Some(self.text()?.to_owned());
        }
        if flags.has(flag::AUTHENTICATED_AT) {
            grant.authenticated_at = then(self.signed()?);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recent_keys::KeyHash;

    fn texts() -> impl Strategy<Value = Option<String>> {
        prop::option::of(prop_oneof![
            Just("127.0.0.1".to_owned()),
            Just("::1".to_owned()),
            Just("00ff00ff00ff00ff00ff00ff00ff00ff".to_owned()),
            Just("00FF00ff00ff00ff00ff00ff00ff00ff".to_owned()),
            "\\PC{0,200}",
        ])
    }

    proptest! {
        #[test]
        fn a_grant_comes_back_as_it_was_written(
            texts in prop::array::uniform4(texts()), bound_to: Option<[u8; 32]>, scope in "((openid|profile|other|devices) ){0,4}",
            resources in prop::collection::vec("[a-z:/]{0,9}", 0..3), instants: [i64; 5], uses: Option<u32>, generation: u32,
            answer_lost: bool, keys in prop::collection::vec(prop::option::of(any::<KeyHash>()), 0..9),
            revoked in prop::option::of(prop::sample::select(vec![Reason::SignedOut, Reason::Reuse, Reason::CodeReuse, Reason::Operator])),
            mark: u32, cut in 0_usize..400,
        ) {
            let at = |place: usize| Timestamp::from_millis(instants[place]);
            let [subject, client, user_agent, address] = texts;
            let id = GrantId([1; 16]);
            let grant = Grant {
                bound_to,
                resources,
                device: Origin { user_agent, address },
                authenticated_at: at(1),
                ends_at: uses.map(|_| at(2)),
                uses,
                generation,
                rotated_at: at(3),
                keys: RecentKeys::new(keys),
                answer_lost,
                revoked: revoked.map(|reason| (at(4), reason)),
                ..Grant::new(id, subject.unwrap_or_default(), client.unwrap_or_default(), Scope::parse(&scope), at(0))
            };
            let marked = Marked { grant, mark };
            let mut record = write(&marked);
            prop_assert_eq!(read(id, &record), Some(marked));
            record.push(0);
            prop_assert_eq!(read(id, &record), None, "more than a record");
            record.truncate(cut.min(record.len() - 2));
            prop_assert_eq!(read(id, &record), None, "less than a record");
        }

        #[test]
        fn whatever_stands_there_is_read_or_refused_and_nothing_panics(mut record in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(first) = record.first_mut() {
                *first = FORMAT;
            }
            drop(read(GrantId([1; 16]), &record));
        }
    }
}
