//! What a desktop does with an address of a scheme that an app has taken: it looks for the entry that names the scheme and starts
//! its program (Desktop Entry Specification 1.5, "The Exec key"; "MIME types and schemes" of the Shared MIME-info Database).

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use url::Url;

/// Opens `address` by the entries of `$XDG_DATA_HOME/applications`, in the environment of this process, and waits for the program's
/// end.
///
/// # Errors
/// No entry has taken the scheme, or its program does not start.
pub fn open_by_desktop(address: &Url) -> Result<ExitStatus, String> {
    let folder = std::env::var_os("XDG_DATA_HOME").ok_or("there is no desktop here")?;
    let [program, arguments @ ..] = &*command_line(&PathBuf::from(folder).join("applications"), address)? else {
        return Err("the entry starts nothing".to_owned());
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command.status().map_err(|error| format!("{program} does not start: {error}"))
}

/// The program and its arguments, the address in the place of `%u`.
fn command_line(folder: &Path, address: &Url) -> Result<Vec<String>, String> {
    let wanted = format!("x-scheme-handler/{}", address.scheme());
    let files = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let texts = files.filter_map(|file| fs::read_to_string(file.ok()?.path()).ok());
    let takes = |text: &String| value(text, "MimeType").is_some_and(|all| all.split(';').any(|one| one == wanted));
    let entry = texts.into_iter().find(takes).ok_or_else(|| format!("no entry has taken {wanted}"))?;
    let words = value(&entry, "Exec").unwrap_or_default().split(' ');
    Ok(words.map(|word| if word == "%u" { address.as_str() } else { word }.to_owned()).collect())
}

fn value<'a>(entry: &'a str, key: &str) -> Option<&'a str> {
    entry.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}
