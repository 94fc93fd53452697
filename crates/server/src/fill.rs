//! Many grants at once, for measurements: what so many people would bring about in months.

use std::net::Ipv4Addr;

use pilotlight_oauth::{Scope, Timestamp};
use secrecy::SecretString;

use crate::grant::{Grant, GrantId};
use crate::issue::SCOPES;
use crate::origin::Origin;
use crate::refresh_token::{Claims, derive_refresh_token};
use crate::server::{OpenError, Server};
use crate::system::make_random;

/// So many are added in one step.
const STEP: usize = 5000;
/// So many devices each person has.
const DEVICES: usize = 3;

impl Server {
    /// Adds `number` grants of that client, each third one a new person's, and gives the refresh tokens of `sample` of them, evenly from
    /// all and in an order that has to do with nothing: a store that keeps neighbours together must have nothing of it. Blocks.
    ///
    /// # Errors
    /// Where the store fails, or there is no randomness.
    pub fn fill(&self, client: &str, number: usize, sample: usize) -> Result<Vec<SecretString>, OpenError> {
        self.fill_since(client, number, sample, self.app().now())
    }

    /// The same with grants that nobody has used since then.
    ///
    /// # Errors
    /// As [`Self::fill`].
    pub fn fill_since(
        &self,
        client: &str,
        number: usize,
        sample: usize,
        now: Timestamp,
    ) -> Result<Vec<SecretString>, OpenError> {
        let app = self.app();
        let keys = app.keys.now();
        let (mut sampled, mut subject) = (Vec::with_capacity(sample.min(number)), String::new());
        for from in (0..number).step_by(STEP) {
            let mut grants = Vec::with_capacity(STEP);
            for n in from..number.min(from + STEP) {
                if n % DEVICES == 0 {
                    subject = GrantId(make_random()?).to_string();
                }
                let scope = Scope::parse(&SCOPES.join(" "));
                let mut grant = Grant::new(GrantId(make_random()?), subject.clone(), client.to_owned(), scope, now);
                grant.device =
                    Origin::new(Some("Pilotlight/1.0 (Linux)"), Some(Ipv4Addr::from_bits(n as u32 | 1 << 24).into()));
                grants.push(grant);
            }
            app.store.add_grants(&grants)?;
            let is_sampled = |n: usize| n * sample / number < (n + 1) * sample / number;
            sampled.extend(grants.iter().zip(from..).filter(|(_, n)| is_sampled(*n)).map(|(grant, _)| grant.id));
        }
        // By their last bytes, which are random, for by the first ones the store in a file may keep them in order.
        sampled.sort_by_key(|id: &GrantId| {
            let mut backwards = id.0;
            backwards.reverse();
            backwards
        });
        let token = |grant| derive_refresh_token(&keys, Claims { grant, generation: 0 }, client, now);
        Ok(sampled.into_iter().map(token).collect())
    }
}
