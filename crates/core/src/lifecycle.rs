//! The face of the crate, and what it knows of each grant.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pilotlight_oauth::{ExposeSecret as _, Timestamp};
use pilotlight_vault::{GrantId, Keystore, Listed, Vault};
use secrecy::SecretString;
use tokio::sync::{Notify, watch};

use crate::anchor::Anchor;
use crate::exchange::Exchanged;
use crate::flights::Flights;
use crate::grant::EndReason;
use crate::journal::Journal;
use crate::journal::{Chain, EventKind, JournalEntry};
use crate::pace::Paces;
use crate::page::{Held, Page, Standing};
use crate::parts::{Browser, Clock, Locks, Random, Transport};
use crate::plan::Plan;
use crate::recent::Recent;
use crate::record::Ended;
use crate::settings::Current;
use crate::storage::Storage;
use crate::values::Accounts;
use crate::{AccessToken, Account, Error, ErrorCode, Home, Status};

/// What Pilotlight works with. Tests hand in their own parts.
#[derive(Clone)]
pub struct Config {
    /// Where the files are.
    pub home: Home,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness for keys, `state` and verifiers.
    pub random: Arc<dyn Random>,
    /// How servers are reached.
    pub transport: Arc<dyn Transport>,
    /// Where the vault's key is kept.
    pub keystore: Arc<dyn Keystore>,
    /// Who may refresh: a file lock on one machine, a lease where several hosts share a vault.
    pub locks: Arc<dyn Locks>,
    /// The address of the Redis that the strategy `redis` shares its vault by; may hold a password.
    pub redis: Option<SecretString>,
    /// The machine's TPM for the strategy `hardware`, where it is another device than the usual one.
    pub tpm: Option<PathBuf>,
    /// How a person is shown a sign-in page.
    pub browser: Arc<dyn Browser>,
    /// The private-use scheme by which this program is handed a browser's answer ([`crate::redirect::deliver`]); reversed domain.
    pub redirect_scheme: Option<String>,
    /// Whether the background task watches for other processes' writes, for waking and for the network.
    pub watch: bool,
}

/// Keeps grants alive. Clones share everything.
#[derive(Clone)]
pub struct Pilotlight(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) journal: Journal,
    pub(crate) storage: Storage,
    pub(crate) settings: Current,
    book: Mutex<HashMap<GrantId, Page>>,
    plan: Mutex<Plan>,
    pub(crate) flights: Flights,
    pub(crate) exchanged: Exchanged,
    pub(crate) paces: Paces,
    pub(crate) recent: Recent,
    /// The plan's first instant has changed.
    pub(crate) replanned: Notify,
    /// The vault has to be read again.
    pub(crate) reread: Notify,
    pub(crate) wake_ups: AtomicU64,
    /// The newest answer's `Date` against our clock, and when that answer came.
    clock_offset: Mutex<Option<(Timestamp, i64)>>,
    changed: watch::Sender<u64>,
}

impl Pilotlight {
    /// Begins with nothing open; the vault is opened at its first use.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::build(config, None)
    }

    /// Uses a vault of the caller's choice.
    #[must_use]
    pub fn with_vault(config: Config, vault: Arc<dyn Vault>) -> Self {
        Self::build(config, Some(vault))
    }

    fn build(config: Config, vault: Option<Arc<dyn Vault>>) -> Self {
        let journal = Journal::new(&config.home);
        let (changed, _) = watch::channel(0);
        Self(Arc::new(Inner {
            storage: Storage::new(vault, config.keystore.kind()),
            settings: Current::of(config.home.clone()),
            config,
            journal,
            book: Mutex::default(),
            plan: Mutex::default(),
            flights: Flights::default(),
            exchanged: Exchanged::default(),
            paces: Paces::default(),
            recent: Recent::default(),
            replanned: Notify::new(),
            reread: Notify::new(),
            wake_ups: AtomicU64::new(0),
            clock_offset: Mutex::default(),
            changed,
        }))
    }

    /// Every account.
    pub async fn accounts(&self) -> Result<Accounts, Error> {
        let listed = self.with_vault_do(|vault| vault.list()).await?;
        let mut all = Accounts::default();
        for entry in listed {
            match entry {
                Listed::Damaged { id } => all.damaged.push(id),
                Listed::Record(record) => match Held::read(record) {
                    Ok(held) => all.accounts.push(self.account_of(&held)),
                    Err((id, _)) => all.damaged.push(id),
                },
            }
        }
        all.accounts.sort_by(|a, b| a.name.cmp(&b.name).then(a.signed_in_at.cmp(&b.signed_in_at)));
        Ok(all)
    }

    /// One account. Where an ended one and its successor share a name, the successor.
    pub async fn account(&self, name: &str) -> Result<Account, Error> {
        let held = self.find(name).await?;
        Ok(self.account_of(&held))
    }

    /// An access token that lives at least `min_ttl` from now: the stored one, or a new one by a refresh.
    ///
    /// Where `min_ttl` is longer than a token's whole life, a fresh one is given, at most half a minute old, so that many who
    /// ask for too much at once share one refresh. While the service is out of reach, a token
    /// that is still alive is given where `min_ttl` is zero.
    pub async fn access_token(&self, name: &str, min_ttl: Duration) -> Result<AccessToken, Error> {
        if let Some(token) = self.lent_lately(name, min_ttl) {
            return Ok(token);
        }
        let stamp = self.stamp();
        let held = self.find(name).await?;
        self.refuse_ended(&held)?;
        if self.anchor(&held).outlives(self.elapsed(), min_ttl)
            && let Some(token) = self.lend(&held)
        {
            self.keep_lent(stamp, &held, &token);
            return Ok(token);
        }
        match self.refreshed(&held, false).await {
            Ok(fresh) => self.lend(&fresh).ok_or_else(missing_access_token),
            Err(error) => {
                let alive = min_ttl.is_zero() && self.anchor(&held).is_alive(self.elapsed());
                let pinch = alive && error.kind() != crate::ErrorKind::NeedsSignIn;
                self.lend(&held).filter(|_| pinch).ok_or(error)
            }
        }
    }

    /// Refreshes now, whatever is stored; joins a refresh that is in flight already.
    pub async fn refresh(&self, name: &str) -> Result<AccessToken, Error> {
        let held = self.find(name).await?;
        self.refuse_ended(&held)?;
        let fresh = self.refreshed(&held, true).await?;
        self.lend(&fresh).ok_or_else(missing_access_token)
    }

    /// The stored access token where it is another one than `refused`, or else a new one.
    pub(crate) async fn other_than(&self, name: &str, refused: &AccessToken) -> Result<AccessToken, Error> {
        let held = self.find(name).await?;
        self.refuse_ended(&held)?;
        let other = self.lend(&held).filter(|token| token.token.expose_secret() != refused.token.expose_secret());
        match other {
            Some(token) => Ok(token),
            None => self.lend(&self.refreshed(&held, true).await?).ok_or_else(missing_access_token),
        }
    }

    /// The newest entries of the journal, newest first; of one account where it is named.
    pub async fn events(&self, name: Option<&str>, limit: usize) -> Result<Vec<JournalEntry>, Error> {
        let (journal, name) = (self.0.journal.clone(), name.map(ToOwned::to_owned));
        blocking(move || journal.newest(name.as_deref(), limit)).await
    }

    /// Whether the journal is as it was written.
    pub async fn verify_journal(&self) -> Result<Chain, Error> {
        let journal = self.0.journal.clone();
        blocking(move || journal.verify()).await
    }

    /// Changes its number whenever something that can be shown has changed.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// How far the services' clocks are ahead of ours, in milliseconds, by the last answer's `Date`; below zero where ours is
    /// ahead. Nothing depends on it but the person, who may want to set the clock.
    #[must_use]
    pub fn clock_offset(&self) -> Option<i64> {
        lock(&self.0.clock_offset).map(|(_, offset)| offset)
    }

    /// How often the background task woke since the start.
    #[must_use]
    pub fn wake_ups(&self) -> u64 {
        self.0.wake_ups.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Tells everybody to look again.
    pub fn announce(&self) {
        self.0.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The wall clock of this Pilotlight.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.config.clock.now()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.config.clock.elapsed()
    }

    /// A wall-clock instant for one of [`Clock::elapsed`], for showing.
    pub(crate) fn shown(&self, elapsed: Duration) -> Timestamp {
        let (now, at) = (self.now(), self.elapsed());
        if elapsed >= at { now.plus(elapsed - at) } else { now.minus(at - elapsed) }
    }

    /// Learns the server's clock from an answer, and says how far it is ahead, in milliseconds.
    pub(crate) fn hear_clock(&self, answer: &pilotlight_oauth::HttpResponse) -> Option<i64> {
        let now = self.now();
        let offset = answer.date?.as_millis().saturating_sub(now.as_millis());
        *lock(&self.0.clock_offset) = Some((now, offset));
        Some(offset)
    }

    /// What an earlier process learned of the server's clock, where it is newer than what is known.
    fn recall_clock(&self, record: &crate::record::GrantRecord) {
        if let Some(offset) = record.clock_offset_ms {
            let mut known = lock(&self.0.clock_offset);
            if known.is_none_or(|(at, _)| at < record.refreshed_at) {
                *known = Some((record.refreshed_at, offset));
            }
        }
    }

    /// When this generation's tokens end and are due; worked out once, when it is first seen.
    pub(crate) fn anchor(&self, held: &Held) -> Anchor {
        let (now, elapsed) = (self.now(), self.elapsed());
        let leeway = self.0.settings.now().leeway;
        self.page(held.id, |page| match page.anchor {
            Some(anchor) if anchor.generation == held.generation && anchor.leeway == leeway => anchor,
            _ => *page.anchor.insert(Anchor::new(held.id, held.generation, &held.record, leeway, now, elapsed)),
        })
    }

    /// The stored access token, with the end that this process believes in.
    fn lend(&self, held: &Held) -> Option<AccessToken> {
        let access = held.record.access.as_ref()?;
        let expires_at = self.anchor(held).expires.map(|at| self.shown(at));
        Some(AccessToken { expires_at, ..access.clone() })
    }

    pub(crate) fn plan<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut lock(&self.0.plan))
    }

    /// Looks at every page and collects what `look` finds.
    pub(crate) fn pages<T>(&self, mut look: impl FnMut(GrantId, &mut Page) -> Option<T>) -> Vec<T> {
        lock(&self.0.book).iter_mut().filter_map(|(id, page)| look(*id, page)).collect()
    }

    pub(crate) fn page<T>(&self, id: GrantId, look: impl FnOnce(&mut Page) -> T) -> T {
        look(lock(&self.0.book).entry(id).or_default())
    }

    pub(crate) fn forget(&self, id: GrantId) {
        lock(&self.0.book).remove(&id);
        self.plan(|plan| plan.set(id, None));
    }

    /// Writes to the journal, one sentence free of secrets. A journal that cannot be written stops nothing; it is said in the log.
    pub async fn note(&self, account: &str, kind: EventKind, text: &str) {
        self.write_down(account, kind, text, None).await;
    }

    /// As [`note`](Self::note), of what a program was given or refused. `program` is its file.
    pub async fn note_program(&self, account: &str, kind: EventKind, text: &str, program: &str) {
        self.write_down(account, kind, text, Some(program.to_owned())).await;
    }

    async fn write_down(&self, account: &str, kind: EventKind, text: &str, program: Option<String>) {
        let (journal, at) = (self.0.journal.clone(), self.now());
        let (account, text) = (account.to_owned(), text.to_owned());
        let written = blocking(move || journal.append(at, &account, kind, (&text, program.as_deref())));
        if let Err(error) = written.await {
            tracing::warn!(%error, "the journal could not be written");
        }
    }

    /// Reads one record; `None` is proof that there is none.
    pub(crate) async fn load(&self, id: GrantId) -> Result<Option<Held>, Error> {
        let record = self.with_vault_do(move |vault| vault.load(&id)).await?;
        record.map(|record| Held::read(record).map_err(|(_, error)| error)).transpose()
    }

    /// The record of the account called `name`, freshly read.
    pub(crate) async fn find(&self, name: &str) -> Result<Held, Error> {
        let known = lock(&self.0.book).iter().find(|(_, page)| page.name == name).map(|(id, _)| *id);
        if let Some(id) = known
            && let Some(held) = self.load(id).await?
            && held.record.ended.is_none()
        {
            return Ok(held);
        }
        let listed = self.with_vault_do(|vault| vault.list()).await?;
        let mut damaged = 0;
        let mut found = vec![];
        for entry in listed {
            match entry {
                Listed::Record(record) => match Held::read(record) {
                    Ok(held) if held.record.name == name => found.push(held),
                    Ok(_) => {}
                    Err(_) => damaged += 1,
                },
                Listed::Damaged { .. } => damaged += 1,
            }
        }
        found.sort_by_key(|held| (held.record.ended.is_none(), held.record.signed_in_at));
        let held = found.pop().ok_or_else(|| not_found(name, damaged))?;
        self.page(held.id, |page| page.name.clone_from(&held.record.name));
        Ok(held)
    }

    pub(crate) fn refuse_ended(&self, held: &Held) -> Result<(), Error> {
        match self.account_of(held).status {
            Status::Ended { problem, .. } => Err(problem),
            _ => Ok(()),
        }
    }

    pub(crate) fn account_of(&self, held: &Held) -> Account {
        let (record, anchor) = (&*held.record, self.anchor(held));
        self.recall_clock(record);
        let shown = |at: Option<Duration>| at.map(|at| self.shown(at));
        let status = self.page(held.id, |page| {
            page.name.clone_from(&record.name);
            if page.flight.is_none() && page.generation != held.generation {
                // Another process moved the grant on.
                let (name, anchor) = (record.name.clone(), page.anchor);
                *page = Page { name, anchor, generation: held.generation, ..Page::default() };
            }
            page.status(record)
        });
        let lapsed = record.refresh_token.is_none() && anchor.expires.is_some_and(|end| end <= self.elapsed());
        let (status, due) = match status {
            Standing::Shown(Status::SignedIn) if lapsed => {
                let at = shown(anchor.expires).unwrap_or_else(|| self.now());
                let ended = Ended { reason: EndReason::NothingToRefreshWith, at, words: None };
                (Status::Ended { reason: ended.reason, problem: ended.problem(), at }, None)
            }
            Standing::Shown(status @ Status::Ended { .. }) => (status, None),
            Standing::Shown(status) => (status, shown(anchor.due)),
            Standing::Waiting(problem, retry_at) => {
                let retry_at = self.shown(retry_at.unwrap_or_else(|| self.elapsed()));
                (Status::Waiting { problem, retry_at }, Some(retry_at))
            }
            Standing::Ending(reason, problem) => (Status::Ended { reason, problem, at: self.now() }, None),
        };
        Account {
            id: held.id,
            name: record.name.clone(),
            service: record.service.clone(),
            client_id: record.client.id.clone(),
            scope: record.scope.clone(),
            granted: record.granted.clone(),
            subject: record.person.subject.clone(),
            person: record.person.label.clone(),
            status,
            signed_in_at: record.signed_in_at,
            refreshed_at: record.refreshed_at,
            refreshes: record.refreshes,
            access_expires_at: shown(anchor.expires),
            refresh_due_at: due,
            unknown_since: held.attempt.as_ref().map(|attempt| Timestamp::from_millis(attempt.started_at_ms)),
            refresh_expires_at: record.refresh_expires_at,
        }
    }
}

/// A record that does not open has no name, so it may be the one (P4: "cannot read" is not "there is none").
fn not_found(name: &str, damaged: usize) -> Error {
    match damaged {
        0 => Error::new(ErrorCode::NoSuchAccount, format!("There is no account called {name:?}.")),
        _ => Error::new(
            ErrorCode::RecordTampered,
            format!("No account that can be opened is called {name:?}; {damaged} cannot be opened."),
        ),
    }
}

fn missing_access_token() -> Error {
    Error::new(ErrorCode::Internal, "There is no access token after a refresh.")
}

/// Runs what blocks off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Error::new(ErrorCode::Internal, "A background task ended unexpectedly.")))
}

/// No invariant spans a panic while one of these is held, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
