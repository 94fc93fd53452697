//! Notices to the person (the Desktop Notifications Specification, `org.freedesktop.Notifications`).
//!
//! There is a connection only while a notice is open: as a rule there is none, and then nothing waits for anything.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use pilotlight::values::Timestamp;
use zbus::export::futures_core::Stream as _;
use zbus::message::Type;
use zbus::zvariant::Value;
use zbus::{Connection, MatchRule, Message, MessageStream};

use crate::attention::Notice;
use crate::flame::{self, Picture};
use crate::shown::Told;
use crate::words::Words;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// A desktop that does not answer holds nothing up for longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The name of the one button; a click on the notice itself is `default`.
const BUTTON: &str = "open";

/// The notices that are open.
#[derive(Default)]
pub(crate) struct Notices {
    bus: Option<Bus>,
    open: HashMap<u32, Notice>,
}

struct Bus {
    connection: Connection,
    signals: MessageStream,
}

impl Notices {
    /// Shows it until it is mended or put away.
    ///
    /// # Errors
    /// Nothing on the session's bus shows notices.
    pub(crate) async fn show(&mut self, notice: &Notice, words: &Words, now: Timestamp) -> zbus::Result<()> {
        let told = Told::of(notice, words, now);
        // Without words of its own a click on the notice is no second button: Xfce makes one of every action that has some.
        let actions = ["default", "", BUTTON, told.button];
        let hints = HashMap::from([("urgency", Value::from(1_u8)), ("image-data", picture())]);
        // No name of an icon, nothing to replace; the text may be markup, and it never goes by itself.
        let body = ("Pilotlight", 0_u32, "", told.heading.as_str(), told.text.as_str(), &actions[..], hints, 0_i32);
        let shown = async {
            let bus = self.bus().await?;
            let answer = bus.connection.call_method(Some(NAME), PATH, Some(NAME), "Notify", &body).await?;
            answer.body().deserialize::<u32>()
        };
        let shown = tokio::time::timeout(PATIENCE, shown).await;
        let id = shown.unwrap_or_else(|_| Err(zbus::Error::Failure("it does not answer".to_owned())));
        match id {
            Ok(id) => {
                self.open.insert(id, notice.clone());
                Ok(())
            }
            Err(error) => {
                self.rest();
                Err(error)
            }
        }
    }

    /// Takes back what is mended.
    pub(crate) async fn withdraw(&mut self, notice: &Notice) {
        let ids: Vec<u32> = self.open.iter().filter(|(_, open)| *open == notice).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(bus) = &self.bus {
                let body = (id,);
                let closing = bus.connection.call_method(Some(NAME), PATH, Some(NAME), "CloseNotification", &body);
                // The person may have put it away at this very moment.
                let _ = tokio::time::timeout(PATIENCE, closing).await;
            }
            self.open.remove(&id);
        }
        self.rest();
    }

    /// Takes all of them back: nobody would hear their buttons any more.
    pub(crate) async fn withdraw_all(&mut self) {
        let all: Vec<_> = self.open.values().cloned().collect();
        for notice in all {
            self.withdraw(&notice).await;
        }
    }

    /// The next notice whose button the person pressed; never while none is open.
    pub(crate) async fn pressed(&mut self) -> Notice {
        loop {
            let Some(bus) = &mut self.bus else { return std::future::pending().await };
            let Some(Ok(signal)) = std::future::poll_fn(|context| Pin::new(&mut bus.signals).poll_next(context)).await
            else {
                // The bus has gone, and the notices with it.
                self.open.clear();
                self.rest();
                continue;
            };
            let pressed = read(&signal).and_then(|(id, pressed)| Some((self.open.remove(&id)?, pressed)));
            if pressed.is_some() {
                self.rest();
            }
            if let Some((notice, true)) = pressed {
                return notice;
            }
        }
    }

    async fn bus(&mut self) -> zbus::Result<&Bus> {
        if let Some(bus) = self.bus.take() {
            return Ok(self.bus.insert(bus));
        }
        let connection = Connection::session().await?;
        let rule = MatchRule::builder().msg_type(Type::Signal).interface(NAME)?.path(PATH)?.build();
        let signals = MessageStream::for_match_rule(rule, &connection, None).await?;
        Ok(self.bus.insert(Bus { connection, signals }))
    }

    /// Lets go of the bus where no notice is open.
    fn rest(&mut self) {
        if self.open.is_empty() {
            self.bus = None;
        }
    }
}

/// Which notice a signal is about, and whether its button was pressed; otherwise it was put away.
fn read(signal: &Message) -> Option<(u32, bool)> {
    match signal.header().member()?.as_str() {
        "ActionInvoked" => Some((signal.body().deserialize::<(u32, String)>().ok()?.0, true)),
        "NotificationClosed" => Some((signal.body().deserialize::<(u32, u32)>().ok()?.0, false)),
        _ => None,
    }
}

/// The flame as the specification wants it: width, height, bytes in a row, whether there is alpha, bits, channels, RGBA.
fn picture() -> Value<'static> {
    let Some(pixels) = flame::drawn(Picture::Asking).last() else { return Value::from(0_u8) };
    let mut rgba = pixels.argb.clone();
    rgba.chunks_exact_mut(4).for_each(|pixel| pixel.rotate_left(1));
    let side = i32::from(pixels.side);
    Value::from((side, side, side * 4, true, 8_i32, 4_i32, rgba))
}
