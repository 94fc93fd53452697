//! Where the built programs are.
//!
//! Cargo tells a test only about the programs of its own package, so the others are looked for beside the test itself:
//! `target/debug/deps/it-…` stands one folder below `target/debug/pilotlight-server`.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The program of that name in the target folder this test was built in.
///
/// # Panics
/// When it has not been built: a test of a package does not build the programs of its neighbours.
pub fn built(name: &str) -> PathBuf {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    let own = env::current_exe().expect("a running program has a path");
    own.ancestors().skip(1).take(3).map(|folder| folder.join(&file)).find(|path| path.is_file()).unwrap_or_else(|| {
        panic!("{file} is not built beside {}: run `cargo xtask test --only e2e`, which builds it first", own.display())
    })
}

/// A program that `cargo xtask setup` installs: from the project's own tools folder, else from the search path.
///
/// # Panics
/// When it is in neither.
pub fn tool(name: &str) -> PathBuf {
    let own = repository().join(".xtask/tools/bin").join(format!("{name}{}", env::consts::EXE_SUFFIX));
    if own.is_file() {
        return own;
    }
    on_path(name).unwrap_or_else(|| panic!("{name} is not installed: run `cargo xtask setup`"))
}

/// The first file of that name on the search path.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The top folder of the checkout.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the checkout")
}
