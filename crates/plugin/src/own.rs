//! The plugin for an app that has no core of its own making: a home and a keystore's entry by the app's identifier.

use pilotlight::{Config, Pilotlight};
use serde::Deserialize;
use tauri::Runtime;
use tauri::plugin::TauriPlugin;

use crate::view::ServiceView;

/// `plugins.pilotlight` of `tauri.conf.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Services to offer, after those that the program offers itself.
    #[serde(default)]
    pub(crate) services: Vec<ServiceSettings>,
}

/// One service of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ServiceSettings {
    name: String,
    issuer: String,
    client_id: String,
    scope: String,
}

impl From<ServiceSettings> for ServiceView {
    fn from(settings: ServiceSettings) -> Self {
        let ServiceSettings { name, issuer, client_id, scope } = settings;
        Self { name, issuer, client_id, scope }
    }
}

/// Makes the plugin for an app: its accounts are its own, kept apart from those of every other app by its identifier.
#[derive(Default)]
pub struct Builder {
    pilotlight: Option<Pilotlight>,
    services: Vec<ServiceView>,
}

impl Builder {
    /// Nothing is offered yet, and everything is the system's own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Offers a service: a name to show, its issuer, the app's client id there, and the scope to ask for, separated by spaces.
    #[must_use]
    pub fn service(mut self, name: &str, issuer: &str, client_id: &str, scope: &str) -> Self {
        self.services.push(ServiceView {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            scope: scope.to_owned(),
        });
        self
    }

    /// Uses a core that was made elsewhere, and with it that core's vault.
    #[must_use]
    pub fn pilotlight(mut self, pilotlight: Pilotlight) -> Self {
        self.pilotlight = Some(pilotlight);
        self
    }

    /// The plugin. An app whose identifier cannot name a folder does not start.
    #[must_use]
    pub fn build<R: Runtime>(self) -> TauriPlugin<R, Option<Settings>> {
        let Self { pilotlight, services } = self;
        crate::plugin(services, move |identifier| match pilotlight {
            Some(pilotlight) => Ok(pilotlight),
            None => Config::of_app(identifier).map(Pilotlight::new),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_an_app_name_services_and_nothing_unknown() {
        let text =
            r#"{"services":[{"name":"Work","issuer":"https://id.example.com","clientId":"app","scope":"openid"}]}"#;
        let settings: Option<Settings> = serde_json::from_str(text).unwrap();
        let services: Vec<ServiceView> = settings.unwrap().services.into_iter().map(ServiceView::from).collect();
        assert_eq!((services[0].client_id.as_str(), services[0].scope.as_str()), ("app", "openid"));
        assert!(serde_json::from_str::<Option<Settings>>("null").unwrap().is_none());
        assert!(serde_json::from_str::<Settings>(r#"{"servces":[]}"#).is_err());
    }
}
