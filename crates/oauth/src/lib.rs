//! OAuth 2.0 and OpenID Connect as pure functions: no I/O, no clock, no async.
//!
//! Every step is a function from what is known to a request, or from an answer to what it proves. Who sends the
//! requests, waits, and keeps the tokens is not this crate's business:
//!
//! ```text
//!  Issuer ──────────▶ discovery_requests ──▶ HttpRequest  ┄┄┄▶ authorization
//!  Service::OAuth ◀── parse_metadata ◀────── HttpResponse ◀┄┄┄ server
//!
//!  Pkce::derive ────▶ AuthorizationRequest::url ┄┄┄▶ browser
//!  code ◀──────────── parse_callback ◀┄┄┄┄┄┄┄┄┄┄┄┄┄┄ loopback redirect
//!
//!  Service ─────────▶ code_request, password_request,
//!                     refresh_request, exchange_request, revoke_request ┄┄▶ authorization
//!  Verdict ◀───────── Service::classify ◀┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄ server
//! ```
//!
//! The heart is [`Service::classify`]: of everything that can come back, only a well-formed `invalid_grant` proves
//! that a grant has ended (promise P1). A time-out, a captive portal or a server in trouble proves nothing.
//!
//! ```
//! use pilotlight_oauth::{Client, HttpResponse, SecretString, Service, Timestamp, Verdict, parse_endpoint};
//!
//! let service = Service::TokenEndpoint { url: parse_endpoint("https://as.example/token")? };
//! let client = Client { id: "desktop".to_owned(), secret: None };
//! let request = service.refresh_request(&client, &SecretString::from("8xLOxBtZp8"), "one-key-per-attempt");
//! assert_eq!(request.url.as_str(), "https://as.example/token");
//!
//! // … somebody sends it, and this comes back:
//! let answer = |status, kind: &str, body: &str| HttpResponse {
//!     status,
//!     content_type: Some(kind.to_owned()),
//!     retry_after: None,
//!     date: None,
//!     body: body.as_bytes().to_vec().into(),
//! };
//! let now = Timestamp::from_secs(1_800_000_000);
//!
//! let granted = answer(200, "application/json", r#"{"access_token":"eyJ","token_type":"Bearer","expires_in":300}"#);
//! let Verdict::Granted(tokens) = service.classify(&granted, now) else { panic!("granted") };
//! assert_eq!(tokens.access_expires_at, Some(Timestamp::from_secs(1_800_000_300)));
//!
//! let refused = answer(400, "application/json", r#"{"error":"invalid_grant"}"#);
//! assert!(matches!(service.classify(&refused, now), Verdict::InvalidGrant(_)));
//!
//! let portal = answer(400, "text/html", r#"{"error":"invalid_grant"}"#);
//! assert!(matches!(service.classify(&portal, now), Verdict::Misbehaved { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Requests and answers carry secrets as [`SecretString`]s: redacted in `Debug`, wiped on drop, and written into
//! buffers that never move.

mod authorize;
mod client;
mod device;
mod devices;
mod discovery;
mod encoding;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod id_token;
mod json;
mod pkce;
mod scope;
mod service;
mod time;
mod verdict;
mod words;

pub use authorize::{AuthorizationRequest, CallbackError, parse_callback};
pub use client::Client;
pub use device::{DeviceCode, DeviceVerdict, parse_device_code};
pub use devices::{Device, EndDevices, parse_devices, parse_ended};
pub use discovery::{DiscoveryError, Issuer, Metadata, discovery_requests, parse_endpoint, parse_metadata};
pub use http::{HttpRequest, HttpResponse, Method};
pub use id_token::{IdTokenError, Person, jwt_expiry, parse_userinfo, read_id_token};
pub use pkce::Pkce;
pub use scope::Scope;
pub use secrecy::{ExposeSecret, SecretString};
pub use service::{PlainJson, Service};
pub use time::{Timestamp, http_date, retry_after};
pub use verdict::{Refusal, Tokens, Verdict};
pub use words::is_unprintable;
