//! A person's sign-in to the pages of this server, in one browser: a grant of the server's own, with the client [`BROWSER`].
//!
//! So it stands in the list of a person's sign-ins, ends at once wherever it is ended, and is forgotten as grants are. The
//! browser has the grant's name under a MAC: the store has nothing that would open a session.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use pilotlight_oauth::Timestamp;
use sha2::Sha256;

use crate::app::App;
use crate::client::BROWSER;
use crate::grant::{Grant, GrantId, Reason};
use crate::keys::{KeySet, MacKey};
use crate::methods::Methods;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::store::User;
use crate::system::make_random;

const LABEL: &[u8] = b"pilotlight browser session v1";

/// A session that is open now.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) grant: Grant,
    pub(crate) user: User,
}

/// Which of a person's sign-ins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    One(GrantId),
    AllBut(GrantId),
    All,
}

fn mac(key: &MacKey, id: GrantId) -> Hmac<Sha256> {
    let mut mac = key.mac(LABEL);
    mac.update(&id.0);
    mac
}

/// The value of the cookie.
pub(crate) fn seal(keys: &KeySet, id: GrantId, now: Timestamp) -> String {
    let tag = mac(&keys.mac_at(now).key, id).finalize().into_bytes();
    URL_SAFE_NO_PAD.encode([&id.0[..], &tag].concat())
}

/// The session that a cookie names, if we made it.
pub(crate) fn open(keys: &KeySet, cookie: &str) -> Option<GrantId> {
    let bytes = URL_SAFE_NO_PAD.decode(cookie).ok()?;
    let (id, tag) = bytes.split_first_chunk::<16>()?;
    let id = GrantId(*id);
    // The key may have changed since.
    keys.macs().any(|known| mac(&known.key, id).verify_slice(tag).is_ok()).then_some(id)
}

impl App {
    /// The session of that name, as long as it is open and the person is there.
    pub(crate) async fn session(&self, id: Option<GrantId>) -> Result<Option<Session>, Problem> {
        let Some(id) = id else { return Ok(None) };
        let now = self.now();
        self.ask(move |store| {
            let open = |grant: &Grant| {
                grant.client == BROWSER && grant.revoked.is_none() && grant.ends_at.is_some_and(|end| now < end)
            };
            let Some(grant) = store.grant(id)?.filter(open) else { return Ok(None) };
            Ok(store.user(&grant.subject)?.map(|user| Session { grant, user }))
        })
        .await
    }

    /// Opens a session for somebody who just showed all that their account asks for, in the place of the one that this browser had.
    pub(crate) async fn begin_session(
        &self,
        user: &User,
        origin: Origin,
        replaced: Option<GrantId>,
    ) -> Result<GrantId, Problem> {
        let now = self.now();
        let id = GrantId(make_random()?);
        let mut grant =
            Grant::new(id, user.subject.clone(), BROWSER.to_owned(), Methods::all_of(user).session_scope(), now);
        // No longer than a store remembers a grant that nobody refreshes.
        let life = self.config.session_ttl.min(self.config.refresh_token_ttl.saturating_mul(2));
        grant.ends_at = Some(now.plus(life));
        grant.device = origin;
        self.ask(move |store| {
            store.add_grant(&grant)?;
            replaced.map(|old| store.revoke(old, Reason::SignedOut, now)).transpose()
        })
        .await?;
        tracing::info!(grant_id = %id, outcome = %"begun", "session");
        Ok(id)
    }

    /// Ends sign-ins of one person; how many were ended by this.
    pub(crate) async fn end_sign_ins(&self, subject: &str, which: Which) -> Result<usize, Problem> {
        let (subject, now) = (subject.to_owned(), self.now());
        let ended = self
            .ask(move |store| {
                let wanted = |grant: &Grant| match which {
                    Which::One(id) => grant.id == id,
                    Which::AllBut(id) => grant.id != id,
                    Which::All => true,
                };
                let grants = store.grants_of(&subject)?.into_iter().filter(|grant| grant.revoked.is_none());
                let mut ended = Vec::new();
                for grant in grants.filter(wanted) {
                    if store.revoke(grant.id, Reason::SignedOut, now)? == Some(true) {
                        ended.push(grant.id);
                    }
                }
                Ok(ended)
            })
            .await?;
        for grant_id in &ended {
            tracing::info!(%grant_id, outcome = %"signed_out", "account");
        }
        Ok(ended.len())
    }

    /// The sign-ins of one person that are not over, the latest first.
    pub(crate) async fn sign_ins(&self, subject: &str) -> Result<Vec<Grant>, Problem> {
        let (subject, now, idle) = (subject.to_owned(), self.now(), self.config.refresh_token_ttl);
        let lives = move |grant: &Grant| {
            let end = match grant.ends_at {
                Some(end) if grant.client == BROWSER => end,
                _ => grant.refresh_expires_at(idle),
            };
            grant.revoked.is_none() && now < end && grant.uses_left() != Some(0)
        };
        let mut grants = self.ask(move |store| store.grants_of(&subject)).await?;
        grants.retain(lives);
        grants.sort_by_key(|grant| (std::cmp::Reverse(grant.rotated_at), grant.id));
        Ok(grants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::VersionedMac;

    fn keys(byte: u8) -> KeySet {
        let key = MacKey::new([byte; 32]);
        KeySet::of_macs(vec![VersionedMac { version: 1, active_from: Timestamp::from_secs(0), key }])
    }

    #[test]
    fn a_cookie_that_we_did_not_make_opens_nothing() {
        let id = GrantId([7; 16]);
        let cookie = seal(&keys(1), id, Timestamp::from_secs(1));
        assert_eq!(open(&keys(1), &cookie), Some(id));
        assert_eq!(open(&keys(2), &cookie), None, "another server's");
        let bytes = URL_SAFE_NO_PAD.decode(&cookie).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(open(&keys(1), &URL_SAFE_NO_PAD.encode(changed)), None, "byte {at}");
            assert_eq!(open(&keys(1), &URL_SAFE_NO_PAD.encode(&bytes[..at])), None, "cut at {at}");
        }
        for wrong in ["", "x", "!!!!", &"A".repeat(100_000)] {
            assert_eq!(open(&keys(1), wrong), None);
        }
    }
}
