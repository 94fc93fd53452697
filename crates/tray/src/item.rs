//! The item in the tray and its menu, as the desktop's host sees them.

use ksni::menu::{MenuItem, StandardItem};
use ksni::{Category, Icon, OfflineReason, Status, ToolTip};
use tokio::sync::mpsc::UnboundedSender;

use crate::flame::{self, Picture};
use crate::shown::{Lock, Shown};
use crate::tray::{Order, Wish};
use crate::words::Words;

/// What is shown now, and where the person's orders go.
pub(crate) struct Item {
    pub(crate) shown: Shown,
    pub(crate) words: &'static Words,
    pub(crate) orders: UnboundedSender<Order>,
}

impl Item {
    fn order(&self, order: Order) {
        // Nobody hears it only when the tray is being put away.
        let _ = self.orders.send(order);
    }

    fn entry(label: &str, order: Order) -> MenuItem<Self> {
        let activate = Box::new(move |item: &mut Self| item.order(order.clone()));
        StandardItem { label: literal(label), activate, ..StandardItem::default() }.into()
    }

    fn pixmap(&self) -> Vec<Icon> {
        let icon = |pixels: &flame::Pixels| {
            let side = i32::from(pixels.side);
            Icon { width: side, height: side, data: pixels.argb.clone() }
        };
        flame::drawn(self.shown.picture).iter().map(icon).collect()
    }

    fn open(account: Option<String>) -> Order {
        Order::Wish(Wish::Open { account })
    }
}

/// An underscore in a menu marks a key, and two of them are one to see.
fn literal(label: &str) -> String {
    label.replace('_', "__")
}

impl ksni::Tray for Item {
    fn id(&self) -> String {
        "dev.pilotlight".to_owned()
    }

    fn title(&self) -> String {
        format!("Pilotlight: {}", self.shown.glance)
    }

    fn category(&self) -> Category {
        Category::ApplicationStatus
    }

    fn status(&self) -> Status {
        if self.shown.picture == Picture::Asking { Status::NeedsAttention } else { Status::Active }
    }

    fn icon_pixmap(&self) -> Vec<Icon> {
        self.pixmap()
    }

    /// Hosts that have two places for icons take this one while a person is asked.
    fn attention_icon_pixmap(&self) -> Vec<Icon> {
        if self.shown.picture == Picture::Asking { self.pixmap() } else { vec![] }
    }

    fn tool_tip(&self) -> ToolTip {
        // All of it in the title: LXQt's panel shows nothing else.
        ToolTip { title: self.title(), ..ToolTip::default() }
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        let mut menu: Vec<MenuItem<Self>> = vec![
            StandardItem { label: literal(&self.shown.glance), enabled: false, ..StandardItem::default() }.into(),
            MenuItem::Separator,
        ];
        let accounts = self.shown.lines.iter();
        menu.extend(accounts.map(|line| Self::entry(&line.label, Self::open(Some(line.account.clone())))));
        menu.extend(self.shown.more.iter().map(|more| Self::entry(more, Self::open(None))));
        if !self.shown.lines.is_empty() {
            menu.push(MenuItem::Separator);
        }
        menu.push(Self::entry(self.words.open, Self::open(None)));
        menu.extend(self.shown.lock.map(|lock| match lock {
            Lock::Lock => Self::entry(self.words.lock, Order::Lock),
            Lock::Unlock => Self::entry(self.words.unlock, Order::Unlock),
        }));
        menu.push(Self::entry(self.words.quit, Order::Wish(Wish::Quit)));
        menu
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        self.order(Self::open(None));
    }

    /// Without a host nobody sees the item; it goes on, and registers with the next one.
    fn watcher_offline(&self, reason: OfflineReason) -> bool {
        tracing::info!(?reason, "nothing shows the tray at the moment");
        true
    }
}
