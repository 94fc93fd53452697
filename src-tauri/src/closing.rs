//! Who keeps people signed in when the window is closed: an agent with a tray, started before this process ends.
//!
//! Both share the vault and its locks, so there is neither a gap nor a second refresh.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pilotlight::storage::VaultStatus;
use pilotlight::values::{ExposeSecret as _, SecretString};
use pilotlight::{ErrorCode, Pilotlight};
use pilotlight_agent::{Answer, AskError, Client, Place, Request, Secret};
use tauri::{Window, WindowEvent};
use zeroize::Zeroizing;

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
    /// Whether this start of the app may leave an agent behind; what is set counts too.
    pub(crate) wanted: bool,
}

impl HandOver {
    /// The window goes at once; the process when somebody else serves.
    pub(crate) fn begin(&self, window: &Window, event: &WindowEvent) {
        let WindowEvent::CloseRequested { api, .. } = event else { return };
        if !self.wanted || !self.pilotlight.settings().tray {
            return;
        }
        api.prevent_close();
        if let Err(error) = window.hide() {
            tracing::warn!("the window does not go: {error}");
        }
        let (this, app) = (self.clone(), tauri::Manager::app_handle(window).clone());
        tauri::async_runtime::spawn(async move {
            let (place, passphrase) = (this.place, this.pilotlight.passphrase());
            let served = tauri::async_runtime::spawn_blocking(move || {
                serve_by_agent(&place)?;
                share(&place, passphrase);
                std::io::Result::Ok(())
            })
            .await;
            if let Ok(Err(error)) = served {
                tracing::warn!("no agent takes over: {error}; nothing is refreshed until the app is opened again");
            }
            // What lands later is taken up by whoever is next, at the price of asking once more.
            drop(tokio::time::timeout(LANDING, this.pilotlight.land()).await);
            app.exit(0);
        });
    }
}

impl HandOver {
    /// Opens the vault for an agent too, each time that the person has opened it here by a passphrase.
    pub(crate) async fn share_what_opens(self) {
        let mut changes = self.pilotlight.subscribe();
        let mut was_open = false;
        while changes.changed().await.is_ok() {
            let is_open = matches!(self.pilotlight.vault_status(), VaultStatus::Ready { .. });
            if is_open && !was_open {
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

/// Makes sure that an agent serves this place.
fn serve_by_agent(place: &Place) -> std::io::Result<()> {
    if answers(place) {
        return Ok(());
    }
    let mut agent = start()?;
    for _ in 0..LOOKS {
        if answers(place) {
            return Ok(());
        }
        if let Some(status) = agent.try_wait()? {
            // Another one may have been quicker.
            return if answers(place) { Ok(()) } else { Err(std::io::Error::other(status.to_string())) };
        }
        std::thread::sleep(PAUSE);
    }
    Err(std::io::Error::from(std::io::ErrorKind::TimedOut))
}

fn answers(place: &Place) -> bool {
    let hello =
        Client::connect(place).and_then(|mut client| Ok(matches!(client.ask(&Request::Hello)?, Answer::Hello { .. })));
    hello.unwrap_or(false)
}

/// It leaves our session by itself. The standard library opens every file so that no child inherits it, and so do GTK and
/// WebKit (tests/it/window_tray.rs).
fn start() -> std::io::Result<Child> {
    let mut command = Command::new(pilotlight_tray::beside("pilotlight"));
    command.args(["agent", "--tray", "--detached"]).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
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
