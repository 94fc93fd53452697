//! Signing in, as the window asks for it and hears of it.

use pilotlight::parts::{DeviceInvitation, DeviceProgress, DeviceWatcher};
use pilotlight::presets::{ClientSecret, Flow, Place, Preset, Words, preset};
use pilotlight::redirect::Redirect;
use pilotlight::values::PlainJson;
use pilotlight::{Client, ErrorCode, Registration, Scope, ServiceLocation, SignIn};
use qrcode::{Color, EcLevel, QrCode};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use url::Url;

use crate::view::{Password, Problem};

/// What the sign-in form sends. Password and client secret go one way only: in.
#[derive(Deserialize, TS)]
#[ts(export)]
pub struct SignInRequest {
    /// The account's name; unique.
    pub name: String,
    /// Where.
    pub place: PlaceRequest,
    /// Our client there.
    pub client_id: String,
    /// Its secret, where the service wants one.
    pub client_secret: Option<Password>,
    /// Space-separated scope.
    pub scope: String,
    /// How.
    pub with: SignInWith,
}

/// Where to sign in.
#[derive(Deserialize, TS)]
#[ts(export)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PlaceRequest {
    /// A service with metadata.
    Issuer {
        /// The issuer.
        issuer: String,
    },
    /// A preset whose endpoints are known.
    Declared {
        /// The preset.
        preset: String,
    },
    /// A home-made service.
    PlainJson {
        /// Takes user name and password.
        login_url: String,
        /// Takes the refresh token.
        refresh_url: String,
    },
}

/// How to sign in.
#[derive(Deserialize, TS)]
#[ts(export)]
#[serde(tag = "flow", rename_all = "kebab-case")]
pub enum SignInWith {
    /// In the system's browser.
    Browser {
        /// How the browser comes back; where nothing is said as it did before, or to a loopback address.
        #[serde(default)]
        #[ts(optional, type = "\"loopback\" | \"scheme\"")]
        redirect: Option<Redirect>,
    },
    /// By a code that is typed into a browser anywhere (RFC 8628).
    Device,
    /// By user name and password (RFC 6749 section 4.3; for services that still offer it).
    Password {
        /// User name.
        username: String,
        /// Password.
        password: Password,
    },
}

/// What a person has to be shown who signs in by a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct InvitationView {
    /// What to type.
    pub user_code: String,
    /// Where to type it.
    pub verification_uri: String,
    /// Until when.
    #[ts(type = "number")]
    pub expires_at_ms: i64,
    /// The address, the code in it where the service has such a one, as a picture.
    pub picture: Option<Picture>,
}

/// A QR code (ISO/IEC 18004) as a path of SVG: one unit square for each dark module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct Picture {
    /// How many modules a side has, without a margin.
    pub side: usize,
    /// `d` of the path.
    pub path: String,
}

/// A well-known service, for the form.
#[derive(Debug, Clone, Serialize, TS)]
#[ts(export)]
pub struct PresetView {
    /// Stable.
    pub id: String,
    /// As the service calls itself.
    pub name: String,
    /// Where it is.
    pub place: PresetPlace,
    /// What to ask for, space-separated.
    pub scope: String,
    /// The ways in, the one to try first at the front.
    #[ts(type = "(\"browser\" | \"device\" | \"password\")[]")]
    pub flows: Vec<Flow>,
    /// Whether it wants a client secret.
    #[ts(type = "\"none\" | \"for-browser\" | \"always\"")]
    pub secret: ClientSecret,
    /// Where a client is registered.
    pub register: Option<String>,
    /// How to register a client.
    #[ts(type = "{ en: string, zh: string }")]
    pub setup: Words,
    /// What to expect of its tokens.
    #[ts(type = "{ en: string, zh: string }")]
    pub about: Words,
}

/// Where a well-known service is, as far as the form has to know.
#[derive(Debug, Clone, Serialize, TS)]
#[ts(export)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PresetPlace {
    /// At an issuer.
    Issuer {
        /// The one that most people mean.
        issuer: String,
        /// Whether there are others, so that it can be changed.
        own: bool,
    },
    /// At endpoints that are known.
    Declared {
        /// What identifies the service.
        issuer: String,
    },
    /// At two addresses that the person knows.
    PlainJson,
}

impl SignInRequest {
    /// What the core is asked for. `told` hears what to show for [`SignInWith::Device`].
    pub(crate) fn into_parts(
        self,
        told: impl Fn(InvitationView) + Send + Sync + 'static,
    ) -> Result<(Registration, SignIn), Problem> {
        let secret = self.client_secret.filter(|secret| !secret.is_empty()).map(|secret| secret.0);
        let registration = Registration {
            name: self.name,
            service: self.place.location()?,
            client: Client { id: self.client_id, secret },
            scope: Scope::parse(&self.scope),
        };
        Ok((registration, self.with.into_way(told)))
    }
}

impl PlaceRequest {
    fn location(self) -> Result<ServiceLocation, Problem> {
        match self {
            Self::Issuer { issuer } => Ok(ServiceLocation::Issuer(issuer)),
            Self::Declared { preset: id } => match preset(&id).map(|preset| &preset.place) {
                Some(Place::Declared { service }) => Ok(ServiceLocation::Declared(Box::new(service.clone()))),
                _ => Err(Problem::new(ErrorCode::BadInput, "There is no such service among the known ones.")),
            },
            Self::PlainJson { login_url, refresh_url } => Ok(ServiceLocation::PlainJson(PlainJson {
                login_url: address(&login_url)?,
                refresh_url: address(&refresh_url)?,
            })),
        }
    }
}

fn address(text: &str) -> Result<Url, Problem> {
    Url::parse(text).map_err(|_| Problem::new(ErrorCode::BadInput, "An address of the service cannot be read."))
}

impl SignInWith {
    /// What the core is asked for. `told` hears what to show for [`Self::Device`].
    pub(crate) fn into_way(self, told: impl Fn(InvitationView) + Send + Sync + 'static) -> SignIn {
        match self {
            Self::Browser { redirect } => redirect.map_or(SignIn::Browser, SignIn::BrowserBy),
            Self::Device => SignIn::Device(DeviceWatcher::new(move |progress| {
                if let DeviceProgress::Invited(invitation) = progress {
                    told(InvitationView::from(invitation));
                }
            })),
            Self::Password { username, password } => SignIn::Password { username, password: password.0 },
        }
    }
}

impl From<DeviceInvitation> for InvitationView {
    fn from(invitation: DeviceInvitation) -> Self {
        let DeviceInvitation { user_code, verification_uri, verification_uri_complete, expires_at, .. } = invitation;
        let pictured = verification_uri_complete.as_ref().unwrap_or(&verification_uri);
        let picture = Picture::of(pictured.as_str());
        Self { user_code, verification_uri: verification_uri.into(), expires_at_ms: expires_at.as_millis(), picture }
    }
}

impl Picture {
    /// `None` where the text is too long for any.
    fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let side = code.width();
        let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
        let path = dark.map(|(at, _)| format!("M{} {}h1v1h-1z", at % side, at / side)).collect();
        Some(Self { side, path })
    }
}

impl From<&Preset> for PresetView {
    fn from(preset: &Preset) -> Self {
        let place = match &preset.place {
            Place::Issuer { issuer, own } => PresetPlace::Issuer { issuer: issuer.as_str().to_owned(), own: *own },
            Place::Declared { service } => PresetPlace::Declared { issuer: service.identifier() },
            Place::PlainJson => PresetPlace::PlainJson,
        };
        Self {
            id: preset.id.clone(),
            name: preset.name.clone(),
            place,
            scope: preset.scope.clone(),
            flows: preset.flows.clone(),
            secret: preset.secret,
            register: preset.register.as_ref().map(ToString::to_string),
            setup: preset.setup.clone(),
            about: preset.about.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pilotlight::presets::presets;
    use pilotlight::values::Timestamp;
    use serde_json::json;

    use super::*;

    fn parts(place: serde_json::Value) -> Result<(Registration, SignIn), Problem> {
        let request = json!({"name": "work", "place": place, "client_id": "app", "client_secret": "s3cret", "scope": "repo",
            "with": {"flow": "device"}});
        serde_json::from_value::<SignInRequest>(request).unwrap().into_parts(|_| ())
    }

    #[test]
    fn a_preset_with_endpoints_is_signed_in_to_without_discovery() {
        let (registration, with) = parts(json!({"kind": "declared", "preset": "github"})).unwrap();
        let ServiceLocation::Declared(service) = registration.service else { panic!("{registration:?}") };
        assert_eq!(service.identifier(), "https://github.com");
        assert!(registration.client.secret.is_some() && matches!(with, SignIn::Device(_)));
    }

    #[test]
    fn a_browser_comes_back_as_the_form_says_and_otherwise_as_before() {
        let way = |with: serde_json::Value| serde_json::from_value::<SignInWith>(with).unwrap().into_way(|_| ());
        assert!(matches!(way(json!({"flow": "browser"})), SignIn::Browser));
        let chosen = way(json!({"flow": "browser", "redirect": "scheme"}));
        assert!(matches!(chosen, SignIn::BrowserBy(Redirect::Scheme)));
        assert!(serde_json::from_value::<SignInWith>(json!({"flow": "browser", "redirect": "https://x"})).is_err());
    }

    #[test]
    fn a_preset_that_has_no_endpoints_or_does_not_exist_is_refused() {
        for id in ["gitlab", "plain-json", "nowhere", ""] {
            let problem = parts(json!({"kind": "declared", "preset": id})).unwrap_err();
            assert_eq!(problem.code, "bad_input", "{id}");
        }
        let urls = json!({"kind": "plain-json", "login_url": "nonsense", "refresh_url": "https://id.example/refresh"});
        assert_eq!(parts(urls).unwrap_err().code, "bad_input");
    }

    #[test]
    fn every_preset_has_a_view_whose_flows_have_the_windows_words() {
        for preset in presets() {
            let view = serde_json::to_value(PresetView::from(preset)).unwrap();
            for flow in view["flows"].as_array().unwrap() {
                assert!(["browser", "device", "password"].contains(&flow.as_str().unwrap()), "{view}");
            }
            assert!(view["setup"]["zh"].is_string() && view["place"]["kind"].is_string(), "{view}");
        }
    }

    #[test]
    fn an_invitation_is_shown_with_the_picture_of_its_address() {
        let invitation = DeviceInvitation {
            user_code: "WDJB-MJHT".into(),
            verification_uri: "https://as.example/d".parse().unwrap(),
            verification_uri_complete: Some("https://as.example/d?code=WDJB-MJHT".parse().unwrap()),
            expires_at: Timestamp::from_secs(600),
            expires_in: Duration::from_secs(600),
        };
        let view = InvitationView::from(invitation);
        assert_eq!((view.verification_uri.as_str(), view.expires_at_ms), ("https://as.example/d", 600_000));
        let picture = view.picture.unwrap();
        assert_eq!(picture, Picture::of("https://as.example/d?code=WDJB-MJHT").unwrap());
        // The corner of the finder pattern: seven dark modules, and a light one.
        assert!(picture.path.starts_with("M0 0h1v1h-1zM1 0h1v1h-1z") && !picture.path.contains("M7 0h"), "{picture:?}");
        assert_eq!(Picture::of(&"x".repeat(5000)), None);
    }
}
