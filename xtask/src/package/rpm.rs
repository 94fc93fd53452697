//! The package of Fedora, openSUSE and others: the tree, and a description of it. rpmbuild finds the libraries by itself.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{DESCRIPTION, Edition, NAME, SUMMARY, installed_files};
use crate::{failure::Failure, progress::Step};

/// One of these, by the names of Fedora and of openSUSE, answers when a program asks for the Secret Service.
const KEYSTORES: &str = "gnome-keyring or kf6-kwallet or kwalletd6 or kf5-kwallet or kwalletd5 or keepassxc";
/// Folders that are this package's alone: rpm takes away only what a package says is its own.
const OWN_FOLDERS: [&str; 2] = ["/usr/share/doc/pilotlight", "/usr/share/licenses/pilotlight"];

pub(super) fn pack(step: &mut Step, edition: &Edition, root: &Path, folder: &Path) -> Result<PathBuf, Failure> {
    let root = fs::canonicalize(root)?;
    let own = folder.join("rpmbuild");
    if own.exists() {
        fs::remove_dir_all(&own)?;
    }
    fs::create_dir_all(&own)?;
    let own = fs::canonicalize(own)?;
    let spec = own.join(format!("{NAME}.spec"));
    fs::write(&spec, describe(edition, &root)?)?;
    let mut command = Command::new("rpmbuild");
    edition.stamp(&mut command);
    command.arg("-bb").arg("--define").arg(format!("_topdir {}", own.display()));
    // The programs are stripped, the pages compressed, and the times those of the commit. Zstandard at its best is a quarter
    // smaller than what rpmbuild takes by itself, and read by every rpm since 4.14.
    for definition in [
        "_binary_payload w19.zstdio",
        "debug_package %{nil}",
        "_build_id_links none",
        "__os_install_post %{nil}",
        "use_source_date_epoch_as_buildtime 1",
        "clamp_mtime_to_source_date_epoch 1",
        "_buildhost localhost",
    ] {
        command.args(["--define", definition]);
    }
    command.arg(&spec);
    step.run(command)?;
    let kind = std::env::consts::ARCH;
    let name = format!("{NAME}-{}-{}.{kind}.rpm", Edition::version(), edition.revision);
    let made = folder.join(&name);
    fs::copy(own.join("RPMS").join(kind).join(&name), &made)?;
    fs::remove_dir_all(own)?;
    Ok(made)
}

pub(super) fn describe(edition: &Edition, root: &Path) -> Result<String, Failure> {
    let mut text = format!(
        "Name: {NAME}\nVersion: {}\nRelease: {}\nSummary: {}{}\nLicense: Apache-2.0\n\
         Requires: hicolor-icon-theme\n\
         Recommends: ({KEYSTORES})\nRecommends: xdg-utils\n\n\
         %description\n{}\n\n%install\ncp --archive --no-target-directory '{}' '%{{buildroot}}'\n\n%files\n",
        Edition::version(),
        edition.revision,
        SUMMARY[..1].to_uppercase(),
        &SUMMARY[1..],
        DESCRIPTION.join("\n"),
        root.display(),
    );
    for own in OWN_FOLDERS {
        writeln!(text, "%dir %attr(0755,root,root) {own}").map_err(|error| Failure::new(error.to_string()))?;
    }
    for file in installed_files(root)? {
        let kind = match &file {
            file if file.starts_with("/etc") => "%config(noreplace) ",
            file if file.starts_with("/usr/share/doc") => "%doc ",
            file if file.starts_with("/usr/share/licenses") => "%license ",
            _ => "",
        };
        let mode = if file.starts_with("/usr/bin") { "0755" } else { "0644" };
        writeln!(text, "{kind}%attr({mode},root,root) {}", file.display())
            .map_err(|error| Failure::new(error.to_string()))?;
    }
    Ok(text)
}
