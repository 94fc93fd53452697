//! The app lends tokens to other programs itself, while its window is open and no agent does.
//!
//! It does so in its own process and over its own vault. Where an agent serves, the app waits for its end on a thread that
//! sleeps; the lock of the agent's place tells.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use pilotlight::{Home, Pilotlight};
use pilotlight_agent::{Agent, Ended, Place, PlaceError, Unknown};
use tauri::plugin::{Builder, TauriPlugin};
use tauri::webview::PageLoadEvent;
use tauri::{AppHandle, Manager as _, Runtime};
use tokio::sync::oneshot;

use crate::questions::{self, Questions};

/// An agent that has ended may be started anew at once; the app gives it so long.
const PAUSE: Duration = Duration::from_secs(1);

/// What this process lends. Clones share it.
#[derive(Clone)]
pub(crate) struct Lending {
    pilotlight: Pilotlight,
    home: Home,
    place: Place,
    standing: Arc<Mutex<Standing>>,
}

enum Standing {
    /// Somebody else serves, or the window is not up yet.
    Waiting,
    Serving {
        end: oneshot::Sender<()>,
        task: tokio::task::JoinHandle<Ended>,
    },
    /// The window is being closed: nothing begins any more.
    Over,
}

impl Lending {
    pub(crate) fn new(pilotlight: Pilotlight, home: Home, place: Place) -> Self {
        Self { pilotlight, home, place, standing: Arc::new(Mutex::new(Standing::Waiting)) }
    }

    /// Whether other programs get their tokens here.
    pub(crate) fn is_serving(&self) -> bool {
        matches!(*self.standing(), Standing::Serving { .. })
    }

    /// Serves no longer, and begins no more. None where it did not serve.
    pub(crate) async fn end(&self) -> Option<Ended> {
        let before = std::mem::replace(&mut *self.standing(), Standing::Over);
        let Standing::Serving { end, task } = before else { return None };
        // It may have ended by itself.
        let _ = end.send(());
        task.await.ok()
    }

    /// Waits for its turn, and serves.
    fn begin<R: Runtime>(self, app: AppHandle<R>) {
        let waiting = std::thread::Builder::new().name("lending".to_owned()).spawn(move || {
            if let Err(error) = self.take_turn(&app) {
                tracing::warn!("other programs get no tokens from the app: {error}");
            }
        });
        if let Err(error) = waiting {
            tracing::warn!("other programs get no tokens from the app: {error}");
        }
    }

    fn take_turn<R: Runtime>(&self, app: &AppHandle<R>) -> Result<(), PlaceError> {
        while self.is_to_begin() {
            match self.serve(app) {
                Err(PlaceError::Taken) => {
                    let asking = ask_for(app.clone());
                    self.place.wait_until_free()?;
                    // It ends with the agent that it asks for.
                    drop(asking.map(JoinHandle::join));
                    std::thread::sleep(PAUSE);
                }
                begun => return begun,
            }
        }
        Ok(())
    }

    fn is_to_begin(&self) -> bool {
        matches!(*self.standing(), Standing::Waiting)
    }

    fn serve<R: Runtime>(&self, app: &AppHandle<R>) -> Result<(), PlaceError> {
        let runtime = tauri::async_runtime::handle();
        let _runtime = runtime.inner().enter();
        // Kept until it serves: whoever closes the window finds either nothing or all of it.
        let mut standing = self.standing();
        if !matches!(*standing, Standing::Waiting) {
            return Ok(());
        }
        let agent = Agent::new(self.pilotlight.clone(), &self.home, &self.place, Unknown::Ask)?;
        tokio::spawn(questions::show(app.clone(), agent.desk()));
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(agent.serve_until(async { drop(ended.await) }));
        *standing = Standing::Serving { end, task };
        Ok(())
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        // Nothing panics while it is held.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the person asked here what an agent of another process wants to know, as long as that serves.
fn ask_for<R: Runtime>(app: AppHandle<R>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("questions".to_owned()).spawn(move || {
        if let Err(error) = questions::relay(&app) {
            tracing::warn!("an agent's questions are not shown: {error}");
        }
    })
}

/// Begins when the page is there, so that nobody waits for it; and has the person asked there.
pub(crate) fn plugin<R: Runtime>(lending: Lending) -> TauriPlugin<R> {
    let begun = AtomicBool::new(false);
    Builder::new("questions")
        .invoke_handler(tauri::generate_handler![questions::list, questions::answer])
        .setup(|app, _| {
            app.manage(Questions::default());
            Ok(())
        })
        .on_page_load(move |webview, load| {
            if load.event() == PageLoadEvent::Finished && !begun.swap(true, Ordering::Relaxed) {
                lending.clone().begin(webview.app_handle().clone());
            }
        })
        .build()
}
