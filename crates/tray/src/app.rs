//! The other program of Pilotlight, started from this one; and that one of them starts with the session.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pilotlight::Home;

/// The app's program.
const APP: &str = "pilotlight-desktop";
/// Desktop Application Autostart Specification: a file of this name in `autostart`.
const ENTRY: &str = "pilotlight-agent.desktop";

/// The program `name` beside this one, or else the one that `PATH` finds.
#[must_use]
pub fn beside(name: &str) -> PathBuf {
    let here = std::env::current_exe().ok().map(|own| own.with_file_name(name));
    here.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}

/// Starts the app, or brings its window forward where it runs already; at this account where one is named.
///
/// # Errors
/// It is not installed, or does not start.
pub fn open_app(account: Option<&str>) -> std::io::Result<()> {
    let mut command = Command::new(beside(APP));
    if let Some(account) = account {
        // One word, so that a name that begins with a hyphen is no other switch.
        command.arg(format!("--account={account}"));
    }
    let mut app = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").spawn()?;
    // Somebody has to wait for it, or its number is taken for as long as this program runs.
    std::thread::Builder::new().name("app".to_owned()).spawn(move || app.wait()).map(drop)
}

/// Whether the agent and its tray start with the person's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Autostart {
    file: PathBuf,
}

impl Autostart {
    /// Of the person whose environment this is.
    ///
    /// # Errors
    /// There is no home folder.
    #[expect(clippy::disallowed_methods, reason = "the place that reads where a person's configuration is")]
    pub fn of_person() -> std::io::Result<Self> {
        let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
        let missing = || std::io::Error::new(std::io::ErrorKind::NotFound, "there is no home folder");
        Ok(Self { file: folder.ok_or_else(missing)?.join("autostart").join(ENTRY) })
    }

    /// The file that says so.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether it starts.
    #[must_use]
    pub fn is_on(&self) -> bool {
        std::fs::read_to_string(&self.file).is_ok_and(|entry| !entry.lines().any(|line| line == "Hidden=true"))
    }

    /// Has it start with the session, or no more.
    ///
    /// # Errors
    /// The file cannot be changed.
    pub fn turn(&self, on: bool, home: &Home) -> std::io::Result<()> {
        if on { self.turn_on(home) } else { self.turn_off() }
    }

    /// Has this program start with the session, as an agent with a tray over this home. Naming it anew is no harm.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn turn_on(&self, home: &Home) -> std::io::Result<()> {
        let usual = Home::usual().as_ref() == Some(home);
        let entry = entry(&beside("pilotlight"), (!usual).then(|| home.path()));
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let new = self.file.with_extension("new");
        std::fs::write(&new, entry)?;
        std::fs::rename(new, &self.file)
    }

    /// Has it start no more.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn turn_off(&self) -> std::io::Result<()> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

fn entry(program: &Path, home: Option<&Path>) -> String {
    let program = quoted(&program.to_string_lossy());
    let home = home.map_or_else(String::new, |home| {
        format!("env {} ", quoted(&format!("PILOTLIGHT_HOME={}", home.to_string_lossy())))
    });
    format!(
        "[Desktop Entry]\nType=Application\nName=Pilotlight\nComment=Keeps you signed in\n\
         Comment[zh_CN]=让您保持登录\nExec={home}{program} agent --tray\nTerminal=false\nNoDisplay=true\n\
         X-GNOME-Autostart-enabled=true\n"
    )
}

/// One word of an `Exec` line (Desktop Entry Specification, "The Exec key"): quoted, and then escaped as every string is.
fn quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for character in word.chars() {
        match character {
            '"' | '`' | '$' => quoted.extend(["\\\\", character.encode_utf8(&mut [0; 4])]),
            '\\' => quoted.push_str("\\\\\\\\"),
            '%' => quoted.push_str("%%"),
            // A line feed would begin another key.
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_path_holds_it_is_one_word_of_one_line() {
        assert_eq!(quoted("/opt/my apps/pilotlight"), "\"/opt/my apps/pilotlight\"");
        assert_eq!(quoted("a\"b$c`d\\e%f\ng"), r#""a\\"b\\$c\\`d\\\\e%%f\ng""#);
        let entry = entry(Path::new("/a\nExec=evil"), Some(Path::new("/h")));
        assert_eq!(entry.lines().filter(|line| line.starts_with("Exec=")).count(), 1);
        assert!(entry.contains("Exec=env \"PILOTLIGHT_HOME=/h\" \"/a\\nExec=evil\" agent --tray\n"), "{entry}");
    }

    #[test]
    fn it_is_on_until_it_is_turned_off_or_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let autostart = Autostart { file: folder.path().join("autostart").join(ENTRY) };
        let home = Home::at(folder.path().join("home")).unwrap();
        assert!(!autostart.is_on());
        autostart.turn_off().unwrap();
        autostart.turn_on(&home).unwrap();
        autostart.turn_on(&home).unwrap();
        assert!(autostart.is_on());
        let text = std::fs::read_to_string(autostart.file()).unwrap();
        std::fs::write(autostart.file(), format!("{text}Hidden=true\n")).unwrap();
        assert!(!autostart.is_on(), "as desktops turn it off");
        autostart.turn_off().unwrap();
        assert!(!autostart.is_on() && !autostart.file().exists());
    }
}
