//! Signing in again: to an ended account, or to a living one before it ends or for more scope.
//!
//! A living one is never let go of before the new tokens are durable: they are committed over its record, as those of a
//! refresh are, so that nobody who asks for a token meanwhile goes without.

use std::sync::Arc;

use pilotlight_oauth::{Person, Scope, Service};

use super::{Obtained, signed_in};
use crate::grant::State;
use crate::journal::EventKind;
use crate::lifecycle::{Pilotlight, blocking};
use crate::page::Held;
use crate::record::GrantRecord;
use crate::{Account, Error, ErrorCode, Registration, ServiceLocation, SignIn, Status};

impl Pilotlight {
    /// Signs in to an account again: the same name, service, client (its secret too) and scope.
    ///
    /// Where the service has metadata they are asked for anew; where they cannot be had, its endpoints are those of before. An
    /// ended account is replaced. A living one stays signed in all the while, and only with the new tokens durable it takes
    /// them over; it must be the same person ([`ErrorCode::NameTaken`] otherwise). The browser comes back as it did the last time.
    pub async fn sign_in_again(&self, name: &str, with: SignIn) -> Result<Account, Error> {
        self.sign_in_for_more(name, with, &Scope::default()).await
    }

    /// The same, asking for `more` scope beside that of before.
    ///
    /// # Errors
    /// As [`Self::sign_in_again`].
    pub async fn sign_in_for_more(&self, name: &str, with: SignIn, more: &Scope) -> Result<Account, Error> {
        let held = self.find(name).await?;
        let GrantRecord { service, client, scope, redirect, .. } = &*held.record;
        let scope = Scope::parse(&format!("{scope} {more}"));
        let discovered = match service {
            Service::OAuth(metadata) => {
                self.discover(&ServiceLocation::Issuer(metadata.issuer.as_str().to_owned())).await.ok()
            }
            _ => None,
        };
        let service = discovered.unwrap_or_else(|| service.clone());
        if matches!(self.account_of(&held).status, Status::Ended { .. }) {
            let service = ServiceLocation::Declared(Box::new(service));
            let registration = Registration { name: name.to_owned(), service, client: client.clone(), scope };
            return self.sign_in_by(registration, with, *redirect).await;
        }
        let _turn = self.take_turn(name).await?;
        let obtained = self.obtain_by(with, &service, client, &scope, *redirect).await?;
        let held = self.renew(&held, service, scope, obtained).await?;
        Ok(self.account_of(&held))
    }

    /// Puts fresh tokens in the place of a living account's. If that fails they are given back, and it is as before.
    async fn renew(&self, seen: &Held, service: Service, scope: Scope, obtained: Obtained) -> Result<Held, Error> {
        let Obtained { tokens, person, clock_offset_ms, redirect } = obtained;
        let (name, client) = (seen.record.name.clone(), seen.record.client.clone());
        let other = is_other(&seen.record.person, &person);
        let mut record = self.blank(name, service, client, scope, person);
        record.take(tokens, self.now());
        record.clock_offset_ms = clock_offset_ms;
        record.redirect = redirect;
        let record = Arc::new(record);
        let replaced =
            if other { Err(somebody_else(&seen.record, &record)) } else { self.replace(seen, &record).await };
        let (old, held) = match replaced {
            Ok(both) => both,
            Err(error) => {
                self.give_back(&record).await;
                return Err(error);
            }
        };
        self.settle(&held, State::Resting, None);
        self.0.exchanged.clear();
        self.note(&record.name, EventKind::SignedIn, &signed_in(&record)).await;
        self.announce();
        if tells_sign_ins_apart(&record.service) {
            // Its own end at the service. Should the service not hear of it, the old grant lapses unused.
            self.give_back(&old).await;
        }
        Ok(held)
    }

    /// The record as it was, and as it is now.
    async fn replace(&self, seen: &Held, record: &Arc<GrantRecord>) -> Result<(Arc<GrantRecord>, Held), Error> {
        let id = seen.id;
        // Nobody refreshes meanwhile, so the newest token is the one that is replaced.
        let _lock = self.lock_to_change(&id.to_string()).await?;
        let gone = || Error::new(ErrorCode::NoSuchAccount, "This account was signed out meanwhile.");
        let old = self.load(id).await?.ok_or_else(gone)?;
        let writing = Arc::clone(record);
        let payload = blocking(move || writing.to_payload()).await?;
        let expected = old.generation;
        let generation = self.with_vault_do(move |vault| vault.commit(&id, expected, &payload)).await?;
        Ok((old.record, Held { id, generation, record: Arc::clone(record), attempt: None }))
    }
}

/// Whether each sign-in is a grant of its own there. Elsewhere, revoking the old one may revoke all that this client was
/// granted, the new one among it: there the old one is left to lapse.
fn tells_sign_ins_apart(service: &Service) -> bool {
    matches!(service, Service::OAuth(metadata) if metadata.devices_endpoint.is_some())
}

/// Whether the two are known to be different people.
fn is_other(before: &Person, now: &Person) -> bool {
    match (&before.subject, &now.subject) {
        (Some(before), Some(now)) => before != now,
        _ => before.label.is_some() && now.label.is_some() && before.label != now.label,
    }
}

fn somebody_else(before: &GrantRecord, now: &GrantRecord) -> Error {
    let who = |record: &GrantRecord| record.person.label.clone().unwrap_or_else(|| "somebody else".to_owned());
    let text = format!("This account is that of {}; you signed in as {}.", who(before), who(now));
    Error::new(ErrorCode::NameTaken, text)
}
