//! Well-known services: where they are, what they need, and what becomes of a refresh token there.
//!
//! Each is a file in `presets/`, written from the service's own documentation. None of them brings a client id: people
//! register a client of their own, so that no secret is shared and nobody else's limits count.

use std::sync::LazyLock;

use pilotlight_oauth::{Issuer, Service};
use serde::{Deserialize, Serialize};
use url::Url;

/// The presets' files, in the order in which they are offered.
const FILES: [&str; 6] = [
    include_str!("../presets/github.json"),
    include_str!("../presets/gitlab.json"),
    include_str!("../presets/google.json"),
    include_str!("../presets/microsoft.json"),
    include_str!("../presets/codeberg.json"),
    include_str!("../presets/plain-json.json"),
];

/// One well-known service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Stable: lower case, digits and hyphens.
    pub id: String,
    /// As the service calls itself.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// What to ask for, space-separated.
    pub scope: String,
    /// The ways in that it offers, the one to try first at the front.
    pub flows: Vec<Flow>,
    /// Whether it wants a client secret.
    pub secret: ClientSecret,
    /// Where a client is registered.
    pub register: Option<Url>,
    /// What becomes of a refresh token.
    pub refresh: Refreshing,
    /// How to register a client, for people.
    pub setup: Words,
    /// What to expect of its tokens, for people.
    pub about: Words,
    /// Where the service says so.
    pub sources: Vec<Url>,
}

/// Where a service is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "there are as many as there are files")]
pub enum Place {
    /// An issuer with metadata.
    Issuer {
        /// The issuer that most people mean.
        issuer: Issuer,
        /// Whether people run this service themselves, at other addresses.
        own: bool,
    },
    /// A service without metadata, or with metadata that do not say enough.
    Declared {
        /// Its endpoints.
        service: Service,
    },
    /// A home-made service, whose two addresses the person knows.
    PlainJson,
}

/// A way to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// [`SignIn::Browser`](crate::SignIn::Browser).
    Browser,
    /// [`SignIn::Device`](crate::SignIn::Device).
    Device,
    /// [`SignIn::Password`](crate::SignIn::Password).
    Password,
}

/// Whether a service wants a client secret of an app on a person's computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientSecret {
    /// No.
    None,
    /// For [`Flow::Browser`] alone.
    ForBrowser,
    /// Always.
    Always,
}

/// What becomes of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refreshing {
    /// Whether a refresh brings another one.
    pub rotates: bool,
    /// How many days it lives unused, where the service says so.
    pub idle_days: Option<u32>,
}

/// The same in each language of the app.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// English.
    pub en: String,
    /// Simplified Chinese.
    pub zh: String,
}

/// All presets, in the order in which they are offered.
#[must_use]
pub fn presets() -> &'static [Preset] {
    static PRESETS: LazyLock<Vec<Preset>> =
        LazyLock::new(|| FILES.iter().filter_map(|text| serde_json::from_str(text).ok()).collect());
    &PRESETS
}

/// The preset of that id.
#[must_use]
pub fn preset(id: &str) -> Option<&'static Preset> {
    presets().iter().find(|preset| preset.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use pilotlight_oauth::parse_endpoint;

    use super::*;

    #[test]
    fn every_file_is_a_preset_and_every_preset_is_offered() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("presets");
        let files: BTreeSet<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
            .collect();
        for (id, text) in &files {
            let preset: Preset = serde_json::from_str(text).unwrap_or_else(|error| panic!("{id}: {error}"));
            assert_eq!(preset.id, *id);
        }
        let offered: BTreeSet<_> = presets().iter().map(|preset| preset.id.clone()).collect();
        assert_eq!(offered, files.into_iter().map(|(id, _)| id).collect());
    }

    #[test]
    fn a_preset_says_all_that_a_person_needs_and_only_over_https() {
        for preset in presets() {
            let id = &preset.id;
            assert!(!preset.flows.is_empty(), "{id}");
            for words in [&preset.setup, &preset.about] {
                assert!(words.en.ends_with('.') && words.zh.ends_with('。'), "{id}: {words:?}");
            }
            let pages = preset.register.iter().chain(&preset.sources);
            assert!(pages.into_iter().all(|page| page.scheme() == "https"), "{id}");
            let at_home = matches!(preset.place, Place::PlainJson);
            assert_eq!((preset.register.is_none(), preset.sources.is_empty()), (at_home, at_home), "{id}");
        }
    }

    #[test]
    fn a_preset_offers_only_what_its_endpoints_can_do() {
        for preset in presets() {
            match &preset.place {
                Place::Declared { service: Service::OAuth(metadata) } => {
                    let known = [&metadata.authorization_endpoint, &metadata.device_authorization_endpoint];
                    for endpoint in known.into_iter().flatten().chain([&metadata.token_endpoint]) {
                        assert!(parse_endpoint(endpoint.as_str()).is_ok(), "{endpoint}");
                    }
                    for flow in &preset.flows {
                        let can = match flow {
                            Flow::Browser => metadata.authorization_endpoint.is_some(),
                            Flow::Device => metadata.device_authorization_endpoint.is_some(),
                            Flow::Password => false,
                        };
                        assert!(can, "{}: {flow:?}", preset.id);
                    }
                }
                Place::Declared { service } => panic!("{}: {service:?}", preset.id),
                Place::Issuer { .. } => assert!(!preset.flows.contains(&Flow::Password), "{}", preset.id),
                Place::PlainJson => assert_eq!(preset.flows, [Flow::Password]),
            }
        }
    }
}
