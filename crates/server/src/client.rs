//! Clients: programs that people sign in to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_oauth::Scope;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::{Host, Url};

use crate::issue::SCOPES;
use crate::resource::is_resource;
use crate::system::{NoEntropy, make_random};

/// The client that `POST /login` signs people in to: the operator's own programs. It needs no registration.
pub const FIRST_PARTY: &str = "first-party";

/// The client of a grant that is a person's sign-in to the pages of this server, in one browser. No client can have this id,
/// and no token of such a grant is ever made.
pub const BROWSER: &str = "@browser";

/// How the text of a secret's hash begins.
const SHA256: &str = "sha256:";

/// What a configuration file may have in place of a client's secret.
///
/// # Errors
/// [`BadClient::ShortSecret`]: no slow hash would protect it.
pub fn hash_secret(secret: &SecretString) -> Result<String, BadClient> {
    if secret.expose_secret().len() < 32 {
        return Err(BadClient::ShortSecret);
    }
    Ok(format!("{SHA256}{}", URL_SAFE_NO_PAD.encode(Sha256::digest(secret.expose_secret()))))
}

/// A registered client, RFC 6749 section 2.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// The name people read on the consent page.
    pub name: String,
    /// Where answers may be sent.
    pub redirect_uris: Vec<String>,
    /// SHA-256 of the secret of a confidential client. The secret is random and long, so that no slow hash is needed.
    pub secret_hash: Option<[u8; 32]>,
    /// What it may do in its own name, with no person behind it (RFC 6749 section 4.4); `None`: nothing.
    pub own_scope: Option<Scope>,
    /// The resource servers that it may ask tokens for, beside this server itself (RFC 8707).
    pub resources: Vec<String>,
    /// Where a browser may be sent after it was signed out (OpenID Connect RP-Initiated Logout 1.0 section 3.1).
    pub post_logout_redirect_uris: Vec<String>,
    /// What the operator has set for it.
    pub settings: Vec<Setting>,
}

/// Something that an operator sets for one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// It may ask for sign-in on another device, RFC 8628.
    Device,
    /// It may introspect the access tokens of every client, as resource servers do (RFC 7662 section 2.1).
    IntrospectAny,
    /// It must push its authorization requests, RFC 9126 section 6.
    PushedOnly,
    /// It registered itself (RFC 7591): nobody here has looked at it.
    Registered,
    /// It must prove to have a key with every request for tokens (RFC 9449 section 5.2, `dpop_bound_access_tokens`).
    DpopRequired,
    /// It may exchange its access tokens for narrower ones, RFC 8693.
    Exchange,
}

const SETTINGS: [Setting; 6] = [
    Setting::Device,
    Setting::IntrospectAny,
    Setting::PushedOnly,
    Setting::DpopRequired,
    Setting::Registered,
    Setting::Exchange,
];

impl Setting {
    /// The word for stores.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::IntrospectAny => "introspect_any",
            Self::PushedOnly => "pushed_only",
            Self::Registered => "registered",
            Self::DpopRequired => "dpop_required",
            Self::Exchange => "exchange",
        }
    }

    /// Reads [`Self::as_str`].
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        SETTINGS.into_iter().find(|setting| setting.as_str() == word)
    }

    /// One text for all of them, as stores keep it.
    pub(crate) fn join(settings: &[Self]) -> String {
        settings.iter().map(|setting| setting.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Reads [`Self::join`]; `None` where a word is not known.
    pub(crate) fn split(text: &str) -> Option<Vec<Self>> {
        text.split_ascii_whitespace().map(Self::from_word).collect()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("redirect_uris", &self.redirect_uris)
            .finish_non_exhaustive()
    }
}

/// Why a client cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadClient {
    /// The id is empty, too long, or has characters that do not survive every place it stands in.
    #[error("a client id has 1 to 100 letters, digits, `-`, `_` or `.`")]
    Id,
    /// The id is the server's own.
    #[error("`{FIRST_PARTY}` is the server's own client")]
    Reserved,
    /// The id looks like the `sub` of a person (RFC 9700 section 4.15).
    #[error("a client id of 32 hexadecimal digits could be taken for a person")]
    LikePerson,
    /// Its own scope names one that is about a person.
    #[error("a client's own scope cannot have {0}: that is about a person")]
    OwnScope(String),
    /// It has no secret, and what is asked for it needs one.
    #[error("only a confidential client may act in its own name or introspect tokens")]
    NeedsSecret,
    /// A secret that could be guessed.
    #[error("a client's secret has at least 32 characters, all random")]
    ShortSecret,
    /// That is no hash of a secret.
    #[error("that is no hash of a client's secret, as sha256:…")]
    BadHash,
    /// A resource that is no absolute URI.
    #[error("`{0}` is no resource: write an absolute URI without a fragment, as in https://api.example.com/v1")]
    Resource(String),
    /// A redirect URI that is unsafe.
    #[error(
        "`{0}` is no safe redirect URI: use https, http to 127.0.0.1 or [::1], or a private scheme like com.example.app:/callback; no fragment"
    )]
    RedirectUri(String),
}

impl Client {
    /// A public client (a native app: it cannot keep a secret, RFC 8252 section 8.5).
    ///
    /// # Errors
    /// [`BadClient`].
    pub fn public(id: &str, redirect_uris: Vec<String>) -> Result<Self, BadClient> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if id.is_empty() || id.len() > 100 || !id.chars().all(plain) {
            return Err(BadClient::Id);
        }
        if id == FIRST_PARTY {
            return Err(BadClient::Reserved);
        }
        if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadClient::LikePerson);
        }
        if let Some(unsafe_uri) = redirect_uris.iter().find(|uri| !is_safe(uri)) {
            return Err(BadClient::RedirectUri(unsafe_uri.clone()));
        }
        let (id, name) = (id.to_owned(), id.to_owned());
        Ok(Self {
            id,
            name,
            redirect_uris,
            secret_hash: None,
            own_scope: None,
            resources: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            settings: Vec::new(),
        })
    }

    /// Makes it a confidential one; the secret is told this once.
    ///
    /// # Errors
    /// Where the operating system gives no random bytes.
    pub fn make_secret(&mut self) -> Result<SecretString, NoEntropy> {
        let secret = SecretString::from(format!("plcs_{}", URL_SAFE_NO_PAD.encode(make_random::<32>()?)));
        self.secret_hash = Some(Sha256::digest(secret.expose_secret()).into());
        Ok(secret)
    }

    /// Makes it a confidential one whose secret is known by its hash, as [`hash_secret`] makes it.
    ///
    /// # Errors
    /// [`BadClient::BadHash`].
    pub fn set_secret_hash(&mut self, hash: &str) -> Result<(), BadClient> {
        let bytes = hash.strip_prefix(SHA256).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        self.secret_hash = Some(bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(BadClient::BadHash)?);
        Ok(())
    }

    /// Lets a confidential client ask for tokens in its own name, for as much as `scope`.
    ///
    /// # Errors
    /// [`BadClient::NeedsSecret`], [`BadClient::OwnScope`].
    pub fn allow_own_scope(&mut self, scope: Scope) -> Result<(), BadClient> {
        if self.secret_hash.is_none() {
            return Err(BadClient::NeedsSecret);
        }
        if let Some(of_people) = scope.iter().find(|token| SCOPES.contains(token)) {
            return Err(BadClient::OwnScope(of_people.to_owned()));
        }
        self.own_scope = Some(scope);
        Ok(())
    }

    /// Lets it have a browser sent to these addresses after it was signed out.
    ///
    /// # Errors
    /// [`BadClient::RedirectUri`].
    pub fn allow_returns(&mut self, uris: Vec<String>) -> Result<(), BadClient> {
        if let Some(unsafe_uri) = uris.iter().find(|uri| !is_safe(uri)) {
            return Err(BadClient::RedirectUri(unsafe_uri.clone()));
        }
        self.post_logout_redirect_uris = uris;
        Ok(())
    }

    /// Lets it ask tokens for these resource servers.
    ///
    /// # Errors
    /// [`BadClient::Resource`].
    pub fn allow_resources(&mut self, resources: Vec<String>) -> Result<(), BadClient> {
        if let Some(wrong) = resources.iter().find(|uri| !is_resource(uri)) {
            return Err(BadClient::Resource(wrong.clone()));
        }
        self.resources = resources;
        Ok(())
    }

    /// Sets something for it.
    ///
    /// # Errors
    /// [`BadClient::NeedsSecret`].
    pub fn set(&mut self, setting: Setting) -> Result<(), BadClient> {
        if setting == Setting::IntrospectAny && self.secret_hash.is_none() {
            return Err(BadClient::NeedsSecret);
        }
        if !self.has(setting) {
            self.settings.push(setting);
        }
        Ok(())
    }

    /// Whether that is set for it.
    #[must_use]
    pub fn has(&self, setting: Setting) -> bool {
        self.settings.contains(&setting)
    }

    /// Whether `secret` is the client's.
    pub(crate) fn has_secret(&self, secret: &SecretString) -> bool {
        let presented: [u8; 32] = Sha256::digest(secret.expose_secret()).into();
        self.secret_hash.is_some_and(|hash| hash.ct_eq(&presented).into())
    }

    /// Whether an answer may go to `uri`: exactly as registered, except for the port of a loopback address (RFC 8252
    /// section 7.3, RFC 9700 section 4.1.3).
    #[must_use]
    pub fn allows_redirect(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| registered == uri || same_but_for_port(registered, uri))
    }
}

/// RFC 9700 section 2.6 and RFC 8252 section 8.4: http only to the machine itself, private schemes only in reverse domain form.
fn is_safe(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    if url.fragment().is_some() || !uri.bytes().all(|b| b.is_ascii_graphic()) {
        return false;
    }
    let own_user = !url.username().is_empty() || url.password().is_some();
    match url.scheme() {
        "https" => !own_user,
        "http" => !own_user && is_loopback(&url),
        private => private.contains('.'),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        _ => false,
    }
}

fn same_but_for_port(registered: &str, uri: &str) -> bool {
    let (Some(registered), Some(uri)) = (split_loopback(registered), split_loopback(uri)) else { return false };
    registered == uri
}

/// Host and rest of `http://127.0.0.1:1234/rest`, compared as text so that no normalisation lets something else through.
fn split_loopback(uri: &str) -> Option<(&str, &str)> {
    let after = uri.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]"].into_iter().find(|host| after.starts_with(host))?;
    let rest = &after[host.len()..];
    let rest = match rest.strip_prefix(':') {
        Some(with_port) => {
            let digits = with_port.find(|c: char| !c.is_ascii_digit()).unwrap_or(with_port.len());
            with_port[..digits].parse::<u16>().ok()?;
            &with_port[digits..]
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(uris: &[&str]) -> Client {
        Client::public("app", uris.iter().map(|&uri| uri.to_owned()).collect()).unwrap()
    }

    #[test]
    fn rfc8252_section_7_3_any_port_of_a_loopback_redirect_is_allowed() {
        let client = client(&["http://127.0.0.1/callback", "http://[::1]/callback"]);
        for uri in ["http://127.0.0.1/callback", "http://127.0.0.1:49152/callback", "http://[::1]:1/callback"] {
            assert!(client.allows_redirect(uri), "{uri}");
        }
    }

    #[test]
    fn rfc9700_section_4_1_3_everything_else_of_a_redirect_is_compared_exactly() {
        let client = client(&["http://127.0.0.1/callback", "https://app.example/done"]);
        for uri in [
            "http://127.0.0.1:49152/callback/",
            "http://127.0.0.1:49152/Callback",
            "http://127.0.0.1:49152/callback?x=1",
            "http://127.0.0.1:99999/callback",
            "http://127.0.0.1:/callback",
            "http://127.0.0.1.evil.example/callback",
            "http://127.0.0.1@evil.example/callback",
            "http://127.0.0.1:80@evil.example/callback",
            "http://localhost/callback",
            "http://[::1]/callback",
            "https://127.0.0.1/callback",
            "https://app.example:8443/done",
            "https://app.example/done#x",
            "https://APP.example/done",
            "",
        ] {
            assert!(!client.allows_redirect(uri), "{uri}");
        }
    }

    #[test]
    fn rfc8252_section_8_4_unsafe_redirects_cannot_be_registered() {
        for uri in ["http://app.example/cb", "myapp:/cb", "https://a.example/#f", "javascript:alert(1)", "nonsense"] {
            assert!(Client::public("app", vec![uri.to_owned()]).is_err(), "{uri}");
        }
        assert!(Client::public("app", vec!["com.example.app:/cb".to_owned()]).is_ok());
    }

    #[test]
    fn a_secret_is_recognised_and_another_one_is_not() {
        let mut client = client(&["https://app.example/done"]);
        assert!(!client.has_secret(&SecretString::from("")), "a public client has none");
        let secret = client.make_secret().unwrap();
        assert!(client.has_secret(&secret));
        assert!(!client.has_secret(&SecretString::from("plcs_guess")));
    }
}
