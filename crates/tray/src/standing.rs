//! How everything stands, as far as a tray is concerned: a small copy of the core's snapshot, without a token or a key.

use pilotlight::storage::VaultStatus;
use pilotlight::values::{GrantId, Timestamp};
use pilotlight::{Account, Error, ErrorCode, Pilotlight, Status};

/// The vault and the accounts at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) now: Timestamp,
    pub(crate) vault: Vault,
    /// Only what is read from an open vault.
    pub(crate) accounts: Vec<Seen>,
}

/// Whether the vault can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vault {
    /// Nobody asked for it yet, or it is being opened.
    Opening,
    Open,
    /// A person had it closed.
    Locked,
    Unavailable(ErrorCode),
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: GrantId,
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) ends: Ends,
}

/// The state of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    SignedIn,
    /// A refresh did not succeed yet, and is tried again by itself.
    Waiting,
    Ended,
}

/// When an account ends, as far as the service tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) signed_in_at: Timestamp,
    pub(crate) refreshed_at: Timestamp,
    pub(crate) at: Option<Timestamp>,
    /// Whether a refresh can move the end: there is a refresh token.
    pub(crate) renewable: bool,
}

impl Standing {
    /// Reads the vault where it is open, and never tries to open it: nobody is to be asked for a password because of a tray.
    pub(crate) async fn of(pilotlight: &Pilotlight) -> Self {
        let mut vault = Vault::of(&pilotlight.vault_status());
        let mut accounts = vec![];
        if vault == Vault::Open {
            match pilotlight.accounts().await {
                Ok(all) => accounts = all.accounts.iter().map(Seen::of).collect(),
                Err(error) => vault = Vault::closed_by(&error),
            }
        }
        Self { now: pilotlight.now(), vault, accounts }
    }
}

impl Vault {
    fn of(status: &VaultStatus) -> Self {
        match status {
            VaultStatus::Closed => Self::Opening,
            VaultStatus::Ready { .. } => Self::Open,
            VaultStatus::Unavailable(error) => Self::closed_by(error),
        }
    }

    fn closed_by(error: &Error) -> Self {
        match error.code() {
            ErrorCode::Locked => Self::Locked,
            code => Self::Unavailable(code),
        }
    }

    /// Whether nothing but a person can open it. What a start of the session or of the machine brings by itself is no such
    /// thing: a keystore that is not there yet, or busy.
    pub(crate) const fn needs_person(self) -> bool {
        use ErrorCode::{KeystoreAbsent, KeystoreFailed, KeystoreLocked, KeystoreTimeout, VaultBusy};
        match self {
            Self::Opening | Self::Open | Self::Locked => false,
            Self::Unavailable(code) => {
                !matches!(code, KeystoreAbsent | KeystoreFailed | KeystoreLocked | KeystoreTimeout | VaultBusy)
            }
        }
    }
}

impl Seen {
    fn of(account: &Account) -> Self {
        let state = match account.status {
            Status::SignedIn | Status::Refreshing => State::SignedIn,
            Status::Waiting { .. } => State::Waiting,
            Status::Ended { .. } => State::Ended,
        };
        let renewable = account.refresh_due_at.is_some();
        let ends = Ends {
            signed_in_at: account.signed_in_at,
            refreshed_at: account.refreshed_at,
            at: if renewable { account.refresh_expires_at } else { account.access_expires_at },
            renewable,
        };
        Self { id: account.id, name: account.name.clone(), state, ends }
    }
}
