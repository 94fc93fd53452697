//! Who draws the window: the processor, for there is little to draw (docs/decisions/0137).

use tauri::plugin::TauriPlugin;
use tauri::{Runtime, Webview};
use webkit2gtk::{HardwareAccelerationPolicy, SettingsExt as _, WebViewExt as _};

/// Takes graphics hardware from every web view, before its page is drawn for the first time.
pub(crate) fn plugin<R: Runtime>() -> TauriPlugin<R> {
    tauri::plugin::Builder::new("drawing").on_webview_ready(by_processor).build()
}

fn by_processor<R: Runtime>(webview: Webview<R>) {
    let done = webview.with_webview(|view| {
        if let Some(settings) = view.inner().settings() {
            settings.set_hardware_acceleration_policy(HardwareAccelerationPolicy::Never);
        }
    });
    if let Err(error) = done {
        tracing::debug!("the window is drawn with graphics hardware: {error}");
    }
}
