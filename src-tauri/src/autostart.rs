//! The setting `autostart`, done: whether the agent is among what starts with the person's session.

use pilotlight::{Home, Pilotlight};
use pilotlight_tray::Autostart;

/// Does what the person sets from now on. What the desktop was told otherwise stands until then.
pub(crate) async fn follow(pilotlight: Pilotlight, home: Home) {
    let mut changes = pilotlight.subscribe();
    let mut was = pilotlight.settings().autostart;
    while changes.changed().await.is_ok() {
        let on = pilotlight.settings().autostart;
        if on == was {
            continue;
        }
        was = on;
        let home = home.clone();
        let done = tauri::async_runtime::spawn_blocking(move || Autostart::of_person()?.turn(on, &home)).await;
        if let Ok(Err(error)) = done {
            tracing::warn!("the agent's entry for autostart cannot be changed: {error}");
        }
    }
}
