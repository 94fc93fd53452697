//! Authorization code and PKCE through the system's browser, RFC 8252.

use std::time::Duration;

use pilotlight_oauth::{AuthorizationRequest, Client, Metadata, Pkce, Scope, SecretString, Service, parse_callback};

use super::Obtained;
use super::loopback::Loopback;
use crate::lifecycle::Pilotlight;
use crate::random::{make_bytes, make_text};
use crate::{Error, ErrorCode};

/// How long the person has in the browser.
const PATIENCE: Duration = Duration::from_secs(600);

impl Pilotlight {
    pub(super) async fn by_browser(
        &self,
        service: &Service,
        client: &Client,
        scope: &Scope,
    ) -> Result<Obtained, Error> {
        let Service::OAuth(metadata) = service else { return Err(unsupported()) };
        let random = &*self.0.config.random;
        let pkce = Pkce::derive(&make_bytes(random)?);
        let (state, nonce) = (make_text(random)?, make_text(random)?);
        let listener = Loopback::bind().await?;
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
        let browser = std::sync::Arc::clone(&self.0.config.browser);
        crate::lifecycle::blocking(move || browser.open(&url)).await?;
        let code = wait_for_code(listener, metadata, &state).await?;
        let request = service.code_request(client, &code, &redirect_uri, &pkce.verifier).ok_or_else(unsupported)?;
        self.obtain(service, client, scope, request, Some(&nonce), None).await
    }
}

async fn wait_for_code(listener: Loopback, metadata: &Metadata, state: &str) -> Result<SecretString, Error> {
    let (issuer, promised) = (metadata.issuer.clone(), metadata.iss_in_response);
    let state = state.to_owned();
    let answer = listener.answer(move |query| parse_callback(query, &state, &issuer, promised));
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::new(ErrorCode::SignInTimedOut, "The sign-in was not finished in the browser.")),
    }
}

fn unsupported() -> Error {
    Error::new(ErrorCode::FlowUnsupported, "The service has no sign-in page for the browser.")
}
