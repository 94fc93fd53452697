//! The tray at work: looks when something has changed, shows it, and hears the person.

use std::time::Duration;

use ksni::{Handle, TrayMethods as _};
use pilotlight::values::Timestamp;
use pilotlight::{Home, Pilotlight};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::attention::{Attention, Changes};
use crate::item::Item;
use crate::notices::Notices;
use crate::shown::Shown;
use crate::standing::Standing;
use crate::told;
use crate::words::{Language, Words};

/// Changes come in bursts; a burst is looked at once.
const BURST: Duration = Duration::from_millis(150);

/// What the person wants of the program around the tray.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// To see the app, at this account where one is named.
    Open {
        /// The account's name.
        account: Option<String>,
    },
    /// That the program ends.
    Quit,
}

/// What the menu was told.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    Wish(Wish),
    Lock,
    Unlock,
}

/// The tray of one home.
pub struct Tray {
    pilotlight: Pilotlight,
    home: Home,
    /// Where the person has set none.
    language: Language,
    wishes: UnboundedSender<Wish>,
}

/// What is shown at the moment.
struct Scene {
    orders: UnboundedSender<Order>,
    item: Option<Handle<Item>>,
    /// There is no bus to show it on; this is said once.
    has_no_place: bool,
    shown: Option<Shown>,
    attention: Attention,
    notices: Notices,
}

impl Scene {
    /// Brings the item in line with this; where the person wants none, it goes.
    async fn show(&mut self, shown: Shown, words: &'static Words, wanted: bool) {
        if !wanted {
            if let Some(item) = self.item.take() {
                item.shutdown().await;
            }
            return;
        }
        if self.item.is_none() && !self.has_no_place {
            let item = Item { shown: shown.clone(), words, orders: self.orders.clone() };
            match item.assume_sni_available(true).spawn().await {
                Ok(item) => self.item = Some(item),
                Err(error) => {
                    tracing::warn!("there is no tray: {error}");
                    self.has_no_place = true;
                }
            }
        } else if let Some(item) = &self.item
            && self.shown.as_ref() != Some(&shown)
        {
            let shown = shown.clone();
            item.update(|item| (item.shown, item.words) = (shown, words)).await;
        }
        self.shown = Some(shown);
    }
}

impl Tray {
    /// A tray, and what a person wants of the program around it.
    #[must_use]
    pub fn new(pilotlight: Pilotlight, home: Home, language: Language) -> (Self, UnboundedReceiver<Wish>) {
        let (wishes, heard) = unbounded_channel();
        (Self { pilotlight, home, language, wishes }, heard)
    }

    /// Shows until `end`, and takes back what it showed. Without a bus it goes on without the item; without a host for it, it
    /// waits for one.
    pub async fn show_until(self, end: impl Future<Output = ()>) {
        let (orders, mut heard) = unbounded_channel();
        let mut changes = self.pilotlight.subscribe();
        let mut scene = Scene {
            orders,
            item: None,
            has_no_place: false,
            shown: None,
            attention: Attention::after(told::read(&self.home)),
            notices: Notices::default(),
        };
        tokio::pin!(end);
        loop {
            let again = self.look(&mut scene).await;
            let asleep = async {
                match again {
                    Some(at) => tokio::time::sleep(at.since(self.pilotlight.now())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut end => break,
                changed = changes.changed() => match changed {
                    Ok(()) => {
                        tokio::time::sleep(BURST).await;
                        changes.mark_unchanged();
                    }
                    Err(_) => break,
                },
                Some(order) = heard.recv() => self.obey(order).await,
                notice = scene.notices.pressed() => self.wish(Wish::Open { account: notice.account }),
                () = asleep => {}
            }
        }
        scene.notices.withdraw_all().await;
        if let Some(item) = scene.item {
            item.shutdown().await;
        }
    }

    /// Brings the item and the notices in line with how everything stands; tells when that changes by itself.
    async fn look(&self, scene: &mut Scene) -> Option<Timestamp> {
        let standing = Standing::of(&self.pilotlight).await;
        let settings = self.pilotlight.settings();
        let words = Language::set(settings.language).unwrap_or(self.language).words();
        scene.show(Shown::of(&standing, words), words, settings.tray).await;
        let before = scene.attention.to_keep();
        let Changes { withdraw, show, again } = scene.attention.look(&standing);
        for notice in &withdraw {
            scene.notices.withdraw(notice).await;
        }
        for notice in &show {
            if let Err(error) = scene.notices.show(notice, words, standing.now).await {
                tracing::info!("a notice could not be shown: {error}");
                scene.attention.was_not_told(notice);
            }
        }
        let now = scene.attention.to_keep();
        if now != before {
            told::write(&self.home, &now);
        }
        again
    }

    async fn obey(&self, order: Order) {
        let done = match order {
            Order::Wish(wish) => return self.wish(wish),
            Order::Lock => self.pilotlight.lock().await,
            Order::Unlock => self.pilotlight.unlock().await,
        };
        self.pilotlight.announce();
        if let Err(error) = done {
            tracing::info!(code = error.code().as_str(), "the vault could not be locked or unlocked");
            // The app says what is wrong, and takes a passphrase.
            self.wish(Wish::Open { account: None });
        }
    }

    fn wish(&self, wish: Wish) {
        // Nobody hears it only when the program is ending.
        let _ = self.wishes.send(wish);
    }
}
