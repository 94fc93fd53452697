//! Signing in: find the service, get tokens, make them durable, and only then say that somebody is signed in.

#[cfg(test)]
mod again_tests;
mod by_browser;
mod by_device;
#[cfg(test)]
mod by_device_tests;
mod loopback;
mod renewal;
#[cfg(test)]
mod renewal_tests;
mod scheme;
mod turn;
#[cfg(test)]
mod turn_tests;

pub use by_device::{DeviceInvitation, DeviceProgress, DeviceWatcher};

use std::sync::Arc;

use pilotlight_oauth::{
    Client, DiscoveryError, Issuer, Person, Scope, SecretString, Service, Tokens, Verdict, discovery_requests,
    parse_endpoint, parse_metadata, parse_userinfo, read_id_token,
};
use pilotlight_vault::GrantId;
use url::Url;

use crate::journal::EventKind;
use crate::lifecycle::{Pilotlight, blocking};
use crate::page::Held;
use crate::record::GrantRecord;
use crate::redirect::Redirect;
use crate::refresh::{in_its_words, misbehaved, refused, unavailable};
use crate::{Account, Error, ErrorCode, ErrorKind, Registration, ServiceLocation, SignIn, Status, random};

/// Tokens, and whose they are.
struct Obtained {
    tokens: Tokens,
    person: Person,
    clock_offset_ms: Option<i64>,
    /// How the browser came back, or would.
    redirect: Redirect,
}

impl Pilotlight {
    /// Signs a person in. When this returns, the grant is durable. Dropping the future cancels the sign-in.
    ///
    /// The vault is opened first: nobody is sent through a browser for a sign-in that cannot be kept. An ended account of the
    /// same name is replaced; a living one is not. Over all processes of this home, one sign-in at a time is pending for a
    /// name; another gets [`ErrorCode::SignInPending`].
    pub async fn sign_in(&self, registration: Registration, with: SignIn) -> Result<Account, Error> {
        self.sign_in_by(registration, with, Redirect::default()).await
    }

    /// `usual`: how the browser comes back where `with` does not say.
    async fn sign_in_by(&self, registration: Registration, with: SignIn, usual: Redirect) -> Result<Account, Error> {
        check_name(&registration.name)?;
        self.unlock().await?;
        self.refuse_taken(&registration.name).await?;
        let _turn = self.take_turn(&registration.name).await?;
        let service = self.discover(&registration.service).await?;
        let (client, scope) = (registration.client, registration.scope);
        let held = match with {
            SignIn::RefreshToken(token) => self.import(registration.name, service, client, scope, token).await?,
            with => {
                let obtained = self.obtain_by(with, &service, &client, &scope, usual).await?;
                self.keep(registration.name, service, client, scope, obtained).await?
            }
        };
        Ok(self.account_of(&held))
    }

    /// Gets tokens by what the person does or brings.
    async fn obtain_by(
        &self,
        with: SignIn,
        service: &Service,
        client: &Client,
        scope: &Scope,
        usual: Redirect,
    ) -> Result<Obtained, Error> {
        let obtained = match with {
            SignIn::Browser => return self.by_browser(service, client, scope, usual).await,
            SignIn::BrowserBy(redirect) => return self.by_browser(service, client, scope, redirect).await,
            SignIn::Device(watcher) => self.by_device(service, client, scope, &watcher).await?,
            SignIn::Password { username, password } => {
                let request = service.password_request(client, &username, &password, scope);
                drop(password);
                self.obtain(service, client, scope, request, None, Some(username)).await?
            }
            SignIn::RefreshToken(_) => {
                return Err(Error::new(
                    ErrorCode::NameTaken,
                    "A refresh token of elsewhere begins an account of its own; it takes the place of none.",
                ));
            }
        };
        Ok(Obtained { redirect: usual, ..obtained })
    }

    /// Turns a location into a service one can speak to; asks for metadata where there are any.
    async fn discover(&self, location: &ServiceLocation) -> Result<Service, Error> {
        match location {
            ServiceLocation::PlainJson(urls) => {
                for url in [&urls.login_url, &urls.refresh_url] {
                    check_address(url)?;
                }
                Ok(Service::PlainJson(urls.clone()))
            }
            ServiceLocation::Declared(service) => Ok(Service::clone(service)),
            ServiceLocation::TokenEndpoint(url) => {
                check_address(url)?;
                Ok(Service::TokenEndpoint { url: url.clone() })
            }
            ServiceLocation::Issuer(text) => {
                let issuer = Issuer::parse(text)?;
                let mut first = None;
                for request in discovery_requests(&issuer) {
                    let answer = self.0.config.transport.send(request).await?;
                    match parse_metadata(&issuer, &answer) {
                        Ok(metadata) => return Ok(Service::OAuth(metadata)),
                        Err(error) => first = first.or(Some(error)),
                    }
                }
                Err(first.map_or_else(|| Error::new(ErrorCode::NotAService, "There is nothing to ask."), Error::from))
            }
        }
    }

    /// Sends a token request and finds out whose the tokens are.
    async fn obtain(
        &self,
        service: &Service,
        client: &Client,
        scope: &Scope,
        request: pilotlight_oauth::HttpRequest,
        nonce: Option<&str>,
        username: Option<String>,
    ) -> Result<Obtained, Error> {
        let answer = self.0.config.transport.send(request).await?;
        let clock_offset_ms = self.hear_clock(&answer);
        let tokens = match service.classify(&answer, self.now()) {
            Verdict::Granted(tokens) => *tokens,
            Verdict::InvalidGrant(refusal) => {
                let said = in_its_words("The service did not accept the sign-in", refusal.description.as_deref());
                return Err(Error::new(ErrorCode::WrongCredentials, said));
            }
            Verdict::Refused(refusal) if refusal.error == "unsupported_grant_type" => {
                return Err(Error::new(ErrorCode::FlowUnsupported, "The service does not offer this way to sign in."));
            }
            Verdict::Refused(refusal) => return Err(refused(&refusal)),
            Verdict::Unavailable { status, .. } => return Err(unavailable(status)),
            Verdict::Misbehaved { status, why } => return Err(misbehaved(status, why)),
        };
        self.whose(service, client, scope, tokens, nonce, username).await.map(|mut obtained| {
            obtained.clock_offset_ms = clock_offset_ms;
            obtained
        })
    }

    /// Finds out whose tokens these are.
    async fn whose(
        &self,
        service: &Service,
        client: &Client,
        scope: &Scope,
        tokens: Tokens,
        nonce: Option<&str>,
        username: Option<String>,
    ) -> Result<Obtained, Error> {
        let mut person = match (service, &tokens.id_token) {
            (Service::OAuth(metadata), Some(token)) => {
                read_id_token(token, &metadata.issuer, &client.id, nonce, self.now()).map_err(|error| {
                    Error::new(ErrorCode::ServerMisbehaved, format!("The sign-in is not trusted: {error}."))
                })?
            }
            _ => Person::default(),
        };
        if person.label.is_none() && scope.contains("openid") {
            self.ask_who(service, &tokens, &mut person).await;
        }
        person.label = person.label.or(username);
        Ok(Obtained { tokens, person, clock_offset_ms: None, redirect: Redirect::default() })
    }

    /// Asks the userinfo endpoint, which may only add a label: never another subject than the id_token's (OpenID Connect Core 5.3.2).
    async fn ask_who(&self, service: &Service, tokens: &Tokens, person: &mut Person) {
        let Some(request) = service.userinfo_request(&tokens.access_token) else { return };
        let Ok(answer) = self.0.config.transport.send(request).await else { return };
        let Some(told) = parse_userinfo(&answer) else { return };
        if person.subject.is_none() || person.subject == told.subject {
            person.subject = told.subject;
            person.label = told.label;
        }
    }

    /// Makes fresh tokens durable. If that fails they are given back, so that nobody is left signed in without knowing.
    async fn keep(
        &self,
        name: String,
        service: Service,
        client: Client,
        scope: Scope,
        obtained: Obtained,
    ) -> Result<Held, Error> {
        let Obtained { tokens, person, clock_offset_ms, redirect } = obtained;
        let mut record = self.blank(name, service, client, scope, person);
        let now = self.now();
        record.take(tokens, now);
        record.clock_offset_ms = clock_offset_ms;
        record.redirect = redirect;
        let record = Arc::new(record);
        match self.create(&record).await {
            Ok(held) => {
                self.note(&held.record.name, EventKind::SignedIn, &signed_in(&held.record)).await;
                self.announce();
                Ok(held)
            }
            Err(error) => {
                self.give_back(&record).await;
                Err(error)
            }
        }
    }

    /// Keeps a refresh token that was issued elsewhere and rotates it at once. It is durable before it is spent.
    async fn import(
        &self,
        name: String,
        service: Service,
        client: Client,
        scope: Scope,
        token: SecretString,
    ) -> Result<Held, Error> {
        let mut record = self.blank(name, service, client, scope, Person::default());
        record.refresh_token = Some(token);
        let held = self.create(&Arc::new(record)).await?;
        match self.refreshed(&held, true).await {
            Ok(fresh) => {
                self.note(&fresh.record.name, EventKind::SignedIn, &signed_in(&fresh.record)).await;
                Ok(fresh)
            }
            Err(error) if matches!(error.kind(), ErrorKind::NeedsSignIn | ErrorKind::Misuse) => {
                let id = held.id;
                self.with_vault_do(move |vault| vault.remove(&id)).await?;
                self.forget(id);
                let text = format!("The service did not accept the refresh token. {}", error.message());
                Err(Error::new(ErrorCode::WrongCredentials, text))
            }
            // The outcome is open: the account is kept, and the same token is tried again.
            Err(_) => Ok(held),
        }
    }

    fn blank(&self, name: String, service: Service, client: Client, scope: Scope, person: Person) -> GrantRecord {
        let now = self.now();
        GrantRecord {
            name,
            service,
            client,
            scope,
            granted: None,
            person,
            signed_in_at: now,
            refreshed_at: now,
            refreshes: 0,
            access: None,
            refresh_token: None,
            refresh_expires_at: None,
            first_life: None,
            refresh_in: None,
            clock_offset_ms: None,
            redirect: Redirect::default(),
            ended: None,
        }
    }

    /// Writes a new record; the name is checked again under a lock that all processes share.
    async fn create(&self, record: &Arc<GrantRecord>) -> Result<Held, Error> {
        let _lock = self.lock_to_change("names").await?;
        let replaced = self.refuse_taken(&record.name).await?;
        let id = GrantId::from_bytes(random::make_bytes(&*self.0.config.random)?);
        let writing = Arc::clone(record);
        let payload = blocking(move || writing.to_payload()).await?;
        let generation = self.with_vault_do(move |vault| vault.create(&id, &payload)).await?;
        for old in replaced {
            self.with_vault_do(move |vault| vault.remove(&old)).await?;
            self.forget(old);
        }
        let held = Held { id, generation, record: Arc::clone(record), attempt: None };
        self.replan(&held);
        Ok(held)
    }

    /// The ended accounts of this name; an error where a living one has it.
    pub(crate) async fn refuse_taken(&self, name: &str) -> Result<Vec<GrantId>, Error> {
        let same = self.accounts().await?.accounts.into_iter().filter(|account| account.name == name);
        same.map(|account| match account.status {
            Status::Ended { .. } => Ok(account.id),
            _ => Err(Error::new(ErrorCode::NameTaken, format!("There is an account called {name:?} already."))),
        })
        .collect()
    }
}

fn signed_in(record: &GrantRecord) -> String {
    let who = record.person.label.as_ref().map(|label| format!(" as {label}")).unwrap_or_default();
    format!("Signed in{who} at {}.", record.service.identifier())
}

/// Whether tokens may be sent to an address that a person named, not a service's metadata. It may hold a password: the error
/// names its origin alone.
fn check_address(url: &Url) -> Result<(), Error> {
    match parse_endpoint(url.as_str()) {
        Ok(_) => Ok(()),
        Err(DiscoveryError::Malformed(rule)) => {
            let origin = url.origin().ascii_serialization();
            Err(Error::new(ErrorCode::BadInput, format!("The address at {origin} cannot be used: {rule}.")))
        }
        Err(other) => Err(other.into()),
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let wrong = if name.is_empty() || name.chars().count() > 64 {
        "An account's name has 1 to 64 characters."
    } else if name.chars().any(pilotlight_oauth::is_unprintable) {
        "An account's name has no control characters, and none that are invisible or turn the direction of text."
    } else if name.trim() != name {
        "An account's name neither begins nor ends with a space."
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorCode::BadInput, wrong))
}
