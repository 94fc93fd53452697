//! One service, as we speak to it: the requests of RFC 6749 and of the plain JSON dialect.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::verdict::{Dialect, classify};
use crate::{Client, HttpRequest, HttpResponse, Metadata, Method, Scope, Timestamp, Verdict, encoding};

/// The grant type of RFC 8628 section 3.4.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A home-made service: `POST login_url {username, password}` and `POST refresh_url {refresh_token}`, both answering
/// `{access_token, refresh_token[, expires_in]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainJson {
    /// Takes `{username, password}`.
    pub login_url: Url,
    /// Takes `{refresh_token}`.
    pub refresh_url: Url,
}

/// Where a service is and which dialect it speaks. Kept inside the sealed record, never beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "dialect", rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "there is one of these for each account, and hardly one that moves")]
pub enum Service {
    /// A server with metadata (RFC 8414 / OpenID Connect Discovery).
    #[serde(rename = "oauth")]
    OAuth(Metadata),
    /// A server known only by its token endpoint.
    TokenEndpoint {
        /// `token_endpoint`.
        url: Url,
    },
    /// A home-made service.
    PlainJson(PlainJson),
}

impl Service {
    /// What identifies the service to a person: the issuer, or the origin of its token or login URL.
    #[must_use]
    pub fn identifier(&self) -> String {
        match self {
            Self::OAuth(metadata) => metadata.issuer.as_str().to_owned(),
            Self::TokenEndpoint { url } => url.origin().ascii_serialization(),
            Self::PlainJson(plain) => plain.login_url.origin().ascii_serialization(),
        }
    }

    /// RFC 6749 section 4.3 (resource owner password credentials), or the dialect's login.
    #[must_use]
    pub fn password_request(
        &self,
        client: &Client,
        username: &str,
        password: &SecretString,
        scope: &Scope,
    ) -> HttpRequest {
        let password = password.expose_secret();
        let token_endpoint = match self.wire() {
            Wire::Form(token_endpoint) => token_endpoint,
            Wire::Json(plain) => {
                return json_request(&plain.login_url, &[("username", username), ("password", password)], None);
            }
        };
        let scope = scope.to_string();
        let mut pairs = vec![("grant_type", "password"), ("username", username), ("password", password)];
        if !scope.is_empty() {
            pairs.push(("scope", &scope));
        }
        token_endpoint.request(client, pairs, None)
    }

    /// RFC 6749 section 4.1.3 with RFC 7636 section 4.5. `None` where the dialect has no code flow.
    #[must_use]
    pub fn code_request(
        &self,
        client: &Client,
        code: &SecretString,
        redirect_uri: &str,
        verifier: &SecretString,
    ) -> Option<HttpRequest> {
        let Wire::Form(token_endpoint) = self.wire() else { return None };
        let pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier.expose_secret()),
        ];
        Some(token_endpoint.request(client, pairs, None))
    }

    /// Asks for a code that a person types into a browser elsewhere (RFC 8628 section 3.1). `None` where the service has no
    /// device authorization endpoint.
    #[must_use]
    pub fn device_request(&self, client: &Client, scope: &Scope) -> Option<HttpRequest> {
        let Self::OAuth(metadata) = self else { return None };
        let url = metadata.device_authorization_endpoint.as_ref()?;
        let scope = scope.to_string();
        let pairs = if scope.is_empty() { vec![] } else { vec![("scope", scope.as_str())] };
        Some(FormEndpoint { url, secret_in_form: metadata.secret_in_form }.request(client, pairs, None))
    }

    /// Asks whether the person has decided (RFC 8628 section 3.4). `None` where the dialect has no device flow.
    #[must_use]
    pub fn device_token_request(&self, client: &Client, device_code: &SecretString) -> Option<HttpRequest> {
        let Wire::Form(token_endpoint) = self.wire() else { return None };
        let pairs = vec![("grant_type", DEVICE_CODE), ("device_code", device_code.expose_secret())];
        Some(token_endpoint.request(client, pairs, None))
    }

    /// RFC 6749 section 6. The key goes into the header `Idempotency-Key` (P9), which servers that do not know it ignore.
    #[must_use]
    pub fn refresh_request(&self, client: &Client, refresh_token: &SecretString, idempotency_key: &str) -> HttpRequest {
        let refresh_token = refresh_token.expose_secret();
        let key = Some(idempotency_key.to_owned());
        match self.wire() {
            Wire::Form(token_endpoint) => {
                let pairs = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
                token_endpoint.request(client, pairs, key)
            }
            Wire::Json(plain) => json_request(&plain.refresh_url, &[("refresh_token", refresh_token)], key),
        }
    }

    /// RFC 8693 section 2.1: asks for an access token with no more than `scope` (empty: all of it) and for `audience` alone
    /// (`None`: for whom the token that is given is for). `None` where the dialect has no token exchange. Whether the service
    /// offers it, and to this client, its answer tells: read it with [`Self::classify_exchange`].
    #[must_use]
    pub fn exchange_request(
        &self,
        client: &Client,
        access_token: &SecretString,
        audience: Option<&str>,
        scope: &Scope,
    ) -> Option<HttpRequest> {
        let Wire::Form(token_endpoint) = self.wire() else { return None };
        let scope = scope.to_string();
        let mut pairs = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", access_token.expose_secret()),
            ("subject_token_type", ACCESS_TOKEN_TYPE),
            ("requested_token_type", ACCESS_TOKEN_TYPE),
        ];
        pairs.extend(audience.map(|audience| ("audience", audience)));
        if !scope.is_empty() {
            pairs.push(("scope", &scope));
        }
        Some(token_endpoint.request(client, pairs, None))
    }

    /// RFC 7009 section 2.1, for the refresh token. `None` where the service has no revocation endpoint.
    #[must_use]
    pub fn revoke_request(&self, client: &Client, refresh_token: &SecretString) -> Option<HttpRequest> {
        let Self::OAuth(metadata) = self else { return None };
        let pairs = vec![("token", refresh_token.expose_secret()), ("token_type_hint", "refresh_token")];
        let endpoint =
            FormEndpoint { url: metadata.revocation_endpoint.as_ref()?, secret_in_form: metadata.secret_in_form };
        Some(endpoint.request(client, pairs, None))
    }

    /// OpenID Connect Core section 5.3. `None` where the service has no userinfo endpoint.
    #[must_use]
    pub fn userinfo_request(&self, access_token: &SecretString) -> Option<HttpRequest> {
        let Self::OAuth(metadata) = self else { return None };
        Some(HttpRequest {
            method: Method::Get,
            url: metadata.userinfo_endpoint.clone()?,
            content_type: None,
            authorization: Some(encoding::bearer(access_token.expose_secret())),
            idempotency_key: None,
            body: None,
        })
    }

    /// Sorts the answer to any token request into what the caller may conclude from it (P1).
    ///
    /// After a password or code request, [`Verdict::InvalidGrant`] means a wrong user name, password or code.
    #[must_use]
    pub fn classify(&self, response: &HttpResponse, received_at: Timestamp) -> Verdict {
        let dialect = match self.wire() {
            Wire::Form(_) => Dialect::OAuth,
            Wire::Json(_) => Dialect::PlainJson,
        };
        classify(dialect, response, received_at)
    }

    /// The same for the answer to [`Self::exchange_request`]. No refresh token was spent, so no answer can end the grant: what
    /// would be [`Verdict::InvalidGrant`] is [`Verdict::Refused`] here. A refresh token in the answer is nothing that was
    /// asked for, and is dropped.
    #[must_use]
    pub fn classify_exchange(&self, response: &HttpResponse, received_at: Timestamp) -> Verdict {
        match self.classify(response, received_at) {
            Verdict::InvalidGrant(refusal) => Verdict::Refused(refusal),
            Verdict::Granted(mut tokens) => {
                tokens.refresh_token = None;
                tokens.refresh_expires_at = None;
                Verdict::Granted(tokens)
            }
            other => other,
        }
    }

    fn wire(&self) -> Wire<'_> {
        match self {
            Self::OAuth(metadata) => {
                Wire::Form(FormEndpoint { url: &metadata.token_endpoint, secret_in_form: metadata.secret_in_form })
            }
            Self::TokenEndpoint { url } => Wire::Form(FormEndpoint { url, secret_in_form: false }),
            Self::PlainJson(plain) => Wire::Json(plain),
        }
    }
}

/// RFC 8693 section 3.
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";

/// How a token request is written.
enum Wire<'a> {
    Form(FormEndpoint<'a>),
    Json(&'a PlainJson),
}

/// An endpoint that takes forms and authenticates clients.
struct FormEndpoint<'a> {
    url: &'a Url,
    secret_in_form: bool,
}

impl FormEndpoint<'_> {
    /// Adds the client to the form: RFC 6749 section 2.3.1 where it has a secret, section 3.2.1 where it has none. A
    /// client is named in one place only (section 2.3).
    fn request<'v>(
        &self,
        client: &'v Client,
        mut pairs: Vec<(&'v str, &'v str)>,
        idempotency_key: Option<String>,
    ) -> HttpRequest {
        let secret = client.secret.as_ref().map(ExposeSecret::expose_secret);
        let authorization = match secret {
            Some(secret) if !self.secret_in_form => Some(encoding::basic(&client.id, secret)),
            _ => {
                // A service known by its token endpoint alone may know no clients.
                if !client.id.is_empty() {
                    pairs.push(("client_id", &client.id));
                }
                pairs.extend(secret.map(|secret| ("client_secret", secret)));
                None
            }
        };
        HttpRequest {
            method: Method::Post,
            url: self.url.clone(),
            content_type: Some("application/x-www-form-urlencoded"),
            authorization,
            idempotency_key,
            body: Some(encoding::form(&pairs)),
        }
    }
}

fn json_request(url: &Url, members: &[(&str, &str)], idempotency_key: Option<String>) -> HttpRequest {
    HttpRequest {
        method: Method::Post,
        url: url.clone(),
        content_type: Some("application/json"),
        authorization: None,
        idempotency_key,
        body: Some(encoding::json_object(members)),
    }
}
