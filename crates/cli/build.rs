//! Links the unwinder into the program (docs/decisions/0142). On its own, as a library that is loaded at every start, it takes a fifth
//! of the processor's time that `pilotlight token` costs.
#![expect(clippy::disallowed_methods, reason = "Cargo tells a build script by its environment what is built")]

use std::env;
use std::path::PathBuf;
use std::process::Command;

const UNWINDER: &str = "libgcc_eh.a";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    // Where the linker knows of none, the program is as it would be without.
    if let Some(archive) = unwinder()
        && let Some(folder) = archive.parent()
    {
        println!("cargo:rustc-link-search=native={}", folder.display());
        // As a whole, since it stands before those that need it; the shared one then has nothing to give, and is left out.
        println!("cargo:rustc-link-lib=static:+whole-archive=gcc_eh");
    }
}

/// Where the compiler that links keeps the archive for what is being built.
fn unwinder() -> Option<PathBuf> {
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let told = Command::new(linker).arg(format!("-print-file-name={UNWINDER}")).output().ok()?;
    let archive = PathBuf::from(String::from_utf8(told.stdout).ok()?.trim_end());
    // It repeats the bare name where there is none.
    (archive.is_absolute() && archive.exists()).then_some(archive)
}
