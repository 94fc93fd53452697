//! An HTTP client that is always authorized.

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Request, Response, StatusCode};
use secrecy::ExposeSecret as _;
use std::time::Duration;

use crate::{AccessToken, Error, ErrorCode, Pilotlight, TransportError};

/// Sends requests with an account's access token. On 401 it refreshes once and sends once more, where the body can be sent
/// again; never more than that (RFC 6750 section 3.1).
#[derive(Clone)]
pub struct AuthorizedClient {
    pilotlight: Pilotlight,
    account: String,
    client: reqwest::Client,
}

impl Pilotlight {
    /// An authorized client for the account called `account`, on top of a client of the caller's.
    #[must_use]
    pub fn authorize(&self, account: &str, client: reqwest::Client) -> AuthorizedClient {
        AuthorizedClient { pilotlight: self.clone(), account: account.to_owned(), client }
    }
}

impl AuthorizedClient {
    /// Sends `request`. The token goes over TLS or to this machine only; anything else is refused before a token is fetched.
    pub async fn execute(&self, mut request: Request) -> Result<Response, Error> {
        let url = request.url();
        if url.scheme() != "https" && !crate::transport::is_loopback(url) {
            return Err(Error::new(ErrorCode::BadInput, "An access token is sent over https only."));
        }
        let again = request.try_clone();
        let token = self.pilotlight.access_token(&self.account, Duration::ZERO).await?;
        attach(&mut request, &token)?;
        let response = self.send(request).await?;
        let Some(mut again) = again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) else {
            return Ok(response);
        };
        let fresh = self.newer_than(&token).await?;
        attach(&mut again, &fresh)?;
        self.send(again).await
    }

    /// Somebody may have refreshed since our token was lent; then that one is the newer token.
    async fn newer_than(&self, refused: &AccessToken) -> Result<AccessToken, Error> {
        let stored = self.pilotlight.access_token(&self.account, Duration::ZERO).await?;
        if stored.token.expose_secret() == refused.token.expose_secret() {
            self.pilotlight.refresh(&self.account).await
        } else {
            Ok(stored)
        }
    }

    async fn send(&self, request: Request) -> Result<Response, Error> {
        self.client.execute(request).await.map_err(|error| {
            let why = error.without_url().to_string();
            Error::from(TransportError::Lost(why))
        })
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
