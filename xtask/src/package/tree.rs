//! What is installed where. Every file is readable by all and belongs to root; the programs can be run, nothing is set-uid.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Kind, NAME, PROGRAMS, write_output};
use crate::{failure::Failure, place, progress::Step};

/// How the desktop knows the app: icons, entry and description carry this name.
const ID: &str = "dev.pilotlight";
/// In pixels; `icon.svg` is there for every other size.
const ICON_SIZES: [u32; 9] = [16, 22, 24, 32, 48, 64, 128, 256, 512];
/// From the checkout to the installed system, as they are.
const COPIES: [(&str, &str); 5] = [
    ("src-tauri/linux/dev.pilotlight.desktop", "usr/share/applications/dev.pilotlight.desktop"),
    // AppStream wants three parts in the id of an app, and the file to be called by it.
    ("src-tauri/linux/dev.pilotlight.app.metainfo.xml", "usr/share/metainfo/dev.pilotlight.app.metainfo.xml"),
    ("src-tauri/linux/pilotlight-agent.desktop", "etc/xdg/autostart/pilotlight-agent.desktop"),
    ("src-tauri/icons/icon.svg", "usr/share/icons/hicolor/scalable/apps/dev.pilotlight.svg"),
    ("examples/agent-service/pilotlight-agent.socket", "usr/lib/systemd/user/pilotlight-agent.socket"),
];
const UNIT: &str = "examples/agent-service/pilotlight-agent.service";
/// Where a person who built it has the program, as the unit of the sources says.
const BUILT_BY_HAND: &str = "%h/.cargo/bin/pilotlight";

/// Makes the tree anew in `root`. Completions and manual pages are what the program itself writes.
pub(super) fn plant(step: &mut Step, kind: Kind, programs: &Path, root: &Path) -> Result<(), Failure> {
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    for name in PROGRAMS {
        copy(&programs.join(name), &root.join("usr/bin").join(name))?;
    }
    for (from, to) in COPIES {
        copy(&place::root().join(from), &root.join(to))?;
    }
    for size in ICON_SIZES {
        let name = format!("{size}x{size}");
        let from = place::root().join(format!("src-tauri/icons/{name}.png"));
        copy(&from, &root.join(format!("usr/share/icons/hicolor/{name}/apps/{ID}.png")))?;
    }
    unit(&root.join("usr/lib/systemd/user/pilotlight-agent.service"))?;
    let program = programs.join(PROGRAMS[0]);
    completions(step, kind, &program, root)?;
    manual(step, &program, &root.join("usr/share/man/man1"))?;
    documents(step, kind, root)?;
    modes(root)
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    prepare(to)?;
    fs::copy(from, to).map_err(|error| Failure::new(format!("{}: {error}", from.display())))?;
    Ok(())
}

fn prepare(file: &Path) -> Result<(), Failure> {
    Ok(fs::create_dir_all(file.parent().unwrap_or(file))?)
}

/// The unit of the sources, for the program where the package puts it. Nothing turns it on.
fn unit(to: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(place::root().join(UNIT))?;
    if !text.contains(BUILT_BY_HAND) {
        return Err(Failure::new(format!("{UNIT} does not start {BUILT_BY_HAND}")));
    }
    prepare(to)?;
    Ok(fs::write(to, text.replace(BUILT_BY_HAND, "/usr/bin/pilotlight"))?)
}

fn completions(step: &mut Step, kind: Kind, program: &Path, root: &Path) -> Result<(), Failure> {
    let zsh = if kind == Kind::Deb { "vendor-completions" } else { "site-functions" };
    let places = [
        ("bash", format!("usr/share/bash-completion/completions/{NAME}")),
        ("fish", format!("usr/share/fish/vendor_completions.d/{NAME}.fish")),
        ("zsh", format!("usr/share/zsh/{zsh}/_{NAME}")),
    ];
    for (shell, to) in places {
        let to = root.join(to);
        prepare(&to)?;
        let mut command = Command::new(program);
        command.args(["completions", shell]);
        write_output(step, command, &to)?;
    }
    Ok(())
}

fn manual(step: &mut Step, program: &Path, folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    let mut command = Command::new(program);
    command.arg("man-pages").arg(folder);
    step.run(command)?;
    copy(&place::root().join("src-tauri/linux/pilotlight-desktop.1"), &folder.join("pilotlight-desktop.1"))?;
    let mut pages = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>, Failure>>()?;
    pages.sort();
    compress(step, &pages)
}

/// As both systems want manual pages and changelogs, without the time in them.
pub(super) fn compress(step: &mut Step, files: &[PathBuf]) -> Result<(), Failure> {
    let mut gzip = Command::new("gzip");
    gzip.args(["-9", "--no-name", "--force"]).args(files);
    step.run(gzip)
}

fn documents(step: &mut Step, kind: Kind, root: &Path) -> Result<(), Failure> {
    let folder = root.join("usr/share/doc").join(NAME);
    let changes = folder.join("changelog");
    copy(&place::root().join("CHANGELOG.md"), &changes)?;
    compress(step, &[changes])?;
    let licence = place::root().join("LICENSE");
    match kind {
        Kind::Deb => copy(&place::root().join("src-tauri/linux/copyright"), &folder.join("copyright")),
        Kind::Rpm => copy(&licence, &root.join("usr/share/licenses").join(NAME).join("LICENSE")),
    }
}

/// Whatever the umask and the modes of the checkout are.
#[cfg(unix)]
pub(super) fn modes(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        if is_folder {
            modes(&entry.path())?;
        }
        let runs = is_folder || folder.ends_with("usr/bin");
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(if runs { 0o755 } else { 0o644 }))?;
    }
    Ok(fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?)
}

#[cfg(not(unix))]
pub(super) fn modes(_: &Path) -> Result<(), Failure> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
#[path = "tree_tests.rs"]
mod tests;
