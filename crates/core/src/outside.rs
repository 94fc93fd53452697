//! What happens outside of this process and matters to it: another process wrote to the vault, the machine woke, the network came back.

use tokio::sync::mpsc;

use crate::Config;
use crate::schedule::NewsReceiver;

/// One piece of news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "watch", target_os = "linux")),
    expect(
        dead_code,
        reason = "only Linux tells of waking and the network so far, and without `watch` nobody is asked"
    )
)]
pub(crate) enum News {
    /// Something wrote to the vault's file; perhaps this process itself.
    VaultWritten,
    /// Something wrote to the settings.
    SettingsWritten,
    /// The machine woke from sleep.
    Woke,
    /// The network came back.
    Online,
}

/// Watches for as long as it is kept.
pub(crate) struct Watch {
    #[cfg(feature = "watch")]
    _files: Option<notify::RecommendedWatcher>,
    /// Keeps the channel open where nothing else does, so that the receiver waits and does not spin.
    _open: mpsc::UnboundedSender<News>,
}

/// Begins to watch, as far as the platform lets us; what cannot be watched is done without.
pub(crate) fn watch(config: &Config) -> (Watch, NewsReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    #[cfg(feature = "watch")]
    let files = if config.watch { watch_vault(config, sender.clone()) } else { None };
    #[cfg(all(feature = "watch", target_os = "linux"))]
    if config.watch {
        system_bus::listen(sender.clone());
    }
    #[cfg(not(feature = "watch"))]
    let _ = config;
    let watch = Watch {
        #[cfg(feature = "watch")]
        _files: files,
        _open: sender,
    };
    (watch, receiver)
}

/// Whatever the strategy, its files are called `vault` and something; the choice of another strategy counts as well, and what a person
/// has set.
#[cfg(feature = "watch")]
fn is_of_vault(path: &std::path::Path) -> bool {
    let name = path.file_name().map(std::ffi::OsStr::to_string_lossy).unwrap_or_default();
    (name.starts_with("vault") && name != "vault.lock") || name == "strategy"
}

#[cfg(feature = "watch")]
fn is_of_settings(path: &std::path::Path) -> bool {
    path.file_name().is_some_and(|name| name == "settings.json")
}

#[cfg(feature = "watch")]
fn watch_vault(config: &Config, sender: mpsc::UnboundedSender<News>) -> Option<notify::RecommendedWatcher> {
    use notify::Watcher as _;
    let folder = config.home.path().to_owned();
    crate::files::make_private_folder(&folder).ok()?;
    let told = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let written =
            |is: fn(&std::path::Path) -> bool| !event.kind.is_access() && event.paths.iter().any(|path| is(path));
        for (is, news) in [(is_of_vault as fn(&_) -> _, News::VaultWritten), (is_of_settings, News::SettingsWritten)] {
            if written(is) {
                // The receiver is gone only when the task is.
                let _ = sender.send(news);
            }
        }
    };
    let mut watcher = notify::recommended_watcher(told).ok()?;
    watcher.watch(&folder, notify::RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

/// logind tells of sleep, NetworkManager of the network; where they do not run, the timer that counts sleep and the pauses do.
#[cfg(all(feature = "watch", target_os = "linux"))]
mod system_bus {
    use tokio::sync::mpsc::UnboundedSender;
    use zbus::blocking::{Connection, MessageIterator};
    use zbus::{MatchRule, Message};

    use super::News;

    /// NetworkManager's `NM_STATE_CONNECTED_SITE` and above.
    const CONNECTED: u32 = 60;

    pub(super) fn listen(sender: UnboundedSender<News>) {
        for (interface, member) in
            [("org.freedesktop.login1.Manager", "PrepareForSleep"), ("org.freedesktop.NetworkManager", "StateChanged")]
        {
            let sender = sender.clone();
            // A thread that waits on a socket costs no wake-up; it ends with the connection or the process.
            let _ = std::thread::Builder::new()
                .name(format!("pilotlight-{}", member.to_lowercase()))
                .spawn(move || follow(interface, member, &sender));
        }
    }

    fn follow(interface: &'static str, member: &'static str, sender: &UnboundedSender<News>) -> Option<()> {
        let connection = Connection::system().ok()?;
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .interface(interface)
            .ok()?
            .member(member)
            .ok()?;
        for message in MessageIterator::for_match_rule(rule.build(), &connection, None).ok()? {
            if let Some(news) = read(member, &message.ok()?) {
                sender.send(news).ok()?;
            }
        }
        None
    }

    fn read(member: &str, message: &Message) -> Option<News> {
        match member {
            // `true` announces the sleep, `false` its end.
            "PrepareForSleep" => (!message.body().deserialize::<bool>().ok()?).then_some(News::Woke),
            _ => (message.body().deserialize::<u32>().ok()? >= CONNECTED).then_some(News::Online),
        }
    }
}
