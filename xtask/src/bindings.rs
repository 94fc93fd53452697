//! The TypeScript types of the plugin's package and of the lab's window: written by the Rust types' own tests, never by hand.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{cargo, failure::Failure, place, progress::Step};

/// Tells ts-rs where to write.
pub(crate) const FOLDER_VARIABLE: &str = "TS_RS_EXPORT_DIR";

/// A fresh folder for ts-rs to write into, so that a type that is gone leaves no file behind.
pub(crate) fn fresh_folder() -> Result<PathBuf, Failure> {
    let folder = place::own().join("bindings");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Where the types stand that ts-rs wrote into a folder of that name: the plugin's at the top, the lab's below.
fn places() -> [(&'static str, PathBuf); 2] {
    [("", place::package().join("src/bindings")), ("lab", place::ui().join("src/bindings"))]
}

/// Writes the committed files anew.
pub(crate) fn write(step: &mut Step) -> Result<(), Failure> {
    let folder = fresh_folder()?;
    let mut command = cargo::workspace(&["test"], &["--lib", "export_bindings"]);
    command.env(FOLDER_VARIABLE, &folder);
    step.run(command)?;
    for (below, committed) in places() {
        let written = written(&folder, below)?;
        fs::create_dir_all(&committed)?;
        for name in read(&committed)?.keys().filter(|name| !written.contains_key(*name)) {
            fs::remove_file(committed.join(name))?;
        }
        for (name, text) in &written {
            fs::write(committed.join(name), text)?;
        }
        step.note(format!("{} types in {}", written.len(), committed.display()));
    }
    Ok(())
}

/// Fails when the committed files are not those that the tests have just written into `folder`.
pub(crate) fn check(folder: &Path) -> Result<(), Failure> {
    for (below, committed) in places() {
        let (written, known) = (written(folder, below)?, read(&committed)?);
        let names: std::collections::BTreeSet<_> = written.keys().chain(known.keys()).collect();
        let stale: Vec<_> = names.into_iter().filter(|name| written.get(*name) != known.get(*name)).cloned().collect();
        if !stale.is_empty() {
            let (committed, stale) = (committed.display(), stale.join(", "));
            return Err(Failure::new(format!(
                "{committed} is not what the Rust types say: {stale}. Run `cargo xtask bindings`."
            )));
        }
    }
    Ok(())
}

/// What ts-rs wrote, and a file that names all of it.
fn written(folder: &Path, below: &str) -> Result<BTreeMap<String, String>, Failure> {
    let mut files = read(&folder.join(below))?;
    if files.is_empty() {
        return Err(Failure::new("no type was exported: is there still a test named export_bindings…?"));
    }
    let line = |name: &str| format!("export type {{ {name} }} from \"./{name}.js\";\n");
    let all: String = files.keys().filter_map(|name| name.strip_suffix(".ts")).map(line).collect();
    files.insert("index.ts".to_owned(), format!("// Written by `cargo xtask bindings`.\n{all}"));
    Ok(files)
}

/// The TypeScript files of a folder by name, with Unix line ends.
fn read(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut files = BTreeMap::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ts") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, fs::read_to_string(&path)?.replace("\r\n", "\n"));
        }
    }
    Ok(files)
}
