//! The authorization server where tokens are spent: the rule of `pilotlight-server`, which knows a reused token from a
//! repeated request, and ends the grant on reuse.

use std::collections::HashMap;
use std::time::Duration;

use pilotlight_oauth::{Scope, Timestamp};
use pilotlight_server::grant::{Grant, GrantId, Outcome, REMEMBERED_KEYS, Redemption};
use pilotlight_server::{MemoryStore, Store as _};

use crate::canary::Canary;
use crate::cell::{Known, payload};
use crate::system;
use crate::verdict::Halt;

const CLIENT: &str = "pilotlight";

/// An authorization server with one grant.
pub(crate) struct Judge {
    store: MemoryStore,
    grant: GrantId,
    /// Which generation each token is.
    tokens: HashMap<String, u32>,
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sentence {
    /// A new token.
    Granted(Canary),
    /// `invalid_grant`, and the whole grant is over: a spent token came again.
    Ended,
    /// `invalid_grant` for another reason.
    Refused(String),
}

fn unwell(error: impl std::fmt::Display) -> Halt {
    Halt::Inconclusive(format!("the judge: {error}"))
}

impl Judge {
    /// A grant, and the record that keeps its first token.
    pub(crate) fn new() -> Result<(Self, Known), Halt> {
        let grant = GrantId(system::random());
        let store = MemoryStore::new();
        let scope = Scope::default();
        store.add_grant(&Grant::new(grant, "person".to_owned(), CLIENT.to_owned(), scope, now())).map_err(unwell)?;
        let first = Known::new("the first refresh token");
        let tokens = HashMap::from([(first.canary.text.clone(), 0)]);
        Ok((Self { store, grant, tokens }, first))
    }

    /// Spends the token of a record.
    pub(crate) fn spend(&mut self, record: &str, key: Option<[u8; 16]>) -> Result<Sentence, Halt> {
        let token = record.strip_prefix("refresh_token=").and_then(|rest| rest.split('&').next()).unwrap_or_default();
        let Some(generation) = self.tokens.get(token).copied() else {
            return Ok(Sentence::Refused("the server never made this token".to_owned()));
        };
        let presented = Redemption {
            grant: self.grant,
            generation,
            client: CLIENT.to_owned(),
            // The server keeps a hash of it; the key itself is as unique.
            key,
            scope: None,
            now: now(),
            idle: Duration::from_secs(86_400),
            retry_window: Duration::ZERO,
            remembered_keys: REMEMBERED_KEYS,
        };
        Ok(match self.store.redeem(&presented).map_err(unwell)? {
            Outcome::Rotated(grant) | Outcome::Healed(grant) | Outcome::Repeated(grant) => {
                Sentence::Granted(self.token(grant.generation))
            }
            Outcome::Reused | Outcome::Revoked(_) => Sentence::Ended,
            other => Sentence::Refused(other.as_str().to_owned()),
        })
    }

    /// The token of a generation: always the same.
    fn token(&mut self, generation: u32) -> Canary {
        let name = format!("the refresh token of generation {}", generation + 1);
        if let Some((text, _)) = self.tokens.iter().find(|(_, known)| **known == generation) {
            return Canary::known(name, text.clone());
        }
        let canary = Canary::new(name);
        self.tokens.insert(canary.text.clone(), generation);
        canary
    }
}

/// The record that keeps a new token in place of `known`.
pub(crate) fn successor(known: &Known, token: Canary) -> Known {
    Known { id: known.id.clone(), generation: known.generation + 1, payload: payload(&token.text), canary: token }
}

fn now() -> Timestamp {
    Timestamp::from_secs(system::now_ms() / 1000)
}
