//! Grants as bytes, for there may be a million of them in one Redis, and each refresh reads one and writes one.
//!
//! ```text
//!  form, 1 │ flags, 2 │ rotated_at, 8 │ mark, 4 │ generation, 4 │ client │ keys │ created_at │ sub │ scope │ what few have
//! ```
//! What a rotation changes stands first, in the same place in each record, so that a script can change it (`rotate.lua`). The
//! keys are a byte with a bit for each of the last eight rotations that had one, the newest lowest; how many bytes follow; and
//! those keys, the newest first. Other numbers are in groups of seven bits, the lowest first, each but the last with its highest
//! bit set; those that may be negative are folded, so that small ones are short on either side of 0. Texts have their length
//! before them. A record in JSON, as earlier servers wrote them, begins with another byte.
//!
//! Records of the first form go on to be read: `1 │ flags │ mark │ created_at │ rotated_at since then │ generation │ sub │
//! client │ scope │ what few have, with the keys among it`.

use std::net::Ipv4Addr;

use pilotlight_oauth::{Scope, Timestamp};

use super::records::Marked;
use crate::grant::{Grant, GrantId, REMEMBERED_KEYS, Reason, RecentKeys};
use crate::origin::Origin;
use crate::recent_keys::KeyHash;

/// What the first byte says.
pub(super) mod form {
    /// As it was before scripts rotated.
    pub(in super::super) const FIRST: u8 = 1;
    /// A script may rotate it: [`is_plain`](super::is_plain).
    pub(in super::super) const PLAIN: u8 = 2;
    /// It is rotated by whoever has read all of it.
    pub(in super::super) const GUARDED: u8 = 3;
}

/// Numbers below it are exact in Lua.
const EXACT: i64 = 1 << 53;
// A bit for each.
const _: () = assert!(REMEMBERED_KEYS == u8::BITS as usize);

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
    /// Of the first form alone.
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
    write_as(if is_plain(&marked.grant) { form::PLAIN } else { form::GUARDED }, marked)
}

/// The same, closed to scripts until somebody has read and changed it.
pub(super) fn write_guarded(marked: &Marked) -> Vec<u8> {
    write_as(form::GUARDED, marked)
}

/// Whether nothing in it can speak against its next rotation but its client, its generation and how long ago the last one was, and
/// whether that changes nothing but what stands first: see [`Grant::redeem`].
fn is_plain(grant: &Grant) -> bool {
    let bare = grant.bound_to.is_none() && grant.ends_at.is_none() && grant.uses.is_none();
    let alive = grant.revoked.is_none() && !grant.answer_lost;
    bare && alive && is_exact(grant.rotated_at)
}

/// Whether Lua can compare it.
pub(super) fn is_exact(at: Timestamp) -> bool {
    (0..EXACT).contains(&at.as_millis())
}

fn write_as(form: u8, marked: &Marked) -> Vec<u8> {
    let grant = &marked.grant;
    let mut parts = Parts { flags: 0, bytes: Vec::with_capacity(128) };
    parts.bytes.extend_from_slice(&[form, 0, 0]);
    parts.bytes.extend_from_slice(&head(grant.rotated_at, marked.mark, grant.generation, &grant.client));
    parts.keys(&grant.keys);
    let since = |at: Timestamp| at.as_millis().wrapping_sub(grant.created_at.as_millis());
    parts.signed(grant.created_at.as_millis());
    match GrantId::of_digits(&grant.subject) {
        Some(id) => parts.flagged(flag::SHORT_SUBJECT).extend_from_slice(&id.0),
        None => parts.text(&grant.subject),
    }
    parts.scope(&grant.scope);
    parts.rare(grant, since);
    let [high, low] = parts.flags.to_be_bytes();
    parts.bytes[1..3].copy_from_slice(&[high, low]);
    parts.bytes
}

/// What stands behind the flags, up to the keys.
pub(super) fn head(rotated_at: Timestamp, mark: u32, generation: u32, client: &str) -> Vec<u8> {
    let mut bytes = rotated_at.as_millis().to_be_bytes().to_vec();
    bytes.extend_from_slice(&mark.to_be_bytes());
    bytes.extend_from_slice(&whose(generation, client));
    bytes
}

/// The last part of that: which token is current, and whose.
pub(super) fn whose(generation: u32, client: &str) -> Vec<u8> {
    let mut parts = Parts { flags: 0, bytes: generation.to_be_bytes().to_vec() };
    parts.text(client);
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

    fn keys(&mut self, keys: &RecentKeys) {
        let of_rotations = (0..REMEMBERED_KEYS).map(|later| keys.of_rotation(later));
        let which = (0..).zip(of_rotations.clone()).fold(0, |which, (bit, key)| which | u8::from(key.is_some()) << bit);
        let hashes: Vec<u8> = of_rotations.flatten().flatten().collect();
        self.bytes.push(which);
        self.number(hashes.len() as u64);
        self.bytes.extend_from_slice(&hashes);
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
    let [form] = rest.array()?;
    let flags = Flags(u16::from_be_bytes(rest.array()?));
    if flags.0 & !flag::ALL != 0 {
        return None;
    }
    let mut marked = match form {
        form::FIRST => rest.first_form(id, &flags)?,
        form::PLAIN | form::GUARDED if !flags.has(flag::KEYS) => rest.head(id, &flags)?,
        _ => return None,
    };
    let created_at = marked.grant.created_at.as_millis();
    rest.rare(&flags, &mut marked.grant, |since| Timestamp::from_millis(created_at.wrapping_add(since)))?;
    let honest = form != form::PLAIN || is_plain(&marked.grant);
    (honest && rest.0.is_empty()).then_some(marked)
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

    fn subject(&mut self, flags: &Flags) -> Option<String> {
        if flags.has(flag::SHORT_SUBJECT) {
            return Some(GrantId(self.array()?).to_string());
        }
        self.text().map(str::to_owned)
    }

    fn head(&mut self, id: GrantId, flags: &Flags) -> Option<Marked> {
        let rotated_at = Timestamp::from_millis(i64::from_be_bytes(self.array()?));
        let mark = u32::from_be_bytes(self.array()?);
        let generation = u32::from_be_bytes(self.array()?);
        let client = self.text()?.to_owned();
        let keys = self.keys()?;
        let created_at = Timestamp::from_millis(self.signed()?);
        let subject = self.subject(flags)?;
        let grant = Grant::new(id, subject, client, self.scope()?, created_at);
        Some(Marked { grant: Grant { rotated_at, generation, keys, ..grant }, mark })
    }

    fn first_form(&mut self, id: GrantId, flags: &Flags) -> Option<Marked> {
        let mark = u32::from_be_bytes(self.array()?);
        let created_at = self.signed()?;
        let rotated_at = Timestamp::from_millis(created_at.wrapping_add(self.signed()?));
        let generation = self.number()?.try_into().ok()?;
        let (subject, client) = (self.subject(flags)?, self.text()?.to_owned());
        let grant = Grant::new(id, subject, client, self.scope()?, Timestamp::from_millis(created_at));
        Some(Marked { grant: Grant { rotated_at, generation, ..grant }, mark })
    }

    fn keys(&mut self) -> Option<RecentKeys> {
        let [which] = self.array()?;
        let mut hashes = Rest(self.bytes()?);
        let mut keys = Vec::with_capacity(REMEMBERED_KEYS);
        for bit in 0..REMEMBERED_KEYS {
            let key: Option<KeyHash> = if which >> bit & 1 == 1 { Some(hashes.array()?) } else { None };
            keys.push(key);
        }
        hashes.0.is_empty().then(|| RecentKeys::new(keys))
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
#[path = "packed_tests.rs"]
mod tests;
