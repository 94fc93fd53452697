//! The one file that reads the environment.
#![expect(clippy::disallowed_methods, reason = "this is the file of xtask that reads the environment")]

use std::{
    env,
    io::{IsTerminal as _, stdout},
    path::PathBuf,
};

/// Whether somebody watches: then a step may rewrite its line.
pub(crate) fn is_watched() -> bool {
    stdout().is_terminal() && env::var_os("CI").is_none()
}

/// Whether there is a display to open a window on.
pub(crate) fn has_display() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// The first program of that name on the search path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> PathBuf {
    let chosen = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    chosen.map_or_else(|| crate::place::root().join("target"), |folder| crate::place::root().join(folder))
}
