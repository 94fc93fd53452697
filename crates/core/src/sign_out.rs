//! Signing out: revoke at the service, then remove here. Removing never depends on the service.

use pilotlight_vault::GrantId;

use crate::journal::EventKind;
use crate::lifecycle::Pilotlight;
use crate::record::GrantRecord;
use crate::refresh::unavailable;
use crate::values::SignedOut;
use crate::{Error, ErrorCode, SignOut};

impl Pilotlight {
    /// Signs out of the account called `name`. Waits for a refresh in flight, so that the newest token is the one revoked.
    pub async fn sign_out(&self, name: &str, how: SignOut) -> Result<SignedOut, Error> {
        let id = match self.find(name).await {
            Ok(held) => held.id,
            Err(error) => return self.remove_damaged(name, how).await?.ok_or(error),
        };
        let _lock = self.lock_to_change(&id.to_string()).await?;
        let Some(held) = self.load(id).await? else {
            return Err(Error::new(ErrorCode::NoSuchAccount, format!("There is no account called {name:?}.")));
        };
        let outcome = match how {
            SignOut::LocalOnly => SignedOut::LocalOnly,
            SignOut::Everywhere => self.give_back(&held.record).await,
        };
        self.with_vault_do(move |vault| vault.remove(&id)).await?;
        self.forget(id);
        let text = match &outcome {
            SignedOut::Revoked => "Signed out here and at the service.".to_owned(),
            SignedOut::NotSupported => "Signed out here; the service has no way to be told.".to_owned(),
            SignedOut::NotTold(error) => format!("Signed out here; the service could not be told: {error}"),
            SignedOut::LocalOnly => "Signed out here only.".to_owned(),
        };
        self.note(name, EventKind::SignedOut, &text).await;
        self.announce();
        Ok(outcome)
    }

    /// A record that does not open has no name; on the person's word that it should go, it goes by its id. `None` where there
    /// is none of that id.
    async fn remove_damaged(&self, id: &str, how: SignOut) -> Result<Option<SignedOut>, Error> {
        let Ok(id) = id.parse::<GrantId>() else { return Ok(None) };
        if how != SignOut::LocalOnly || !self.accounts().await?.damaged.contains(&id) {
            return Ok(None);
        }
        let _lock = self.lock_to_change(&id.to_string()).await?;
        self.with_vault_do(move |vault| vault.remove(&id)).await?;
        self.forget(id);
        self.note(&id.to_string(), EventKind::SignedOut, "A record that could not be opened was removed.").await;
        self.announce();
        Ok(Some(SignedOut::LocalOnly))
    }

    /// Revokes the refresh token, and with it the grant (RFC 7009 section 2.1).
    pub(crate) async fn give_back(&self, record: &GrantRecord) -> SignedOut {
        let Some(token) = &record.refresh_token else { return SignedOut::NotSupported };
        let Some(request) = record.service.revoke_request(&record.client, token) else {
            return SignedOut::NotSupported;
        };
        match self.0.config.transport.send(request).await {
            // 200 also for tokens that are dead already (section 2.2).
            Ok(answer) if answer.status == 200 => SignedOut::Revoked,
            Ok(answer) => SignedOut::NotTold(unavailable(answer.status)),
            Err(error) => SignedOut::NotTold(error.into()),
        }
    }
}
