//! Authorization code and PKCE through the system's browser, RFC 8252.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_oauth::{AuthorizationRequest, Client, Metadata, Pkce, Scope, SecretString, Service, parse_callback};

use super::Obtained;
use super::loopback::{Loopback, Read};
use super::scheme::Waiting;
use crate::lifecycle::Pilotlight;
use crate::random::{make_bytes, make_text};
use crate::redirect::Redirect;
use crate::{Error, ErrorCode};

/// How long the person has in the browser.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where the answer arrives.
enum Listener {
    Loopback(Loopback),
    Scheme(Waiting),
}

impl Pilotlight {
    pub(super) async fn by_browser(
        &self,
        service: &Service,
        client: &Client,
        scope: &Scope,
        redirect: Redirect,
    ) -> Result<Obtained, Error> {
        let Service::OAuth(metadata) = service else { return Err(unsupported()) };
        let random = &*self.0.config.random;
        let pkce = Pkce::derive(&make_bytes(random)?);
        let (state, nonce) = (make_text(random)?, make_text(random)?);
        let listener = self.listen(redirect, &state).await?;
        let redirect_uri = listener.redirect_uri().to_owned();
        let request = AuthorizationRequest {
            metadata,
            client,
            scope,
            redirect_uri: &redirect_uri,
            state: &state,
            nonce: &nonce,
            code_challenge: &pkce.challenge,
        };
        let url = request.url().ok_or_else(unsupported)?;
        let browser = Arc::clone(&self.0.config.browser);
        crate::lifecycle::blocking(move || browser.open(&url)).await?;
        let code = wait_for_code(listener, metadata, &state).await?;
        let request = service.code_request(client, &code, &redirect_uri, &pkce.verifier).ok_or_else(unsupported)?;
        let obtained = self.obtain(service, client, scope, request, Some(&nonce), None).await?;
        Ok(Obtained { redirect, ..obtained })
    }

    async fn listen(&self, redirect: Redirect, state: &str) -> Result<Listener, Error> {
        match redirect {
            Redirect::Loopback => Loopback::bind().await.map(Listener::Loopback),
            Redirect::Scheme => {
                let scheme = self.0.config.redirect_scheme.clone().ok_or_else(no_scheme)?;
                Waiting::begin(self.0.config.home.clone(), scheme, state.to_owned()).await.map(Listener::Scheme)
            }
        }
    }
}

impl Listener {
    fn redirect_uri(&self) -> &str {
        match self {
            Self::Loopback(loopback) => loopback.redirect_uri(),
            Self::Scheme(waiting) => waiting.redirect_uri(),
        }
    }

    async fn answer(self, read: Arc<Read>) -> Result<SecretString, Error> {
        match self {
            Self::Loopback(loopback) => loopback.answer(read).await,
            Self::Scheme(waiting) => waiting.answer(read).await,
        }
    }

    /// What to say where nothing came.
    const fn silence(&self) -> &'static str {
        match self {
            Self::Loopback(_) => "The sign-in was not finished in the browser.",
            Self::Scheme(_) => {
                "The sign-in was not finished in the browser, or the desktop does not know which program takes its answer."
            }
        }
    }
}

async fn wait_for_code(listener: Listener, metadata: &Metadata, state: &str) -> Result<SecretString, Error> {
    let (issuer, promised) = (metadata.issuer.clone(), metadata.iss_in_response);
    let (state, silence) = (state.to_owned(), listener.silence());
    let answer = listener.answer(Arc::new(move |query: &str| parse_callback(query, &state, &issuer, promised)));
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::new(ErrorCode::SignInTimedOut, silence)),
    }
}

fn no_scheme() -> Error {
    Error::new(ErrorCode::FlowUnsupported, "This program has no scheme of its own by which an answer could come back.")
}

fn unsupported() -> Error {
    Error::new(ErrorCode::FlowUnsupported, "The service has no sign-in page for the browser.")
}
