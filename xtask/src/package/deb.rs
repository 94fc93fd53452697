//! Debian's package: the tree, what it is called, and what it needs.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{DESCRIPTION, Edition, MAINTAINER, NAME, PROGRAMS, SUMMARY, installed_files, tree};
use crate::{failure::Failure, progress::Step};

/// A keystore that answers as Secret Service, and what opens the browser. Without them it runs, and says what is missing.
const RECOMMENDS: &str = "gnome-keyring | libpam-kwallet5 | keepassxc, xdg-utils";

pub(super) fn pack(step: &mut Step, edition: &Edition, root: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    let version = format!("{}-{}", Edition::version(), edition.revision);
    changes(step, &version, root)?;
    let needs = libraries(step, root, folder)?;
    let own = root.join("DEBIAN");
    fs::create_dir_all(&own)?;
    let files = installed_files(root)?;
    let settings: String = files.iter().filter(|file| file.starts_with("/etc")).fold(String::new(), |mut all, file| {
        let _ = writeln!(all, "{}", file.display());
        all
    });
    fs::write(own.join("conffiles"), settings)?;
    fs::write(own.join("md5sums"), sums(step, root, &files)?)?;
    fs::write(own.join("control"), control(&version, &needs, size(root, &files)?))?;
    tree::modes(root)?;
    let made = folder.join(format!("{NAME}_{version}_{}.deb", architecture()));
    let mut command = Command::new("dpkg-deb");
    edition.stamp(&mut command);
    command.args(["--root-owner-group", "-Zxz", "--build"]).arg(root).arg(&made);
    step.run(command)?;
    Ok(made)
}

/// Debian's name of this machine's kind.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn control(version: &str, needs: &str, kilobytes: u64) -> String {
    let about: String = DESCRIPTION.iter().map(|line| format!(" {line}\n")).collect();
    format!(
        "Package: {NAME}\nVersion: {version}\nArchitecture: {}\nMaintainer: {MAINTAINER}\nInstalled-Size: {kilobytes}\n\
         Depends: {needs}\nRecommends: {RECOMMENDS}\nSection: utils\nPriority: optional\n\
         Description: {SUMMARY}\n{about}",
        architecture()
    )
}

/// The packages that have the libraries of both programs, as Debian's own tool finds them.
fn libraries(step: &mut Step, root: &Path, folder: &Path) -> Result<String, Failure> {
    // It wants to be called where a source package is.
    let source = folder.join("source");
    fs::create_dir_all(source.join("debian"))?;
    fs::write(source.join("debian/control"), format!("Source: {NAME}\n\nPackage: {NAME}\nArchitecture: any\n"))?;
    let mut command = Command::new("dpkg-shlibdeps");
    command.arg("-O").current_dir(&source);
    for name in PROGRAMS {
        command.arg("-e").arg(fs::canonicalize(root.join("usr/bin").join(name))?);
    }
    let output = step.read(command)?;
    let needs = output.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    needs.map(str::to_owned).ok_or_else(|| Failure::new(format!("dpkg-shlibdeps found nothing:\n{output}")))
}

/// What Debian calls the changes of its own; a packaged version has no other.
fn changes(step: &mut Step, version: &str, root: &Path) -> Result<(), Failure> {
    let date = step.read({
        let mut command = Command::new("date");
        command.args(["--utc", "--rfc-email"]);
        command
    })?;
    let file = root.join("usr/share/doc").join(NAME).join("changelog.Debian");
    let text = format!(
        "{NAME} ({version}) unstable; urgency=medium\n\n  * The version of the sources.\n\n -- {MAINTAINER}  {date}"
    );
    fs::write(&file, text)?;
    tree::compress(step, &[file])
}

/// In kilobytes, as dpkg counts: each file takes whole ones.
fn size(root: &Path, files: &[PathBuf]) -> Result<u64, Failure> {
    let mut kilobytes = 0;
    for file in files {
        kilobytes += fs::metadata(below(root, file))?.len().div_ceil(1024);
    }
    Ok(kilobytes)
}

fn sums(step: &mut Step, root: &Path, files: &[PathBuf]) -> Result<String, Failure> {
    let mut command = Command::new("md5sum");
    command.current_dir(root).args(files.iter().filter_map(|file| file.strip_prefix("/").ok()));
    step.read(command)
}

fn below(root: &Path, file: &Path) -> PathBuf {
    root.join(file.strip_prefix("/").unwrap_or(file))
}
