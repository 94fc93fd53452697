//! An HTTP client that is always authorized.

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Request, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::http_transport::Way;
use crate::{AccessToken, Error, ErrorCode, Pilotlight};

/// A token that a refresh after a 401 brought, and that is refused as well, leads to the next refresh only after this.
const PAUSE: Duration = Duration::from_secs(30);

/// Sends requests with an account's access token. On 401 it refreshes once and sends once more, where the body can be sent
/// again; never more than that (RFC 6750 section 3.1).
#[derive(Clone)]
pub struct AuthorizedClient {
    pilotlight: Pilotlight,
    account: String,
    client: reqwest::Client,
    /// The token that the last refresh after a 401 brought, and when, on the clock that counts sleep.
    brought: Arc<Mutex<Option<(Duration, SecretString)>>>,
}

impl Pilotlight {
    /// An authorized client for the account called `account`, on top of a client of the caller's.
    #[must_use]
    pub fn authorize(&self, account: &str, client: reqwest::Client) -> AuthorizedClient {
        AuthorizedClient { pilotlight: self.clone(), account: account.to_owned(), client, brought: Arc::default() }
    }

    /// A client to give to [`Self::authorize`] for requests to the origin of `url`: it follows no redirect, ends after
    /// `deadline`, body included, takes the proxy and the certificates of this home's settings, and passes any proxy by where `url`
    /// is on this machine.
    ///
    /// # Errors
    /// `offline` where TLS cannot be set up as the settings want it.
    pub fn client_for(&self, url: &Url, deadline: Duration) -> Result<reqwest::Client, Error> {
        let way = Way::of(&self.0.settings.now())?;
        Ok(way.client(crate::http_transport::is_loopback(url), deadline)?)
    }

    /// The same, to be finished by the caller: it bears no name of a program, and its requests last as long as they like.
    ///
    /// # Errors
    /// As [`Self::client_for`].
    pub fn client_builder_for(&self, url: &Url) -> Result<reqwest::ClientBuilder, Error> {
        let way = Way::of(&self.0.settings.now())?;
        Ok(way.builder(crate::http_transport::is_loopback(url))?)
    }
}

impl AuthorizedClient {
    /// Whether a token may go to that address at all: over TLS, or to this machine (RFC 6750 section 5.3).
    #[must_use]
    pub fn may_send_to(url: &Url) -> bool {
        url.scheme() == "https" || (url.scheme() == "http" && crate::http_transport::is_loopback(url))
    }

    /// Sends `request`. The token goes over TLS or to this machine only; anything else is refused before a token is fetched.
    pub async fn execute(&self, request: Request) -> Result<Response, Error> {
        self.execute_telling(request).await.map(|(response, _)| response)
    }

    /// As [`Self::execute`], and tells which token went along last, for whoever has to keep it out of what is passed on.
    pub async fn execute_telling(&self, mut request: Request) -> Result<(Response, AccessToken), Error> {
        if !Self::may_send_to(request.url()) {
            return Err(Error::new(ErrorCode::BadInput, "An access token is sent over https only."));
        }
        let again = request.try_clone();
        let token = self.pilotlight.access_token(&self.account, Duration::ZERO).await?;
        attach(&mut request, &token)?;
        let response = self.send(request).await?;
        let Some(mut again) = again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else {
            return Ok((response, token));
        };
        let Some(fresh) = self.newer_than(&token).await? else { return Ok((response, token)) };
        attach(&mut again, &fresh)?;
        Ok((self.send(again).await?, fresh))
    }

    /// Somebody may have refreshed since our token was lent; then that one is the newer token. `None` where a refresh has
    /// just not helped: a server that refuses every token is not cured by another.
    async fn newer_than(&self, refused: &AccessToken) -> Result<Option<AccessToken>, Error> {
        let now = self.pilotlight.elapsed();
        let same = |(at, token): &(Duration, SecretString)| {
            token.expose_secret() == refused.token.expose_secret() && now.saturating_sub(*at) < PAUSE
        };
        if self.brought().as_ref().is_some_and(same) {
            return Ok(None);
        }
        let fresh = self.pilotlight.other_than(&self.account, refused).await?;
        *self.brought() = Some((now, fresh.token.clone()));
        Ok(Some(fresh))
    }

    fn brought(&self) -> MutexGuard<'_, Option<(Duration, SecretString)>> {
        self.brought.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, request: Request) -> Result<Response, Error> {
        self.client.execute(request).await.map_err(|error| crate::http_transport::sort(&error).into())
    }
}

/// Replaces whatever `Authorization` there was.
fn attach(request: &mut Request, token: &AccessToken) -> Result<(), Error> {
    let text = zeroize::Zeroizing::new(format!("{} {}", token.token_type, token.token.expose_secret()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        Error::new(ErrorCode::ServerMisbehaved, "The access token holds characters that no header may have.")
    })?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}
