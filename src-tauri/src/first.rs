//! One window for each home: a second start of the app brings the first one's window forward.
//!
//! The first holds a lock beside the agent's socket, and listens at a socket of its own for what the others want.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use pilotlight_agent::{Place, PlaceError};
use serde::{Deserialize, Serialize};
use tauri::{AppHandle, Emitter as _, Manager as _};

/// Carries the name of the account that is to be seen.
pub(crate) const OPEN_ACCOUNT: &str = "open-account";

/// A first one that is just starting, or ending, is waited for so often, with this pause.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);
/// Whoever says nothing for longer is not one of us.
const PATIENCE: Duration = Duration::from_secs(2);
const LONGEST_LINE: u64 = 4096;

/// What a second start wants of the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wanted {
    /// The account to show, where one was named.
    account: Option<String>,
}

/// Whose turn it is.
pub(crate) enum Turn {
    /// Ours; no other window of this home is there.
    First(First),
    /// Another one's: it was told what we want.
    Told,
    /// It cannot be told, and why. The window is worth having all the same.
    Unknown(PlaceError),
}

/// The right to be the one window, for as long as it is kept.
pub(crate) struct First {
    listener: UnixListener,
    alone: File,
}

/// Takes the turn, or tells the one who has it.
pub(crate) fn take_turn(place: &Place, account: Option<&str>) -> Turn {
    let wanted = Wanted { account: account.map(ToOwned::to_owned) };
    for _ in 0..TRIES {
        match place.listen() {
            Ok((listener, alone)) => return Turn::First(First { listener, alone }),
            Err(PlaceError::Taken) if tell(place, &wanted).is_some() => return Turn::Told,
            Err(PlaceError::Taken) => std::thread::sleep(PAUSE),
            Err(error) => return Turn::Unknown(error),
        }
    }
    Turn::Unknown(PlaceError::Taken)
}

/// None where nobody answered.
fn tell(place: &Place, wanted: &Wanted) -> Option<()> {
    if !matches!(place.examine(), Ok(true)) {
        return None;
    }
    let mut stream = UnixStream::connect(place.socket()).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let line = serde_json::to_string(wanted).ok()?;
    stream.write_all(format!("{line}\n").as_bytes()).ok()?;
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).ok()
}

impl First {
    /// Does what later starts want, until the app ends.
    pub(crate) fn serve(self, app: AppHandle) {
        let serving = std::thread::Builder::new().name("first".to_owned()).spawn(move || {
            let _alone = self.alone;
            for stream in self.listener.incoming().filter_map(Result::ok) {
                if let Some(wanted) = hear(stream) {
                    bring_forward(&app, wanted.account);
                }
            }
        });
        if let Err(error) = serving {
            tracing::warn!("a second start of the app will not find this window: {error}");
        }
    }
}

/// What somebody wants, once he was told that it was heard.
fn hear(stream: UnixStream) -> Option<Wanted> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut line = String::new();
    let mut stream = BufReader::new(stream.take(LONGEST_LINE));
    stream.read_line(&mut line).ok()?;
    let wanted = serde_json::from_str(&line).ok()?;
    stream.into_inner().into_inner().write_all(b"\n").ok()?;
    Some(wanted)
}

fn bring_forward(app: &AppHandle, account: Option<String>) {
    if let Some(window) = app.get_webview_window("main") {
        let shown = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
        if let Err(error) = shown {
            tracing::warn!("the window does not come forward: {error}");
        }
    }
    if let Some(account) = account
        && let Err(error) = app.emit(OPEN_ACCOUNT, account)
    {
        tracing::warn!("the window was not told which account to show: {error}");
    }
}

#[cfg(test)]
mod tests {
    use pilotlight::Home;

    use super::*;

    fn place(folder: &std::path::Path) -> Place {
        Place::within(&Home::at(folder.join("home")).unwrap()).beside("window")
    }

    #[test]
    fn the_first_hears_what_the_second_wants_and_a_third_is_first_when_it_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let Turn::First(first) = take_turn(&place, None) else { panic!("nobody else is there") };
        let second = std::thread::spawn({
            let place = place.clone();
            move || matches!(take_turn(&place, Some("-work \"7\"")), Turn::Told)
        });
        let (stream, _) = first.listener.accept().unwrap();
        assert_eq!(hear(stream), Some(Wanted { account: Some("-work \"7\"".into()) }));
        assert!(second.join().unwrap());
        drop(first);
        assert!(matches!(take_turn(&place, None), Turn::First(_)));
    }

    #[test]
    fn who_speaks_otherwise_is_not_heard() {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        let Turn::First(first) = take_turn(&place, None) else { panic!("nobody else is there") };
        for said in ["", "hello\n", "{\"account\":7}\n", &"x".repeat(10_000)] {
            let mut stream = UnixStream::connect(place.socket()).unwrap();
            stream.write_all(said.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let (stream, _) = first.listener.accept().unwrap();
            assert_eq!(hear(stream), None, "{}", said.len());
        }
    }

    #[test]
    fn a_place_that_is_not_ours_alone_keeps_nobody_from_the_window() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("home/agent");
        std::fs::create_dir_all(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(take_turn(&place(folder.path()), None), Turn::Unknown(PlaceError::Unsafe(_))));
    }
}
