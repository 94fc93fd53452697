//! Who is asking: clients (RFC 6749 section 2.3) and people.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::app::App;
use crate::client::{Client, FIRST_PARTY, Setting};
use crate::edge::Refusal;
use crate::params::Params;
use crate::password;
use crate::problem::{Problem, Refused};
use crate::second_factor::SecondFactor;
use crate::store::User;

/// How often a code is checked again because the person changed meanwhile.
const TRIES: usize = 5;

/// The client behind a request.
pub(crate) enum Caller {
    /// The operator's own programs, which need no registration.
    FirstParty,
    Registered(Arc<Client>),
}

impl Caller {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::FirstParty => FIRST_PARTY,
            Self::Registered(client) => &client.id,
        }
    }

    /// Whether it has nothing to authenticate with, so that its refresh tokens are bound to the key that it proves to have
    /// (RFC 9449 section 5).
    pub(crate) fn is_public(&self) -> bool {
        match self {
            Self::FirstParty => true,
            Self::Registered(client) => client.secret_hash.is_none(),
        }
    }

    /// The resources that it may ask tokens for, beside this server.
    pub(crate) fn resources(&self) -> &[String] {
        match self {
            Self::FirstParty => &[],
            Self::Registered(client) => &client.resources,
        }
    }

    /// Whether it has to prove to have a key.
    pub(crate) fn needs_proof(&self) -> bool {
        matches!(self, Self::Registered(client) if client.has(Setting::DpopRequired))
    }

    /// Whether nobody here has looked at it: it registered itself.
    pub(crate) fn is_stranger(&self) -> bool {
        matches!(self, Self::Registered(client) if client.has(Setting::Registered))
    }

    /// For endpoints that the operator's own programs have no use for.
    pub(crate) fn registered(self) -> Result<Client, Problem> {
        match self {
            Self::FirstParty => Err(Problem::InvalidRequest("client_id is missing.")),
            Self::Registered(client) => Ok(Arc::unwrap_or_clone(client)),
        }
    }

    /// The same, borrowed.
    pub(crate) fn client(&self) -> Result<&Client, Problem> {
        match self {
            Self::FirstParty => Err(Problem::InvalidRequest("client_id is missing.")),
            Self::Registered(client) => Ok(client),
        }
    }

    /// For endpoints that want to be sure who asks.
    pub(crate) fn confidential(self) -> Result<Client, Problem> {
        match self {
            Self::Registered(client) if client.secret_hash.is_some() => Ok(Arc::unwrap_or_clone(client)),
            _ => Err(Problem::InvalidClient { basic: true }),
        }
    }
}

impl App {
    /// The client behind a request to an endpoint that wants one. Without `client_id` it is the operator's own.
    pub(crate) async fn authenticate_client(&self, headers: &HeaderMap, params: &Params) -> Result<Caller, Problem> {
        let (id, secret, basic) = credentials(headers, params)?;
        if id == FIRST_PARTY && secret.is_none() {
            return Ok(Caller::FirstParty);
        }
        let client = self.client(id).await?;
        let allowed = client.filter(|client| match (&client.secret_hash, &secret) {
            (None, None) => true,
            (Some(_), Some(secret)) => client.has_secret(secret),
            _ => false,
        });
        allowed.map(Caller::Registered).ok_or(Problem::InvalidClient { basic })
    }

    async fn client(&self, id: String) -> Result<Option<Arc<Client>>, Problem> {
        let now = self.now();
        if let Some(client) = self.clients.recall(&id, now) {
            return Ok(Some(client));
        }
        let client = self.ask(move |store| store.client(&id)).await?;
        Ok(client.map(|client| self.clients.note(client, now)))
    }

    /// The person of that name and password.
    pub(crate) async fn authenticate_person(
        &self,
        name: &str,
        password: SecretString,
        peer: Option<IpAddr>,
    ) -> Result<User, Problem> {
        let attempt = self.limiter.admit(name, peer, self.now()).map_err(Problem::TooMany)?;
        let wrong = Problem::InvalidGrant(Refused::WrongCredentials);
        if password.expose_secret().len() > password::LONGEST {
            return Err(wrong);
        }
        let wanted = name.to_owned();
        let user = match self.ask(move |store| store.user_named(&wanted)).await {
            Ok(user) => user,
            Err(trouble) => {
                // Our failure, not theirs.
                self.limiter.forgive(attempt);
                return Err(trouble);
            }
        };
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let Ok(right) = self.passwords.check(password, hash).await else {
            self.limiter.forgive(attempt);
            self.metrics.refuse(Refusal::Passwords);
            return Err(Problem::Busy);
        };
        match user {
            Some(user) if right => {
                self.limiter.forgive(attempt);
                Ok(user)
            }
            _ => {
                tracing::info!(outcome = %"wrong_credentials", "sign-in");
                Err(wrong)
            }
        }
    }
}

impl App {
    /// The person of that name and password, with the code of their second factor if they have one: for those who send it
    /// all at once.
    pub(crate) async fn authenticate_wholly(
        &self,
        name: &str,
        password: SecretString,
        totp: Option<&str>,
        peer: Option<IpAddr>,
    ) -> Result<User, Problem> {
        let user = self.authenticate_person(name, password, peer).await?;
        match (&user.totp, totp) {
            (None, _) => Ok(user),
            (Some(_), None) => Err(Problem::InvalidGrant(Refused::TotpRequired)),
            (Some(_), Some(code)) => self.check_second_factor(user, code, peer).await,
        }
    }

    /// The person after a code of their second factor, which counts once. Those who have none pass.
    pub(crate) async fn check_second_factor(
        &self,
        user: User,
        typed: &str,
        peer: Option<IpAddr>,
    ) -> Result<User, Problem> {
        let attempt = self.limiter.admit_second(&user.subject, peer, self.now()).map_err(Problem::TooMany)?;
        let mut user = user;
        // Somebody else may change the person meanwhile: another code of theirs, or a new password.
        for _ in 0..TRIES {
            let keys = self.keys.now();
            let opened = SecondFactor::of(&user, &keys).map_err(|error| {
                tracing::error!(%error, "answering 503");
                Problem::Unavailable
            })?;
            let Some(factor) = opened else {
                self.limiter.forgive(attempt);
                return Ok(user);
            };
            let Some(after) = factor.take(&user, typed, &keys, self.now())? else {
                tracing::info!(outcome = %"wrong_totp", "sign-in");
                return Err(Problem::InvalidGrant(Refused::WrongTotp));
            };
            let (before, becomes) = (user.clone(), after.clone());
            if self.ask(move |store| store.change_user(&before, &becomes)).await? {
                self.limiter.forgive(attempt);
                return Ok(after);
            }
            let subject = user.subject.clone();
            let read = self.ask(move |store| store.user(&subject)).await?;
            user = read.ok_or(Problem::InvalidGrant(Refused::WrongTotp))?;
        }
        Err(Problem::Unavailable)
    }
}

fn credentials(headers: &HeaderMap, params: &Params) -> Result<(String, Option<SecretString>, bool), Problem> {
    let in_form = (params.owned("client_id"), params.secret("client_secret"));
    let Some(header) = headers.get(header::AUTHORIZATION) else {
        let (id, secret) = in_form;
        return match (id, secret) {
            (None, Some(_)) => Err(Problem::InvalidRequest("client_secret came without client_id.")),
            (id, secret) => Ok((id.unwrap_or_else(|| FIRST_PARTY.to_owned()), secret, false)),
        };
    };
    let (id, secret) = basic(header.as_bytes()).ok_or(Problem::InvalidClient { basic: true })?;
    // RFC 6749 section 2.3: one method at a time. The bare id may be repeated in the form if it is the same.
    if in_form.1.is_some() || in_form.0.is_some_and(|other| other != id) {
        return Err(Problem::InvalidRequest("The client authenticates in two ways at once."));
    }
    Ok((id, Some(secret), true))
}

/// RFC 6749 section 2.3.1: both parts are form-encoded before they are joined.
fn basic(header: &[u8]) -> Option<(String, SecretString)> {
    let (scheme, encoded) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let joined = Zeroizing::new(STANDARD.decode(encoded.trim_ascii()).ok()?);
    let colon = joined.iter().position(|&byte| byte == b':')?;
    let decode = |part: &[u8]| {
        // A lone value, so that `=` and `&` cannot make more than one of it.
        let escaped = part.iter().all(|byte| !b"=&".contains(byte));
        escaped.then(|| form_urlencoded::parse(part).next().map(|(value, _)| value.into_owned()).unwrap_or_default())
    };
    Some((decode(&joined[..colon])?, SecretString::from(decode(&joined[colon + 1..])?)))
}
