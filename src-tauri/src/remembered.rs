//! Where the window was, and how large: kept in the home when it has come to rest, and given back at the next start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pilotlight::Home;
use serde::{Deserialize, Serialize};
use tauri::plugin::TauriPlugin;
use tauri::{LogicalSize, PhysicalPosition, Runtime, Window, WindowEvent};

/// A window that was moved or resized is at rest after this.
const REST: Duration = Duration::from_millis(300);
/// A window of which less than this can be seen, in physical pixels, cannot be taken hold of.
const GRIP: i32 = 64;
/// What nobody's screen is larger than, in logical pixels.
const MOST: f64 = 20_000.0;

/// A window at rest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Remembered {
    /// Logical pixels, as when it was last not maximised.
    width: f64,
    height: f64,
    /// Physical pixels; some desktops tell nothing of it, and place windows as they like.
    x: i32,
    y: i32,
    maximised: bool,
}

/// Remembers the windows of this home, of which there is one.
pub(crate) fn plugin<R: Runtime>(home: &Home) -> TauriPlugin<R> {
    let file = home.path().join("window.json");
    tauri::plugin::Builder::new("remembered")
        .on_window_ready(move |window| {
            if let Some(remembered) = Remembered::read(&file) {
                remembered.give_back(&window);
            }
            let (file, changes, resting) = (file.clone(), Arc::new(AtomicU64::new(0)), window.clone());
            window.on_window_event(move |event| match event {
                WindowEvent::Resized(_) | WindowEvent::Moved(_) => {
                    keep_at_rest(resting.clone(), file.clone(), Arc::clone(&changes));
                }
                WindowEvent::CloseRequested { .. } => keep(&resting, &file),
                _ => {}
            });
        })
        .build()
}

/// Keeps it, unless it goes on changing.
fn keep_at_rest<R: Runtime>(window: Window<R>, file: PathBuf, changes: Arc<AtomicU64>) {
    let change = changes.fetch_add(1, Ordering::Relaxed) + 1;
    tauri::async_runtime::spawn(async move {
        tokio::time::sleep(REST).await;
        if changes.load(Ordering::Relaxed) == change {
            keep(&window, &file);
        }
    });
}

fn keep<R: Runtime>(window: &Window<R>, file: &Path) {
    let kept = Remembered::of(window, Remembered::read(file)).map(|now| now.write(file));
    if let Ok(Err(error)) = kept {
        tracing::debug!("where the window is cannot be kept: {error}");
    }
}

impl Remembered {
    fn of<R: Runtime>(window: &Window<R>, before: Option<Self>) -> tauri::Result<Self> {
        let maximised = window.is_maximized()?;
        if let Some(before) = before.filter(|_| maximised) {
            return Ok(Self { maximised, ..before });
        }
        let size = window.inner_size()?.to_logical::<f64>(window.scale_factor()?);
        let place = window.outer_position().unwrap_or_default();
        Ok(Self { width: size.width, height: size.height, x: place.x, y: place.y, maximised })
    }

    fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice::<Self>(&std::fs::read(file).ok()?).ok().filter(Self::can_be)
    }

    /// What is written beside and renamed is never half a file. Nothing is lost where it cannot be written.
    fn write(self, file: &Path) -> std::io::Result<()> {
        if Self::read(file) == Some(self) {
            return Ok(());
        }
        let beside = file.with_extension("json.new");
        std::fs::write(&beside, serde_json::to_vec(&self)?)?;
        std::fs::rename(&beside, file)
    }

    fn can_be(&self) -> bool {
        let one = |length: f64| (1.0..=MOST).contains(&length);
        one(self.width) && one(self.height)
    }

    fn give_back<R: Runtime>(self, window: &Window<R>) {
        let done = window.set_size(LogicalSize::new(self.width, self.height)).and_then(|()| {
            let screens = window.available_monitors()?;
            let screens = screens.iter().map(|screen| (*screen.position(), *screen.size()));
            if screens.into_iter().any(|(at, size)| self.can_be_taken_hold_of(at, size)) {
                window.set_position(PhysicalPosition::new(self.x, self.y))?;
            }
            if self.maximised { window.maximize() } else { Ok(()) }
        });
        if let Err(error) = done {
            tracing::debug!("the window is not given its place back: {error}");
        }
    }

    /// Whether the upper edge, by which windows are moved, begins on that screen.
    fn can_be_taken_hold_of(&self, at: PhysicalPosition<i32>, size: tauri::PhysicalSize<u32>) -> bool {
        let within = |place: i32, from: i32, length: u32| {
            let end = i64::from(from) + i64::from(length) - i64::from(GRIP);
            place >= from && i64::from(place) <= end
        };
        within(self.x, at.x, size.width) && within(self.y, at.y, size.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Remembered = Remembered { width: 600.0, height: 500.0, x: 10, y: 20, maximised: false };

    #[test]
    fn what_is_kept_is_read_again_and_nonsense_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("window.json");
        assert_eq!(Remembered::read(&file), None);
        SOME.write(&file).unwrap();
        assert_eq!(Remembered::read(&file), Some(SOME));
        for nonsense in ["", "{}", r#"{"width":0,"height":500,"x":0,"y":0,"maximised":false}"#, "[1,2]"] {
            std::fs::write(&file, nonsense).unwrap();
            assert_eq!(Remembered::read(&file), None, "{nonsense}");
        }
    }

    #[test]
    fn a_window_on_a_screen_that_is_gone_is_placed_by_the_desktop() {
        let screen = |x, y| (PhysicalPosition::new(x, y), tauri::PhysicalSize::new(1920, 1080));
        let on = |place: Remembered, (at, size)| place.can_be_taken_hold_of(at, size);
        assert!(on(SOME, screen(0, 0)));
        assert!(on(Remembered { x: -1900, ..SOME }, screen(-1920, 0)));
        for lost in [(1919, 20), (10, 1079), (-5, 20), (10, -300), (i32::MAX, i32::MIN)] {
            assert!(!on(Remembered { x: lost.0, y: lost.1, ..SOME }, screen(0, 0)), "{lost:?}");
        }
    }
}
