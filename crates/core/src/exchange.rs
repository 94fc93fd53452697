//! Narrower access tokens for other programs: token exchange, RFC 8693.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pilotlight_oauth::{Scope, Verdict};
use pilotlight_vault::GrantId;

use crate::lifecycle::Pilotlight;
use crate::page::Held;
use crate::refresh::{misbehaved, refused, unavailable};
use crate::{AccessToken, Error, ErrorCode};

/// A token with less of its life left than this is not lent a second time.
const MARGIN: Duration = Duration::from_secs(10);
/// More tokens than this are not kept; the oldest goes first.
const MOST: usize = 64;

/// What a token was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    grant: GrantId,
    audience: Option<String>,
    scope: Scope,
}

/// The tokens that were exchanged in this process and live, so that the service is not asked for each anew. They stand
/// nowhere else.
#[derive(Default)]
pub(crate) struct Exchanged(Mutex<Vec<(Wish, AccessToken, Duration)>>);

impl Exchanged {
    fn all(&self) -> MutexGuard<'_, Vec<(Wish, AccessToken, Duration)>> {
        // No invariant spans a panic while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets them; they are wiped.
    pub(crate) fn clear(&self) {
        self.all().clear();
    }

    /// The token for that wish and its end, where it lives beyond `until`.
    fn beyond(&self, until: Duration, wish: &Wish) -> Option<(AccessToken, Duration)> {
        let all = self.all();
        let (_, token, end) = all.iter().find(|(known, _, end)| known == wish && *end > until)?;
        Some((token.clone(), *end))
    }

    fn keep(&self, now: Duration, wish: Wish, token: AccessToken, end: Duration) {
        let mut all = self.all();
        all.retain(|(known, _, end)| *known != wish && *end > now);
        if all.len() >= MOST {
            all.remove(0);
        }
        all.push((wish, token, end));
    }
}

impl Pilotlight {
    /// An access token that may do no more than `scope` (empty: all that the account's own may) and is for `audience` alone
    /// (`None`: for whom the account's own is): to be given to another program in its place (RFC 8693). It lives no longer than
    /// the account's access token, which lives `min_ttl` at least, or is refreshed first. One that was exchanged before is given
    /// again while it lives that long. Where neither is asked for, this is [`Self::access_token`].
    ///
    /// # Errors
    /// As [`Self::access_token`]. [`ErrorCode::BadInput`] where the account's service is none of OAuth;
    /// [`ErrorCode::ClientRefused`], with the service's words, where it exchanges no tokens, or not for this client, audience
    /// or scope. No answer to an exchange ends the grant.
    pub async fn exchanged_token(
        &self,
        name: &str,
        audience: Option<&str>,
        scope: &Scope,
        min_ttl: Duration,
    ) -> Result<AccessToken, Error> {
        if audience.is_none() && scope.is_empty() {
            return self.access_token(name, min_ttl).await;
        }
        let held = self.find(name).await?;
        self.refuse_ended(&held)?;
        let wish = Wish { grant: held.id, audience: audience.map(ToOwned::to_owned), scope: scope.clone() };
        let until = self.elapsed().saturating_add(min_ttl.max(MARGIN));
        if let Some((token, end)) = self.0.exchanged.beyond(until, &wish) {
            return Ok(AccessToken { expires_at: Some(self.shown(end)), ..token });
        }
        let own = self.access_token(name, min_ttl).await?;
        let token = self.exchange(&held, &own, &wish).await?;
        if let Some(end) = token.expires_at {
            let now = self.elapsed();
            self.0.exchanged.keep(now, wish, token.clone(), now.saturating_add(end.since(self.now())));
        }
        Ok(token)
    }

    async fn exchange(&self, held: &Held, own: &AccessToken, wish: &Wish) -> Result<AccessToken, Error> {
        let record = &held.record;
        let request =
            record.service.exchange_request(&record.client, &own.token, wish.audience.as_deref(), &wish.scope);
        let request = request.ok_or_else(|| {
            Error::new(ErrorCode::BadInput, "This account's service has no tokens for another audience or scope.")
        })?;
        // A lost answer costs nothing: nothing was spent.
        let answer = self.0.config.transport.send(request).await?;
        match record.service.classify_exchange(&answer, self.now()) {
            Verdict::Granted(tokens) => Ok(AccessToken {
                token: tokens.access_token,
                token_type: tokens.token_type,
                expires_at: tokens.access_expires_at,
            }),
            Verdict::InvalidGrant(refusal) | Verdict::Refused(refusal) => Err(refused(&refusal)),
            Verdict::Unavailable { status, .. } => Err(unavailable(status)),
            Verdict::Misbehaved { status, why } => Err(misbehaved(status, why)),
        }
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
