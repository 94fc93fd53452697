//! A Tauri window with a page of one sentence and nothing else: what the app is measured beside by `cargo xtask bench app`.

fn main() -> tauri::Result<()> {
    tauri::Builder::default().run(tauri::generate_context!("src-tauri/bare/tauri.conf.json"))
}
