//! Declares the commands, so that Tauri's ACL knows and guards each of them.

const COMMANDS: &[&str] = &[
    "snapshot",
    "events",
    "explain",
    "presets",
    "sign_in",
    "sign_in_again",
    "cancel_sign_in",
    "refresh",
    "sign_out",
    "forecast",
    "borrowers",
    "devices",
    "end_devices",
    "retry_vault",
    "start_over",
    "storage",
    "examine",
    "choose",
    "migrate",
    "unlock",
    "set_setting",
    "write_report",
    "fetch",
    "fetch_body",
    "cancel_fetch",
];

fn main() {
    tauri_plugin::Builder::new(COMMANDS).build();
}
