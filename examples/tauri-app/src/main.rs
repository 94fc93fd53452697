//! A Tauri app whose people stay signed in: `pilotlight-example ISSUER`.

use tauri::Manager as _;
use tauri::ipc::CapabilityBuilder;

fn main() -> tauri::Result<()> {
    let issuer = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:4400".to_owned());
    let pilotlight =
        tauri_plugin_pilotlight::Builder::new().service("demo", &issuer, "pilotlight", "openid profile offline_access");
    tauri::Builder::default()
        .plugin(pilotlight.build())
        .setup(move |app| {
            // An app whose service always has one address writes this into capabilities/main.json.
            let allow = serde_json::json!({ "url": format!("{issuer}/userinfo"), "account": "demo" });
            let capability = CapabilityBuilder::new("service").window("main");
            Ok(app.add_capability(capability.permission_scoped("pilotlight:fetch", vec![allow], vec![]))?)
        })
        .run(tauri::generate_context!())
}
