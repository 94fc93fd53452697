//! Grants in memory, packed: there may be a million of them, and most are looked at once a month.
//!
//! What many grants have alike (client, scope, resources, program) they share; a `sub` as this server makes them takes its 16 bytes;
//! and what few have stands apart.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Bound;
use std::sync::Arc;

use pilotlight_oauth::{Scope, Timestamp};

use crate::grant::{Grant, GrantId, Reason, RecentKeys, Thumbprint};
use crate::origin::Origin;

/// In order, so that a sweep can go on where it stopped.
#[derive(Debug, Default)]
pub(super) struct Grants {
    all: BTreeMap<GrantId, Packed>,
    alike: HashSet<Arc<Alike>>,
}

/// A grant; everything but its name.
#[derive(Debug)]
struct Packed {
    subject: [u8; 16],
    alike: Arc<Alike>,
    created_at: Timestamp,
    rotated_at: Timestamp,
    /// As [`RecentKeys::to_bytes`] has them.
    keys: Box<[u8]>,
    rare: Option<Box<Rare>>,
    generation: u32,
    /// Unspecified where there is none, or it is no IPv4 address.
    address: Ipv4Addr,
}

/// What many have alike.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Alike {
    client: String,
    scope: Scope,
    resources: Vec<String>,
    user_agent: Option<String>,
}

/// What few have.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rare {
    /// One that is not 32 hexadecimal digits.
    subject: Option<String>,
    /// One that is no IPv4 address.
    address: Option<String>,
    bound_to: Option<Thumbprint>,
    /// Where it is another instant than `created_at`.
    authenticated_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    uses: Option<u32>,
    answer_lost: bool,
    revoked: Option<(Timestamp, Reason)>,
}

impl Grants {
    /// In the place of what stood there.
    pub(super) fn insert(&mut self, grant: &Grant) {
        let packed = self.pack(grant);
        self.all.insert(grant.id, packed);
    }

    pub(super) fn get(&self, id: GrantId) -> Option<Grant> {
        self.all.get(&id).map(|packed| packed.unpack(id))
    }

    /// Changes one, if it is there.
    pub(super) fn change<T>(&mut self, id: GrantId, change: impl FnOnce(&mut Grant) -> T) -> Option<T> {
        let packed = self.all.get_mut(&id)?;
        let mut grant = packed.unpack(id);
        let answer = change(&mut grant);
        packed.take_over(&grant);
        Some(answer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Grant> {
        self.all.iter().map(|(id, packed)| packed.unpack(*id))
    }

    /// Forgets those of the next `most` after `id` that are over since before `then`; how many, and the last one that was looked at.
    pub(super) fn forget_after(
        &mut self,
        id: Option<GrantId>,
        most: usize,
        then: Timestamp,
    ) -> (usize, Option<GrantId>) {
        let (mut over, mut last) = (Vec::new(), None);
        for (id, packed) in self.after(id, most) {
            last = Some(*id);
            let revoked = packed.rare.as_ref().and_then(|rare| rare.revoked);
            if revoked.map_or(packed.rotated_at, |(at, _)| at) < then {
                over.push(*id);
            }
        }
        over.iter().for_each(|id| drop(self.all.remove(id)));
        if last.is_none() {
            self.alike.retain(|alike| Arc::strong_count(alike) > 1);
        }
        (over.len(), last)
    }

    /// Those of one person among the next `most` after `id`, and the last one that was looked at.
    pub(super) fn of_after(&self, subject: &str, id: Option<GrantId>, most: usize) -> (Vec<Grant>, Option<GrantId>) {
        let (mut theirs, mut last) = (Vec::new(), None);
        let short = short(subject);
        for (id, packed) in self.after(id, most) {
            last = Some(*id);
            let same = match packed.rare.as_ref().and_then(|rare| rare.subject.as_deref()) {
                Some(known) => known == subject,
                None => Some(packed.subject) == short,
            };
            if same {
                theirs.push(packed.unpack(*id));
            }
        }
        (theirs, last)
    }

    fn after(&self, id: Option<GrantId>, most: usize) -> impl Iterator<Item = (&GrantId, &Packed)> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        self.all.range((from, Bound::Unbounded)).take(most)
    }

    fn pack(&mut self, grant: &Grant) -> Packed {
        let alike = Alike {
            client: grant.client.clone(),
            scope: grant.scope.clone(),
            resources: grant.resources.clone(),
            user_agent: grant.device.user_agent.clone(),
        };
        let alike = self.alike.get(&alike).cloned().unwrap_or_else(|| {
            let new = Arc::new(alike);
            self.alike.insert(new.clone());
            new
        });
        let subject = short(&grant.subject).unwrap_or_default();
        let address = ipv4(grant.device.address.as_deref()).unwrap_or(Ipv4Addr::UNSPECIFIED);
        let rare = Rare {
            subject: Some(&grant.subject).filter(|text| short(text).is_none()).cloned(),
            address: grant.device.address.clone().filter(|text| ipv4(Some(text)).is_none()),
            authenticated_at: Some(grant.authenticated_at).filter(|at| *at != grant.created_at),
            ends_at: grant.ends_at,
            uses: grant.uses,
            ..Rare::default()
        };
        let mut packed = Packed {
            subject,
            alike,
            created_at: grant.created_at,
            rotated_at: grant.rotated_at,
            keys: Box::default(),
            rare: Some(Box::new(rare)),
            generation: 0,
            address,
        };
        packed.take_over(grant);
        packed
    }
}

/// A `sub` as this server makes them: the digits of a grant's name are the same.
fn short(subject: &str) -> Option<[u8; 16]> {
    GrantId::of_digits(subject).map(|id| id.0)
}

/// An address that is written back as it was read.
fn ipv4(text: Option<&str>) -> Option<Ipv4Addr> {
    let address = text?.parse::<IpAddr>().ok()?;
    match address {
        IpAddr::V4(address) if !address.is_unspecified() => Some(address),
        _ => None,
    }
}

impl Packed {
    /// What a transition may change.
    fn take_over(&mut self, grant: &Grant) {
        self.generation = grant.generation;
        self.rotated_at = grant.rotated_at;
        self.keys = grant.keys.to_bytes().into();
        let rare = Rare {
            bound_to: grant.bound_to,
            answer_lost: grant.answer_lost,
            revoked: grant.revoked,
            ..self.rare.take().map(|rare| *rare).unwrap_or_default()
        };
        self.rare = (rare != Rare::default()).then(|| Box::new(rare));
    }

    fn unpack(&self, id: GrantId) -> Grant {
        let none = Rare::default();
        let rare = self.rare.as_deref().unwrap_or(&none);
        let address = (!self.address.is_unspecified()).then(|| self.address.to_string());
        Grant {
            id,
            subject: rare.subject.clone().unwrap_or_else(|| GrantId(self.subject).to_string()),
            client: self.alike.client.clone(),
            scope: self.alike.scope.clone(),
            bound_to: rare.bound_to,
            resources: self.alike.resources.clone(),
            device: Origin {
                user_agent: self.alike.user_agent.clone(),
                address: address.or_else(|| rare.address.clone()),
            },
            authenticated_at: rare.authenticated_at.unwrap_or(self.created_at),
            created_at: self.created_at,
            ends_at: rare.ends_at,
            uses: rare.uses,
            generation: self.generation,
            rotated_at: self.rotated_at,
            // They are ours, so they can be read.
            keys: RecentKeys::from_bytes(&self.keys).unwrap_or_default(),
            answer_lost: rare.answer_lost,
            revoked: rare.revoked,
        }
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
            Just("0.0.0.0".to_owned()),
            Just("::1".to_owned()),
            Just("00ff00ff00ff00ff00ff00ff00ff00ff".to_owned()),
            Just("00FF00ff00ff00ff00ff00ff00ff00ff".to_owned()),
            "\\PC{0,20}",
        ])
    }

    proptest! {
        #[test]
        fn a_grant_comes_back_as_it_was_kept(
            subject in texts(), address in texts(), user_agent in texts(), bound_to: Option<[u8; 32]>,
            resources in prop::collection::vec("[a-z]{0,3}", 0..3),
            instants: [i32; 4], uses: Option<u32>, generation: u32, answer_lost: bool,
            keys in prop::collection::vec(prop::option::of(any::<KeyHash>()), 0..9),
            revoked in prop::option::of(Just(Reason::Operator)), changed: bool,
        ) {
            let at = |place: usize| Timestamp::from_secs(instants[place].into());
            let id = GrantId([1; 16]);
            let grant = Grant {
                bound_to,
                resources,
                device: Origin { user_agent, address },
                authenticated_at: at(0),
                ends_at: uses.map(|_| at(1)),
                uses,
                generation,
                rotated_at: at(2),
                keys: RecentKeys::new(keys),
                answer_lost,
                revoked: revoked.map(|reason| (at(3), reason)),
                ..Grant::new(id, subject.unwrap_or_default(), "app".to_owned(), Scope::parse("openid profile"), at(0))
            };
            let mut grants = Grants::default();
            grants.insert(&grant);
            if changed {
                grants.change(id, |_| ());
            }
            prop_assert_eq!(grants.get(id), Some(grant));
        }
    }

    #[test]
    fn what_grants_have_alike_is_kept_once_and_forgotten_with_the_last_of_them() {
        let mut grants = Grants::default();
        for n in 0..9 {
            let scope = Scope::parse("openid");
            grants.insert(&Grant::new(
                GrantId([n; 16]),
                n.to_string(),
                "app".to_owned(),
                scope,
                Timestamp::from_secs(0),
            ));
        }
        assert_eq!(grants.alike.len(), 1);
        let (forgotten, last) = grants.forget_after(None, 100, Timestamp::from_secs(1));
        assert_eq!((forgotten, last), (9, Some(GrantId([8; 16]))));
        grants.forget_after(last, 100, Timestamp::from_secs(1));
        assert!(grants.alike.is_empty());
    }

    #[test]
    fn a_grant_takes_no_more_than_it_was_meant_to() {
        assert!(size_of::<Packed>() <= 80, "{}", size_of::<Packed>());
    }
}
