//! The grant lifecycle for any Tauri app: sign-in, silent refresh, storage. Tokens stay in Rust (promise P5).
//!
//! ```no_run
//! # fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use pilotlight::{Config, Home, Pilotlight};
//!
//! let pilotlight = Pilotlight::new(Config::system(Home::locate()?)?);
//! let app = tauri::Builder::default().plugin(tauri_plugin_pilotlight::init(pilotlight, vec![]));
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! The webview calls the commands of `commands`, each under a permission of its own (sets `read`, `sign-in`, `manage`),
//! and is sent a whole [`Snapshot`] after every change.

mod commands;
mod shell;
mod sign_in;
mod storage;
mod view;

pub use sign_in::{DeviceView, Picture, PlaceRequest, PresetPlace, PresetView, SignInRequest, SignInWith};
pub use storage::{
    ExposureView, FindingView, Mend, MovedView, MovingView, NeedView, Phase, Protection, StorageRequest, StorageView,
    StrategyView, WayView,
};
pub use view::{
    AccountView, EventView, ExplanationView, Password, Problem, ServiceView, Snapshot, StatusView, VaultView,
};

use pilotlight::Pilotlight;
use tauri::plugin::{Builder, TauriPlugin};
use tauri::{Manager as _, Runtime};

use crate::shell::Shell;

/// The plugin around one [`Pilotlight`]. `services` are offered for a sign-in without typing an address.
///
/// With the plugin's start the background refresh begins; it goes on while the app runs.
#[must_use]
pub fn init<R: Runtime>(pilotlight: Pilotlight, services: Vec<ServiceView>) -> TauriPlugin<R> {
    Builder::new("pilotlight")
        .invoke_handler(tauri::generate_handler![
            commands::snapshot,
            commands::events,
            commands::explain,
            commands::presets,
            commands::sign_in,
            commands::sign_in_again,
            commands::cancel_sign_in,
            commands::refresh,
            commands::sign_out,
            commands::retry_vault,
            commands::start_over,
            commands::storage,
            commands::examine,
            commands::choose,
            commands::migrate,
            commands::unlock,
        ])
        .setup(move |app, _| {
            app.manage(Shell::new(pilotlight.clone(), services));
            tauri::async_runtime::spawn(pilotlight.clone().keep_fresh());
            tauri::async_runtime::spawn(shell::push_changes(app.clone(), pilotlight));
            Ok(())
        })
        .build()
}
