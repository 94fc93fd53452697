//! Who keeps people signed in when the window is closed: an agent with a tray, started before this process ends.
//!
//! Both share the vault and its locks, so there is neither a gap nor a second refresh.

use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pilotlight::storage::VaultStatus;
use pilotlight::values::{ExposeSecret as _, SecretString};
use pilotlight::{ErrorCode, Pilotlight};
use pilotlight_agent::{Answer, AskError, Client, Ended, Place, Request, Secret};
use tauri::{Window, WindowEvent};
use zeroize::Zeroizing;

use crate::lending::Lending;

/// An agent that does not answer after so many looks, with this pause, does not come.
const LOOKS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(50);
/// Refreshes under way may take so long to land.
const LANDING: Duration = Duration::from_secs(10);

/// What is handed over, and where the other side is.
#[derive(Clone)]
pub(crate) struct HandOver {
    pub(crate) place: Place,
    pub(crate) pilotlight: Pilotlight,
    /// What this process lends to others.
    pub(crate) lending: Lending,
    /// Whether this start of the app may leave an agent behind; what is set counts too.
    pub(crate) wanted: bool,
}

impl HandOver {
    /// The window goes at once; the process when somebody else serves.
    pub(crate) fn begin(&self, window: &Window, event: &WindowEvent) {
        let WindowEvent::CloseRequested { api, .. } = event else { return };
        let wanted = self.wanted && self.pilotlight.settings().tray;
        if !wanted && !self.lending.is_serving() {
            return;
        }
        api.prevent_close();
        if let Err(error) = window.hide() {
            tracing::warn!("the window does not go: {error}");
        }
        let (this, app) = (self.clone(), tauri::Manager::app_handle(window).clone());
        tauri::async_runtime::spawn(async move {
            this.hand_over(wanted).await;
            // What lands later is taken up by whoever is next, at the price of asking once more.
            drop(tokio::time::timeout(LANDING, this.pilotlight.land()).await);
            app.exit(0);
        });
    }

    /// Where the app served, the agent takes its socket over: programs that connect meanwhile wait for it.
    async fn hand_over(&self, wanted: bool) {
        let ended = self.lending.end().await;
        if !wanted {
            return ended.into_iter().for_each(Ended::clear);
        }
        let (place, passphrase) = (self.place.clone(), self.pilotlight.passphrase());
        let served = tauri::async_runtime::spawn_blocking(move || {
            serve_by_agent(&place, ended.map(Ended::pass_on).transpose()?)?;
            share(&place, passphrase);
            std::io::Result::Ok(())
        })
        .await;
        if let Ok(Err(error)) = served {
            tracing::warn!("no agent takes over: {error}; nothing is refreshed until the app is opened again");
        }
    }

    /// Opens the vault for an agent too, each time that the person has opened it here by a passphrase.
    pub(crate) async fn share_what_opens(self) {
        let mut changes = self.pilotlight.subscribe();
        let mut was_open = false;
        while changes.changed().await.is_ok() {
            let is_open = matches!(self.pilotlight.vault_status(), VaultStatus::Ready { .. });
            if is_open && !was_open && !self.lending.is_serving() {
                let (place, passphrase) = (self.place.clone(), self.pilotlight.passphrase());
                drop(tauri::async_runtime::spawn_blocking(move || share(&place, passphrase)).await);
            }
            was_open = is_open;
        }
    }
}

/// Gives the passphrase to an agent that waits for one. A vault that opens without one is the agent's own matter.
fn share(place: &Place, passphrase: Option<SecretString>) {
    let Some(passphrase) = passphrase else { return };
    let shared = || -> Result<(), AskError> {
        let mut agent = Client::connect(place)?;
        let waits = match agent.ask(&Request::Unlock { passphrase: None })? {
            Answer::Error(trouble) => trouble.code == ErrorCode::PassphraseNeeded.as_str(),
            _ => false,
        };
        if waits {
            let secret = Secret(Zeroizing::new(passphrase.expose_secret().to_owned()));
            agent.ask(&Request::Unlock { passphrase: Some(secret) })?;
        }
        Ok(())
    };
    match shared() {
        Ok(()) | Err(AskError::NoAgent) => {}
        Err(error) => tracing::info!("the agent was not unlocked: {error}"),
    }
}

/// Makes sure that an agent serves this place, at the socket that was served here where there is one.
fn serve_by_agent(place: &Place, socket: Option<OwnedFd>) -> std::io::Result<()> {
    if socket.is_none() && greet(place).is_ok() {
        return Ok(());
    }
    let mut agent = start(socket)?;
    for _ in 0..LOOKS {
        match greet(place) {
            Ok(()) => return Ok(()),
            Err(AskError::NoAgent) => {}
            // Who is connected and hears nothing waits at the socket of an agent that died, or hangs.
            Err(error @ AskError::NoAnswer) => return Err(std::io::Error::other(error)),
        }
        if let Some(status) = agent.try_wait()? {
            // Another one may have been quicker.
            return greet(place).map_err(|_| std::io::Error::other(status.to_string()));
        }
        std::thread::sleep(PAUSE);
    }
    Err(std::io::Error::from(std::io::ErrorKind::TimedOut))
}

/// Whether an agent answers.
fn greet(place: &Place) -> Result<(), AskError> {
    let mut client = Client::connect(place)?;
    client.wait_at_most(LOOKS * PAUSE)?;
    match client.ask(&Request::Hello)? {
        Answer::Hello { .. } => Ok(()),
        _ => Err(AskError::NoAnswer),
    }
}

/// It leaves our session by itself. The standard library opens every file so that no child inherits it, and so do GTK and
/// WebKit (tests/it/window_tray.rs); the socket goes by its standard input.
fn start(socket: Option<OwnedFd>) -> std::io::Result<Child> {
    let mut command = Command::new(pilotlight_tray::beside("pilotlight"));
    command.args(["agent", "--tray", "--detached"]).current_dir("/");
    match socket {
        Some(socket) => command.arg("--takes-over").stdin(socket),
        None => command.stdin(Stdio::null()),
    };
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};

    use pilotlight::Home;

    use super::*;

    /// What an agent was asked that answers with these lines, one after the other.
    fn asked(answers: &'static [&'static str], passphrase: Option<&str>) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::within(&Home::at(folder.path().join("home")).unwrap());
        let (listener, _alone) = place.listen().unwrap();
        let agent = std::thread::spawn(move || {
            let mut asked = vec![];
            if !answers.is_empty() {
                let mut stream = BufReader::new(listener.accept().unwrap().0);
                for answer in answers {
                    let mut line = String::new();
                    stream.read_line(&mut line).unwrap();
                    asked.push(line.trim_end().to_owned());
                    stream.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            }
            asked
        });
        share(&place, passphrase.map(SecretString::from));
        agent.join().unwrap()
    }

    const NEEDED: &str = "{\"error\":{\"code\":\"passphrase_needed\",\"message\":\"\",\"hint\":\"\"}}\n";
    const DONE: &str = "{\"done\":true}\n";

    #[test]
    fn a_passphrase_goes_only_to_an_agent_that_waits_for_it() {
        let given = [r#"{"ask":"unlock"}"#, r#"{"ask":"unlock","passphrase":"word"}"#];
        assert_eq!(asked(&[NEEDED, DONE], Some("word")), given);
        assert_eq!(asked(&[DONE], Some("word")), given[..1]);
        assert_eq!(asked(&[], None), [""; 0]);
    }
}
