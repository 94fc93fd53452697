//! `cargo xtask package`: a .deb and an .rpm of the app, the command line and what belongs to them (docs/decisions/0122).
//!
//! ```text
//!  tree.rs ──── every file with its place and mode, the same for both but for a few places
//!  deb.rs ───── the tree as Debian wants it, by dpkg-deb
//!  rpm.rs ───── the tree as Fedora wants it, by rpmbuild
//! ```

mod deb;
mod rpm;
mod tree;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    cargo, environment,
    failure::Failure,
    npm, place,
    progress::{Progress, Step},
};

/// What the packages are called.
const NAME: &str = "pilotlight";
/// In one line, for lists.
const SUMMARY: &str = "stay signed in, and lend fresh tokens to programs";
/// In a few.
const DESCRIPTION: [&str; 5] = [
    "Pilotlight signs a person in to OAuth 2.0 and OpenID Connect services, keeps",
    "the refresh token encrypted with its key in the keystore of the desktop, and",
    "refreshes silently ahead of expiry. Other programs are lent access tokens;",
    "the refresh token never leaves it. This package has the window, the command",
    "line and the agent.",
];
/// Who answers for the packages. There is no address for packages alone; SECURITY.md says how to report a flaw.
const MAINTAINER: &str = "The Pilotlight contributors <pilotlight@example.org>";
const PROGRAMS: [&str; 2] = ["pilotlight", "pilotlight-desktop"];

/// Make a .deb and an .rpm of the app and the command line
#[derive(Debug, clap::Args)]
pub(crate) struct Package {
    /// Counts the packages of one version: a higher one is an upgrade
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    revision: u32,
    /// Take the optimised programs that were built last
    #[arg(long)]
    built: bool,
}

/// A system of packages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Deb,
    Rpm,
}

impl Kind {
    /// The programs that make such a package.
    const fn tools(self) -> &'static [&'static str] {
        match self {
            Self::Deb => &["dpkg-deb", "dpkg-shlibdeps"],
            Self::Rpm => &["rpmbuild"],
        }
    }
}

/// What both kinds are told.
#[derive(Debug)]
struct Edition {
    revision: u32,
    /// Seconds since 1970: files of the package are no younger, so that the same sources give the same package.
    epoch: Option<String>,
}

impl Edition {
    const fn version() -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn stamp(&self, command: &mut Command) {
        if let Some(epoch) = &self.epoch {
            command.env("SOURCE_DATE_EPOCH", epoch);
        }
    }
}

impl Package {
    pub(crate) fn start(self) -> Result<(), Failure> {
        let missing = |kind: &Kind| kind.tools().iter().find(|tool| environment::on_path(tool).is_none());
        let (able, unable): (Vec<Kind>, Vec<Kind>) =
            [Kind::Deb, Kind::Rpm].into_iter().partition(|kind| cfg!(target_os = "linux") && missing(kind).is_none());
        for kind in &unable {
            println!("SKIPPED: {kind:?}, which takes Linux and {}", kind.tools().join(", "));
        }
        if able.is_empty() {
            return Err(Failure::needs_person("no package can be made here"));
        }
        let mut progress = Progress::of(if self.built { 0 } else { npm::STEPS + 2 } + able.len());
        if !self.built {
            build(&mut progress)?;
        }
        let edition = Edition { revision: self.revision, epoch: date_of_commit() };
        let folder = place::own().join("package");
        fs::create_dir_all(&folder)?;
        let programs = environment::target_folder().join("release");
        for kind in able {
            let made = progress.step(&format!("The package for {kind:?}"), |step| {
                let root = folder.join(format!("{kind:?}").to_lowercase());
                tree::plant(step, kind, &programs, &root)?;
                match kind {
                    Kind::Deb => deb::pack(step, &edition, &root, &folder),
                    Kind::Rpm => rpm::pack(step, &edition, &root, &folder),
                }
            })?;
            println!("       {} ({} kB)", made.display(), fs::metadata(&made)?.len() / 1000);
        }
        Ok(())
    }
}

fn build(progress: &mut Progress) -> Result<(), Failure> {
    npm::install(progress)?;
    progress.step("Build the UI", |step| step.run(npm::script("build")))?;
    progress.step("Build the programs, optimised", |step| step.run(cargo::release_of_the_app()))
}

/// When the checkout's commit was made; a tree without git has the time of its packaging.
fn date_of_commit() -> Option<String> {
    let mut git = Command::new(environment::on_path("git")?);
    let output = git.args(["log", "-1", "--format=%ct"]).current_dir(place::root()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// The files of the tree, in the order of their paths, as an installed system has them.
fn installed_files(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(Path::new("/").join(entry.path().strip_prefix(root).unwrap_or(&entry.path())));
            }
        }
    }
    files.retain(|file| !file.starts_with("/DEBIAN"));
    files.sort();
    Ok(files)
}

/// Runs the command with its output into a file of the tree.
fn write_output(step: &mut Step, command: Command, file: &Path) -> Result<(), Failure> {
    let text = step.read(command)?;
    Ok(fs::write(file, text)?)
}
