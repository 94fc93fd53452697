//! The grant lifecycle for any Tauri app: sign-in, silent refresh, storage. Tokens stay in Rust (promise P5).
//!
//! ```no_run
//! let app = tauri::Builder::default().plugin(
//!     tauri_plugin_pilotlight::Builder::new()
//!         .service("Work", "https://id.example.com", "my-app", "openid offline_access")
//!         .build(),
//! );
//! # let _: tauri::Builder<tauri::Wry> = app;
//! ```
//!
//! The webview calls the commands of `commands`, each under a permission of its own (sets `read`, `sign-in`, `manage`,
//! `settings`, `fetch`),
//! and is sent a whole [`Snapshot`] after every change. Where an authorized request may go, the app's capability says
//! ([`FetchScope`]); nothing is allowed by default.

mod account;
mod commands;
mod echo;
mod fetch;
mod fetches;
mod own;
mod scope;
mod settings;
mod shell;
mod sign_in;
mod storage;
mod view;

pub use account::{BorrowerView, DeviceView, EndDevicesRequest, ForecastView, ReasonView, SignOutFrom};
pub use fetch::{FetchHead, FetchRequest};
pub use own::{Builder, Settings};
pub use scope::FetchScope;
pub use settings::{ReportView, SettingsView};
pub use sign_in::{InvitationView, Picture, PlaceRequest, PresetPlace, PresetView, SignInRequest, SignInWith};
pub use storage::{
    ExposureView, FindingView, Mend, MovedView, MovingView, NeedView, Phase, Protection, StorageRequest, StorageView,
    StrategyView, WayView,
};
pub use view::{
    AccountView, EventView, ExplanationView, Password, Problem, ServiceView, Snapshot, StatusView, VaultView,
};

use std::sync::Arc;

use pilotlight::Pilotlight;
use tauri::plugin::TauriPlugin;
use tauri::webview::PageLoadEvent;
use tauri::{Manager as _, Runtime};

use crate::fetches::Fetches;
use crate::shell::Shell;

/// The plugin around one [`Pilotlight`]. `services` are offered for a sign-in without typing an address.
///
/// With the plugin's start the background refresh begins; it goes on while the app runs.
#[must_use]
pub fn init<R: Runtime>(pilotlight: Pilotlight, services: Vec<ServiceView>) -> TauriPlugin<R, Option<Settings>> {
    plugin(services, |_| Ok(pilotlight))
}

/// `made` is given the app's identifier.
fn plugin<R: Runtime>(
    mut services: Vec<ServiceView>,
    made: impl FnOnce(&str) -> Result<Pilotlight, pilotlight::Error> + Send + 'static,
) -> TauriPlugin<R, Option<Settings>> {
    tauri::plugin::Builder::<R, Option<Settings>>::new("pilotlight")
        .invoke_handler(tauri::generate_handler![
            commands::snapshot,
            commands::events,
            commands::explain,
            commands::presets,
            commands::sign_in,
            commands::sign_in_again,
            commands::cancel_sign_in,
            commands::refresh,
            account::sign_out,
            account::forecast,
            account::borrowers,
            account::devices,
            account::end_devices,
            commands::retry_vault,
            commands::start_over,
            commands::storage,
            commands::examine,
            commands::choose,
            commands::migrate,
            commands::unlock,
            settings::set_setting,
            settings::write_report,
            commands::fetch,
            commands::fetch_body,
            commands::cancel_fetch,
        ])
        .setup(move |app, api| {
            let pilotlight = made(&app.config().identifier)?;
            let settings = api.config().as_ref().map(|settings| settings.services.clone()).unwrap_or_default();
            services.extend(settings.into_iter().map(ServiceView::from));
            app.manage(Shell::new(pilotlight.clone(), services));
            app.manage(Arc::new(Fetches::default()));
            tauri::async_runtime::spawn(pilotlight.clone().keep_fresh());
            tauri::async_runtime::spawn(shell::push_changes(app.clone(), pilotlight));
            Ok(())
        })
        .on_page_load(|webview, load| {
            if load.event() == PageLoadEvent::Started {
                webview.state::<Arc<Fetches>>().forget(webview.label());
            }
        })
        .build()
}
