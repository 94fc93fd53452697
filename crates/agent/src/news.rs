//! What subscribers are told: how the vault and every account stand, and then what changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use pilotlight::Pilotlight;
use pilotlight::storage::VaultStatus;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinSet;

use crate::answer::word;
use crate::protocol::Answer;

/// A subscriber who is further behind is dropped.
const BEHIND: usize = 64;

/// The source of the news; it looks only while somebody listens.
pub(crate) struct News {
    told: broadcast::Sender<Arc<[u8]>>,
    /// Somebody new listens, and has to be told everything.
    begun: Arc<Notify>,
    watching: Mutex<JoinSet<()>>,
}

/// How everything stands, in words.
#[derive(Default, PartialEq, Eq)]
struct Standing {
    vault: String,
    accounts: BTreeMap<String, &'static str>,
}

impl News {
    /// To be called within a Tokio runtime.
    pub(crate) fn of(pilotlight: &Pilotlight) -> Self {
        let (told, begun) = (broadcast::channel(BEHIND).0, Arc::new(Notify::new()));
        let mut watching = JoinSet::new();
        watching.spawn(watch(pilotlight.clone(), told.clone(), Arc::clone(&begun)));
        Self { told, begun, watching: Mutex::new(watching) }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<[u8]>> {
        let receiver = self.told.subscribe();
        self.begun.notify_one();
        receiver
    }

    /// Ends the looking; it lets go of the core before this returns.
    pub(crate) async fn end(&self) {
        let mut watching = std::mem::take(&mut *self.watching.lock().unwrap_or_else(PoisonError::into_inner));
        watching.shutdown().await;
    }
}

async fn watch(pilotlight: Pilotlight, told: broadcast::Sender<Arc<[u8]>>, begun: Arc<Notify>) {
    let mut changes = pilotlight.subscribe();
    let mut last = Standing::default();
    loop {
        let all = tokio::select! {
            () = begun.notified() => true,
            changed = changes.changed() => match changed {
                Ok(()) => false,
                Err(_) => return,
            },
        };
        if told.receiver_count() == 0 {
            continue;
        }
        let now = Standing::of(&pilotlight, &last).await;
        // Everybody hears again how things stand when somebody new listens; saying so twice harms nobody.
        let lines = now.lines_after(if all { None } else { Some(&last) });
        last = now;
        if !lines.is_empty() {
            // An error means that nobody listens any more.
            let _ = told.send(lines.into());
        }
    }
}

impl Standing {
    async fn of(pilotlight: &Pilotlight, last: &Self) -> Self {
        let accounts = match pilotlight.accounts().await {
            Ok(all) => all.accounts.into_iter().map(|account| (account.name, word(&account.status))).collect(),
            // What cannot be read is not gone.
            Err(_) => last.accounts.clone(),
        };
        let vault = match pilotlight.vault_status() {
            VaultStatus::Ready { .. } => "ready".to_owned(),
            VaultStatus::Closed => "closed".to_owned(),
            VaultStatus::Unavailable(error) => error.code().as_str().to_owned(),
        };
        Self { vault, accounts }
    }

    /// The lines that tell what is other than before, or everything.
    fn lines_after(&self, before: Option<&Self>) -> Vec<u8> {
        let mut lines = vec![];
        let mut tell = |answer: Answer<'_>| lines.extend_from_slice(&answer.line());
        if before.is_none_or(|before| before.vault != self.vault) {
            tell(Answer::Vault(self.vault.as_str().into()));
        }
        for (name, status) in &self.accounts {
            if before.is_none_or(|before| before.accounts.get(name) != Some(status)) {
                tell(Answer::Account { name: name.into(), status: (*status).into() });
            }
        }
        let gone = before.into_iter().flat_map(|before| before.accounts.keys());
        for name in gone.filter(|name| !self.accounts.contains_key(*name)) {
            tell(Answer::Account { name: name.into(), status: "gone".into() });
        }
        lines
    }
}
