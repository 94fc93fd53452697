//! Where things are.

use std::path::{Path, PathBuf};

/// The top folder of the checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// What tasks leave behind; ignored by git, and safe to delete.
pub(crate) fn own() -> PathBuf {
    root().join(".xtask")
}

/// Tools that cargo installs for this checkout only.
pub(crate) fn tools() -> PathBuf {
    own().join("tools")
}

/// What the steps of the last task wrote.
pub(crate) fn logs() -> PathBuf {
    own().join("logs")
}

/// The demo's files: the app's vault and the service's store. They stay between two runs.
pub(crate) fn demo() -> PathBuf {
    own().join("demo")
}

/// Screenshots of a run without a display.
pub(crate) fn tour() -> PathBuf {
    own().join("tour")
}

/// The front end.
pub(crate) fn ui() -> PathBuf {
    root().join("ui")
}

/// The plugin's bindings for JavaScript, an npm package.
pub(crate) fn package() -> PathBuf {
    root().join("crates/plugin/guest-js")
}

/// The example of a Tauri app.
pub(crate) fn example() -> PathBuf {
    root().join("examples/tauri-app")
}

/// The fuzz targets, a workspace of its own.
pub(crate) fn fuzz() -> PathBuf {
    root().join("fuzz")
}

/// The certified server that the tests sign in to.
pub(crate) fn node_peers() -> PathBuf {
    root().join("tests/node")
}

/// The list of Python packages that the tests speak to.
pub(crate) fn python_peers() -> PathBuf {
    root().join("tests/python/requirements.txt")
}

/// A program of the workspace, once built.
pub(crate) fn built(name: &str) -> PathBuf {
    crate::environment::target_folder().join("debug").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
