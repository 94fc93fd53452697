//! The tray of an agent: what a person asks of it beside what it shows.

use pilotlight::{Home, Pilotlight};
use pilotlight_tray::{Language, Tray, Wish};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::output;

/// A tray that is shown.
pub(super) struct Shown {
    wishes: UnboundedReceiver<Wish>,
    task: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

impl Shown {
    /// To be called within a Tokio runtime.
    pub(super) fn begin(pilotlight: Pilotlight, home: Home) -> Self {
        let (tray, wishes) = Tray::new(pilotlight, home, Language::of_surroundings());
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(tray.show_until(async { drop(ended.await) }));
        Self { wishes, task, end }
    }

    /// Opens the app as often as the person wishes; ends when the agent is to end.
    pub(super) async fn carry_out_wishes(&mut self) {
        while let Some(wish) = self.wishes.recv().await {
            match wish {
                Wish::Quit => return,
                Wish::Open { account } => {
                    if let Err(error) = pilotlight_tray::open_app(account.as_deref()) {
                        output::note(&format!("pilotlight-desktop does not start: {error}."));
                    }
                }
            }
        }
        // Without a tray the agent serves on.
        std::future::pending().await
    }

    /// Takes it away, with its notices; it lets go of the core before this returns.
    pub(super) async fn end(self) {
        // It may have ended by itself.
        let _ = self.end.send(());
        drop(self.task.await);
    }
}
