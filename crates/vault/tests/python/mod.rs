//! The Python that speaks to somebody else's program, made by `cargo xtask setup`.

use std::path::{Path, PathBuf};

/// Its interpreter.
///
/// # Panics
/// Where it was not set up: what is not compared must not pass.
pub(crate) fn program() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.xtask/tools/python");
    let program = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    assert!(program.exists(), "the Python of the tests is not set up: run `cargo xtask setup`");
    program
}
