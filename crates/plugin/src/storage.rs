//! How the grants are kept, as the webview sees it, and what it may ask for to change that.

use pilotlight::diagnosis::{Finding, Health};
use pilotlight::storage::{Exposure, Moved, Moving, Need, Strategy, VaultInfo, VaultStatus};
use pilotlight::values::SecretString;
use pilotlight::{ErrorCode, ErrorKind, Pilotlight};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::view::{Password, Problem, VaultView};

/// How the grants of this home are kept, and every other way there is.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct StorageView {
    /// The name of the strategy in use.
    pub strategy: String,
    /// Its file, where it keeps one.
    pub file: Option<String>,
    /// How large the file is.
    #[ts(type = "number | null")]
    pub bytes: Option<u64>,
    /// Whether there is a vault yet.
    pub exists: bool,
    /// Whether it can be used.
    pub state: VaultView,
    /// How many records it holds; known where it is open.
    pub records: Option<usize>,
    /// How many of them cannot be opened.
    pub damaged: Option<usize>,
    /// The ways to open it, where there may be several.
    pub ways: Vec<WayView>,
    /// How many refresh tokens are still to be rotated after a move.
    pub to_rotate: usize,
    /// Every strategy.
    pub strategies: Vec<StrategyView>,
}

/// One way to open the vault.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct WayView {
    /// `os-keystore`, `passphrase`, `recovery-code`, `tpm2`.
    pub kind: String,
    /// More of it: which keystore, which way of stretching.
    pub detail: String,
}

/// One strategy: what it needs and who gets what.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct StrategyView {
    /// Its name, e.g. `sqlite-aead`.
    pub name: String,
    /// One English sentence.
    pub summary: String,
    /// What must be there for it to work.
    pub needs: Vec<NeedView>,
    /// Whether this program can use it at all: some are left out of some builds.
    pub built_in: bool,
    /// Whether it keeps tokens readable on the disk: then consent has to be typed.
    pub plain: bool,
    /// What a thief of the disk gets, the machine being off.
    pub disk_thief: ExposureView,
    /// What another user of the machine gets.
    pub other_user: ExposureView,
    /// What another program of the same user gets.
    pub same_user: ExposureView,
    /// What the finder of a leaked backup gets.
    pub leaked_backup: ExposureView,
    /// On what it depends, in one English sentence; empty where nothing does.
    pub depends_on: String,
}

/// What a strategy works with beside the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
#[serde(rename_all = "kebab-case")]
pub enum NeedView {
    /// The OS keystore, unlocked.
    Keystore,
    /// A passphrase that a person knows.
    Passphrase,
    /// A TPM 2.0.
    Tpm,
    /// A Redis server.
    Redis,
}

/// What somebody gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
#[serde(rename_all = "kebab-case")]
pub enum ExposureView {
    /// Nothing that can be used.
    Protected,
    /// It depends.
    Depends,
    /// Every token.
    Exposed,
}

/// What keeps the vault in use from others: one word for the window's foot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// A key in the OS keystore.
    Keystore,
    /// A passphrase.
    Passphrase,
    /// A key that only this machine's TPM opens.
    Tpm,
    /// It is never written.
    Memory,
    /// Nothing but the file's permissions.
    Plain,
    /// The application brought its own vault.
    Own,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export)]
pub struct FindingView {
    /// What: `home`, `keystore`, `vault`, `records`, `accounts`, `rotation`, `journal`, `clock`.
    pub what: String,
    /// `fine`, `note` or `trouble`.
    pub health: String,
    /// One English sentence.
    pub text: String,
    /// The error's code, where it is one.
    pub code: Option<String>,
    /// What to do, in English, where something can be done.
    pub hint: Option<String>,
    /// The one thing that the window can do about it.
    pub mend: Option<Mend>,
}

/// What the window can do about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
#[serde(rename_all = "kebab-case")]
pub enum Mend {
    /// Ask the keystore and open the vault again.
    Retry,
    /// Set the unusable vault aside and begin an empty one.
    StartOver,
}

/// What the window asks for: to begin with a strategy, or to move to one. The passphrase goes one way only: in.
#[derive(Deserialize, TS)]
#[ts(export)]
pub struct StorageRequest {
    /// The strategy's name.
    pub strategy: String,
    /// The new vault's passphrase, where the strategy needs one.
    pub passphrase: Option<Password>,
    /// For a strategy that keeps tokens readable: its name, as the person typed it.
    pub consent: Option<String>,
}

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct MovingView {
    /// What is being done.
    pub phase: Phase,
    /// So many are done …
    pub done: usize,
    /// … of so many.
    pub all: usize,
}

/// A part of a move, in the order of the move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waiting until nobody refreshes.
    Quieting,
    /// Copying records.
    Copying,
    /// Reading them back and comparing.
    Verifying,
    /// Removing the old vault; the new one is in use.
    Removing,
    /// Rotating every refresh token.
    Rotating,
}

/// What a move did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct MovedView {
    /// The strategy before.
    pub from: String,
    /// The strategy now.
    pub to: String,
    /// How many grants there are.
    pub grants: usize,
    /// The accounts whose refresh token could not be rotated yet; it is tried again by itself.
    pub not_rotated: Vec<String>,
}

impl StorageRequest {
    /// The strategy and its passphrase, where the request holds all that the strategy asks of a person.
    pub(crate) fn checked(self) -> Result<(Strategy, Option<SecretString>), Problem> {
        let refused = |text: &str| Problem::new(ErrorCode::BadInput, text);
        let strategy: Strategy = self.strategy.parse().map_err(|_| refused("There is no strategy of this name."))?;
        if strategy.is_plain() && self.consent.as_deref() != Some(strategy.as_str()) {
            return Err(refused("This strategy keeps every token readable; the consent was not typed."));
        }
        let passphrase = self.passphrase.filter(|passphrase| !passphrase.is_empty()).map(|passphrase| passphrase.0);
        if strategy.needs().contains(&Need::Passphrase) && passphrase.is_none() {
            return Err(refused("This strategy needs a passphrase."));
        }
        Ok((strategy, passphrase))
    }
}

impl VaultView {
    /// What the window may know of this state, and what it may offer in it. Asks no keystore that could keep it waiting.
    pub(crate) async fn of(pilotlight: &Pilotlight, status: VaultStatus) -> Self {
        match status {
            VaultStatus::Closed => Self::Opening,
            VaultStatus::Ready { strategy, keystore } => Self::Ready {
                strategy: strategy.to_owned(),
                keystore: keystore.to_owned(),
                protection: Protection::of(strategy),
            },
            VaultStatus::Unavailable(error) => {
                use ErrorCode::{KeystoreAbsent, PassphraseNeeded, StrategyUnavailable, TpmLost, WrongPassphrase};
                let (code, kind) = (error.code(), error.kind());
                let may_choose = matches!(code, KeystoreAbsent | PassphraseNeeded | StrategyUnavailable);
                let can_choose = may_choose && pilotlight.has_vault().await.is_ok_and(|has| !has);
                let helps = kind == ErrorKind::Keystore || matches!(code, PassphraseNeeded | WrongPassphrase | TpmLost);
                let asks = helps && !can_choose && pilotlight.takes_passphrase().await.unwrap_or(false);
                Self::Unavailable {
                    can_start_over: error.can_start_over(),
                    asks_passphrase: asks,
                    can_choose,
                    problem: error.into(),
                }
            }
        }
    }
}

impl Protection {
    fn of(strategy: &str) -> Self {
        match strategy.parse::<Strategy>() {
            Err(_) => Self::Own,
            Ok(Strategy::Memory) => Self::Memory,
            Ok(plain) if plain.is_plain() => Self::Plain,
            Ok(other) if other.needs().contains(&Need::Tpm) => Self::Tpm,
            Ok(other) if other.needs().contains(&Need::Passphrase) => Self::Passphrase,
            Ok(_) => Self::Keystore,
        }
    }
}

impl StorageView {
    pub(crate) async fn of(pilotlight: &Pilotlight, info: VaultInfo) -> Self {
        Self {
            strategy: info.strategy.to_string(),
            file: info.file.filter(|_| info.exists).map(|file| file.display().to_string()),
            bytes: info.bytes,
            exists: info.exists,
            state: VaultView::of(pilotlight, info.status).await,
            records: info.records.map(|(all, _)| all),
            damaged: info.records.map(|(_, damaged)| damaged),
            ways: info.ways.into_iter().map(|way| WayView { kind: way.kind, detail: way.detail }).collect(),
            to_rotate: info.to_rotate,
            strategies: Strategy::ALL.map(StrategyView::from).into(),
        }
    }
}

impl From<Strategy> for StrategyView {
    fn from(strategy: Strategy) -> Self {
        let told = strategy.exposures();
        Self {
            name: strategy.to_string(),
            summary: strategy.summary().to_owned(),
            needs: strategy.needs().iter().copied().map(NeedView::from).collect(),
            built_in: strategy.is_built_in(),
            plain: strategy.is_plain(),
            disk_thief: told.disk_thief.into(),
            other_user: told.other_user.into(),
            same_user: told.same_user.into(),
            leaked_backup: told.leaked_backup.into(),
            depends_on: told.depends_on.to_owned(),
        }
    }
}

impl From<Need> for NeedView {
    fn from(need: Need) -> Self {
        match need {
            Need::Keystore => Self::Keystore,
            Need::Passphrase => Self::Passphrase,
            Need::Tpm => Self::Tpm,
            Need::Redis => Self::Redis,
        }
    }
}

impl From<Exposure> for ExposureView {
    fn from(exposure: Exposure) -> Self {
        match exposure {
            Exposure::Protected => Self::Protected,
            Exposure::Depends => Self::Depends,
            Exposure::Exposed => Self::Exposed,
        }
    }
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        Self {
            what: finding.what.to_owned(),
            health: finding.health.as_str().to_owned(),
            hint: finding.hint().map(str::to_owned),
            code: finding.code.map(|code| code.as_str().to_owned()),
            mend: Mend::of(&finding),
            text: finding.text,
        }
    }
}

impl Mend {
    fn of(finding: &Finding) -> Option<Self> {
        let code = finding.code.filter(|_| finding.health == Health::Trouble)?;
        let vault = finding.what == "vault";
        match code {
            code if vault && pilotlight::Error::new(code, "").can_start_over() => Some(Self::StartOver),
            ErrorCode::VaultBusy | ErrorCode::VaultIo | ErrorCode::UnsafePath => Some(Self::Retry),
            code if code.kind() == ErrorKind::Keystore => Some(Self::Retry),
            _ => None,
        }
    }
}

impl From<Moved> for MovedView {
    fn from(moved: Moved) -> Self {
        let Moved { from, to, grants, not_rotated } = moved;
        Self { from: from.to_string(), to: to.to_string(), grants, not_rotated }
    }
}

impl From<Moving> for MovingView {
    fn from(moving: Moving) -> Self {
        let (phase, done, all) = match moving {
            Moving::Quieting(done, all) => (Phase::Quieting, done, all),
            Moving::Copying(done, all) => (Phase::Copying, done, all),
            Moving::Verifying(done, all) => (Phase::Verifying, done, all),
            Moving::Removing => (Phase::Removing, 0, 0),
            Moving::Rotating(done, all) => (Phase::Rotating, done, all),
        };
        Self { phase, done, all }
    }
}

impl MovingView {
    /// Whether this is a whole hundredth further than `before`: a window needs no more, however many records there are.
    pub(crate) fn is_news_after(self, before: Option<Self>) -> bool {
        let hundredth = |view: Self| (view.done * 100).checked_div(view.all).unwrap_or_default();
        before.is_none_or(|before| before.phase != self.phase || hundredth(before) != hundredth(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(strategy: &str, passphrase: Option<&str>, consent: Option<&str>) -> StorageRequest {
        let passphrase = passphrase.map(|text| Password(SecretString::from(text)));
        StorageRequest { strategy: strategy.to_owned(), passphrase, consent: consent.map(str::to_owned) }
    }

    #[test]
    fn a_strategy_that_keeps_tokens_readable_needs_its_name_typed() {
        assert!(request("plain-file", None, None).checked().is_err());
        assert!(request("plain-file", None, Some("plain-sqlite")).checked().is_err());
        assert!(request("plain-file", None, Some("plain-file")).checked().is_ok());
        assert!(request("sqlite-aead", None, None).checked().is_ok());
    }

    #[test]
    fn a_strategy_that_needs_a_passphrase_gets_one_and_an_unknown_one_is_refused() {
        assert!(request("encrypted-file", None, None).checked().is_err());
        assert!(request("encrypted-file", Some(""), None).checked().is_err());
        assert!(request("encrypted-file", Some("correct horse"), None).checked().is_ok());
        assert!(request("no-such-strategy", None, None).checked().is_err());
    }

    #[test]
    fn start_over_is_offered_for_a_vault_that_is_proved_lost_and_for_nothing_else() {
        let mend = |what, health, code| {
            let finding = Finding { what, health, text: String::new(), code };
            Mend::of(&finding)
        };
        assert_eq!(mend("vault", Health::Trouble, Some(ErrorCode::KeyLost)), Some(Mend::StartOver));
        assert_eq!(mend("vault", Health::Trouble, Some(ErrorCode::KeystoreLocked)), Some(Mend::Retry));
        assert_eq!(mend("keystore", Health::Trouble, Some(ErrorCode::KeystoreTimeout)), Some(Mend::Retry));
        assert_eq!(mend("keystore", Health::Note, Some(ErrorCode::KeystoreAbsent)), None);
        assert_eq!(mend("accounts", Health::Trouble, Some(ErrorCode::GrantRefused)), None);
        assert_eq!(mend("home", Health::Fine, None), None);
    }

    #[test]
    fn a_window_is_told_a_hundred_steps_at_most_of_each_phase() {
        let mut told = vec![];
        for moving in (0..10_000).map(|done| Moving::Copying(done, 10_000)).chain([Moving::Removing]) {
            let view = MovingView::from(moving);
            if view.is_news_after(told.last().copied()) {
                told.push(view);
            }
        }
        assert_eq!((told.len(), told[100].phase), (101, Phase::Removing));
    }
}
