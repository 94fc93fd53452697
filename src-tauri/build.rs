//! Tauri's build step. It runs in the repository's root, where tauri.conf.json stands.

fn main() {
    // A custom pattern is needed because the capabilities stand in src-tauri/; Cargo has to be told of it, too.
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    let lab = tauri_build::InlinedPlugin::new()
        .commands(&["list", "run", "measure", "stop"])
        .default_permission(tauri_build::DefaultPermissionRule::AllowAllCommands);
    let questions = tauri_build::InlinedPlugin::new()
        .commands(&["list", "answer"])
        .default_permission(tauri_build::DefaultPermissionRule::AllowAllCommands);
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("./src-tauri/capabilities/**/*")
        .plugin("lab", lab)
        .plugin("questions", questions);
    tauri_build::try_build(attributes).expect("tauri.conf.json and src-tauri/capabilities are in order");
}
