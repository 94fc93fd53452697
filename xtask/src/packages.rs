//! The system packages that building and testing need, by the name each package manager has for them.
//!
//! Debian's are what the project's own checks run on; the others follow Tauri's list of prerequisites. Whichever it was,
//! setup looks afterwards whether the programs are there.

/// A package manager, and how it is spoken to.
#[derive(Debug)]
pub(crate) struct Manager {
    /// Its program.
    pub(crate) program: &'static str,
    /// Its words for "install these without asking".
    pub(crate) install: &'static [&'static str],
    /// Its words for "learn what there is", where that is a step of its own.
    pub(crate) refresh: Option<&'static [&'static str]>,
    /// A command that succeeds when the package named behind it is installed.
    pub(crate) probe: &'static [&'static str],
    build: &'static [&'static str],
    test: &'static [&'static str],
    /// Packages that tests need for one program alone, behind that program's name: it may have come another way, and some
    /// packages of it cannot stand beside another.
    programs: &'static [(&'static str, &'static str)],
}

/// What is going to be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// Building the app, and running it on a display.
    Build,
    /// Also driving it on a display and with a keystore of its own.
    Test,
}

impl Manager {
    /// The packages that the purpose takes, where `is_there` tells which programs are on the search path.
    pub(crate) fn packages(
        &self,
        purpose: Purpose,
        is_there: impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = &'static str> {
        let (test, programs): (&[&str], &[(&str, &str)]) =
            if purpose == Purpose::Test { (self.test, self.programs) } else { (&[], &[]) };
        let absent = programs.iter().filter(move |(program, _)| !is_there(program)).map(|(_, package)| *package);
        self.build.iter().chain(test).copied().chain(absent)
    }
}

/// In the order in which they are looked for.
pub(crate) const MANAGERS: [Manager; 4] = [
    Manager {
        program: "apt-get",
        install: &["-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends"],
        refresh: Some(&["update"]),
        probe: &["dpkg-query", "--show", "--showformat", "${db:Status-Status}"],
        build: &["gcc", "libc6-dev", "pkg-config", "libwebkit2gtk-4.1-dev"],
        test: &[
            "webkit2gtk-driver",
            "xvfb",
            "dbus",
            "gnome-keyring",
            "fonts-dejavu-core",
            "chromium",
            "redis-server",
            "strace",
            "gdb",
            "swtpm",
            "at-spi2-core",
            "python3-venv",
            "libssl-dev",
        ],
        programs: &[
            ("curl", "curl"),
            ("desktop-file-validate", "desktop-file-utils"),
            ("fish", "fish"),
            ("git", "git"),
            ("groff", "groff-base"),
            ("kubectl", "kubernetes-client"),
            ("script", "bsdutils"),
            ("systemd-socket-activate", "systemd"),
            ("zsh", "zsh"),
        ],
    },
    Manager {
        program: "dnf",
        install: &["install", "-y"],
        refresh: None,
        probe: &["rpm", "--query", "--whatprovides"],
        build: &["gcc", "pkgconf-pkg-config", "webkit2gtk4.1-devel"],
        test: &[
            "webkit2gtk4.1",
            "xorg-x11-server-Xvfb",
            "dbus-daemon",
            "dbus-tools",
            "gnome-keyring",
            "dejavu-sans-fonts",
            "chromium",
            "redis",
            "strace",
            "gdb",
            "swtpm",
            "python3",
            "at-spi2-core",
            "openssl-devel",
        ],
        programs: &[
            ("curl", "curl"),
            ("desktop-file-validate", "desktop-file-utils"),
            ("fish", "fish"),
            ("git", "git"),
            ("groff", "groff-base"),
            ("kubectl", "kubernetes-client"),
            ("script", "util-linux-script"),
            ("systemd-socket-activate", "systemd"),
            ("zsh", "zsh"),
        ],
    },
    Manager {
        program: "pacman",
        install: &["-S", "--needed", "--noconfirm"],
        refresh: None,
        probe: &["pacman", "-Q"],
        build: &["gcc", "pkgconf", "webkit2gtk-4.1"],
        test: &[
            "xorg-server-xvfb",
            "dbus",
            "gnome-keyring",
            "ttf-dejavu",
            "chromium",
            "redis",
            "strace",
            "gdb",
            "swtpm",
            "at-spi2-core",
            "python",
            "openssl",
        ],
        programs: &[
            ("curl", "curl"),
            ("desktop-file-validate", "desktop-file-utils"),
            ("fish", "fish"),
            ("git", "git"),
            ("groff", "groff"),
            ("kubectl", "kubectl"),
            ("script", "util-linux"),
            ("systemd-socket-activate", "systemd"),
            ("zsh", "zsh"),
        ],
    },
    Manager {
        program: "zypper",
        install: &["--non-interactive", "install", "--no-recommends"],
        refresh: None,
        probe: &["rpm", "--query", "--whatprovides"],
        build: &["gcc", "pkg-config", "webkit2gtk3-devel"],
        test: &[
            "xorg-x11-server-Xvfb",
            "dbus-1",
            "gnome-keyring",
            "dejavu-fonts",
            "chromium",
            "redis",
            "strace",
            "gdb",
            "swtpm",
            "python3",
            "at-spi2-core",
            "libopenssl-devel",
        ],
        programs: &[
            ("curl", "curl"),
            ("desktop-file-validate", "desktop-file-utils"),
            ("fish", "fish"),
            ("git", "git"),
            ("groff", "groff"),
            ("kubectl", "kubernetes-client"),
            ("script", "util-linux"),
            ("systemd-socket-activate", "systemd"),
            ("zsh", "zsh"),
        ],
    },
];

/// What `cargo xtask bench agent` compares with, and its package in Debian. Nothing else needs it, so it is named and not installed.
pub(crate) const PEER: (&str, &str) = ("oidc-agent", "oidc-agent-cli");

/// Programs that tests start, whatever package they come in.
pub(crate) const TEST_PROGRAMS: [&str; 19] = [
    "WebKitWebDriver",
    "Xvfb",
    "curl",
    "dbus-daemon",
    "dbus-send",
    "desktop-file-validate",
    "fish",
    "gcore",
    "git",
    "gnome-keyring-daemon",
    "groff",
    "kubectl",
    "redis-server",
    "script",
    "strace",
    "swtpm",
    "systemd-socket-activate",
    "python3",
    "zsh",
];
