//! What a person has set, carried out by the app: its colours, and on Linux the agent's start with the desktop.

use pilotlight::Pilotlight;
use pilotlight::settings::Theme;
use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Runtime};

/// Follows the settings for as long as the app runs, whoever changes them.
pub(crate) fn plugin<R: Runtime>(pilotlight: Pilotlight) -> TauriPlugin<R> {
    tauri::plugin::Builder::new("wishes")
        .setup(move |app, _| {
            let settings = pilotlight.settings();
            if settings.theme != Theme::System {
                app.set_theme(colours(settings.theme));
            }
            tauri::async_runtime::spawn(follow(app.clone(), pilotlight, settings.theme, settings.autostart));
            Ok(())
        })
        .build()
}

async fn follow<R: Runtime>(app: AppHandle<R>, pilotlight: Pilotlight, mut theme: Theme, mut autostart: bool) {
    let mut changes = pilotlight.subscribe();
    while changes.changed().await.is_ok() {
        let settings = pilotlight.settings();
        if settings.theme != theme {
            theme = settings.theme;
            app.set_theme(colours(theme));
        }
        if settings.autostart != autostart {
            autostart = settings.autostart;
            start_with_desktop(autostart);
        }
    }
}

const fn colours(theme: Theme) -> Option<tauri::Theme> {
    match theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    }
}

#[cfg(target_os = "linux")]
fn start_with_desktop(on: bool) {
    let home = pilotlight::Home::locate().map_err(std::io::Error::other);
    let done = pilotlight_tray::Autostart::of_person().and_then(|autostart| autostart.turn(on, &home?));
    if let Err(error) = done {
        tracing::warn!("the agent's start with the desktop cannot be changed: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
fn start_with_desktop(_: bool) {}
