#![expect(clippy::unwrap_used, reason = "what goes wrong in a helper of a test is a failure of the test")]

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, process::Stdio};

use super::*;
use crate::{
    package::{Edition, installed_files, rpm},
    progress::Progress,
};

/// The tree of either kind, with the programs that the tests run, which are not optimised.
fn tree(kind: Kind) -> (PathBuf, BTreeMap<String, u32>) {
    let root = place::own().join(format!("tree-of-the-tests-{kind:?}-{}", std::process::id()));
    let programs = crate::environment::target_folder().join("debug");
    assert!(programs.join(PROGRAMS[1]).is_file(), "build the programs first: `cargo xtask test` does");
    Progress::of(1).step("The tree", |step| plant(step, kind, &programs, &root)).unwrap();
    let files = installed_files(&root).unwrap();
    let mode = |file: &Path| fs::metadata(root.join(file.strip_prefix("/").unwrap())).unwrap().permissions().mode();
    let files = files.iter().map(|file| (file.display().to_string(), mode(file) & 0o7777)).collect();
    (root, files)
}

fn text(root: &Path, file: &str) -> String {
    fs::read_to_string(root.join(file)).unwrap()
}

/// The entries of a desktop file's one group.
fn entries(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut lines = lines.skip_while(|line| *line != "[Desktop Entry]");
    assert_eq!(lines.next(), Some("[Desktop Entry]"));
    lines.map(|line| line.split_once('=').unwrap()).collect()
}

#[test]
fn a_package_has_every_file_in_its_place_with_its_mode() {
    let (root, files) = tree(Kind::Deb);
    let expected = [
        "/etc/xdg/autostart/pilotlight-agent.desktop",
        "/usr/share/applications/dev.pilotlight.desktop",
        "/usr/share/bash-completion/completions/pilotlight",
        "/usr/share/doc/pilotlight/changelog.gz",
        "/usr/share/doc/pilotlight/copyright",
        "/usr/share/fish/vendor_completions.d/pilotlight.fish",
        "/usr/share/icons/hicolor/512x512/apps/dev.pilotlight.png",
        "/usr/share/icons/hicolor/scalable/apps/dev.pilotlight.svg",
        "/usr/share/man/man1/pilotlight-desktop.1.gz",
        "/usr/share/man/man1/pilotlight-sign-in.1.gz",
        "/usr/share/man/man1/pilotlight.1.gz",
        "/usr/share/metainfo/dev.pilotlight.app.metainfo.xml",
        "/usr/share/zsh/vendor-completions/_pilotlight",
        "/usr/lib/systemd/user/pilotlight-agent.service",
        "/usr/lib/systemd/user/pilotlight-agent.socket",
    ];
    for file in expected {
        assert_eq!(files.get(file), Some(&0o644), "{file}");
    }
    let programs: Vec<&str> = files.iter().filter(|(_, mode)| **mode != 0o644).map(|(file, _)| file.as_str()).collect();
    assert_eq!(programs, ["/usr/bin/pilotlight", "/usr/bin/pilotlight-desktop"]);
    assert!(programs.iter().all(|file| files[*file] == 0o755));
    assert_eq!(files.keys().filter(|file| file.ends_with("/dev.pilotlight.png")).count(), ICON_SIZES.len());
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn what_a_package_starts_is_in_it_and_the_agent_starts_only_where_somebody_turned_it_on() {
    let (root, _) = tree(Kind::Rpm);
    assert!(root.join("usr/share/licenses/pilotlight/LICENSE").is_file());
    let app = text(&root, "usr/share/applications/dev.pilotlight.desktop");
    let agent = text(&root, "etc/xdg/autostart/pilotlight-agent.desktop");
    for (entry, hidden) in [(&app, None), (&agent, Some(&"true"))] {
        let entry = entries(entry);
        assert_eq!(entry.get("Hidden"), hidden);
        assert_eq!(entry["Icon"], ID);
        let program = entry["Exec"].split(' ').next().unwrap();
        assert!(root.join("usr/bin").join(program).is_file(), "{program}");
    }
    let app = entries(&app);
    assert_eq!((app["MimeType"], app["Exec"]), ("x-scheme-handler/dev.pilotlight;", "pilotlight-desktop %u"));
    let unit = text(&root, "usr/lib/systemd/user/pilotlight-agent.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/")).expect("an absolute path");
    assert!(root.join(start.split(' ').next().unwrap()).is_file(), "{start}");
    assert!(!unit.contains(BUILT_BY_HAND));
    let about = text(&root, "usr/share/metainfo/dev.pilotlight.app.metainfo.xml");
    assert!(about.contains("<launchable type=\"desktop-id\">dev.pilotlight.desktop</launchable>"));
    assert!(about.contains(&format!("<id>{ID}.app</id>")));
    assert!(about.contains(concat!("<release version=\"", env!("CARGO_PKG_VERSION"), "\"")));
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn rpm_takes_away_the_folders_that_are_the_packages_alone() {
    let (root, files) = tree(Kind::Rpm);
    let described = rpm::describe(&Edition { revision: 1, epoch: None }, &root).unwrap();
    let mut own =
        files.keys().filter_map(|file| file.rsplit_once('/')).filter(|(folder, _)| folder.ends_with("/pilotlight"));
    assert!(own.all(|(folder, _)| described.contains(&format!("%dir %attr(0755,root,root) {folder}\n"))));
    assert!(files.keys().all(|file| described.contains(&format!(" {file}\n"))));
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn the_desktops_own_judge_finds_no_fault_with_the_entries() {
    for file in ["dev.pilotlight.desktop", "pilotlight-agent.desktop"] {
        let mut judge = Command::new("desktop-file-validate");
        let output = judge.arg(place::root().join("src-tauri/linux").join(file)).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn every_icon_has_the_size_of_its_name() {
    for size in ICON_SIZES {
        let bytes = fs::read(place::root().join(format!("src-tauri/icons/{size}x{size}.png"))).unwrap();
        // The first chunk of a PNG is IHDR: width and height behind eight bytes of signature and eight of its own head.
        let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((&bytes[1..4], side(16), side(20)), (&b"PNG"[..], size, size));
    }
}
