//! Errors sorted by whose fault they are and what the caller should do; a code for machines, a sentence for people, a hint.

use pilotlight_oauth::{CallbackError, DiscoveryError};
use pilotlight_vault::{KeystoreError, VaultError};

/// What a caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The grant has ended, or there is none: a person has to sign in.
    NeedsSignIn,
    /// It will work later by itself; the grant is kept.
    Retryable,
    /// The vault cannot be read or written.
    Vault,
    /// The keystore cannot be asked.
    Keystore,
    /// The service answered something that no server should.
    ServerMisbehaved,
    /// The call or its input is wrong.
    Misuse,
}

macro_rules! error_codes {
    ($($code:ident = $text:literal, $kind:ident, $hint:literal;)*) => {
        /// Names one situation; stable, and the same in the CLI's JSON and the app.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $(#[doc = $hint] $code,)* }

        impl ErrorCode {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// The code as scripts see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$code => $text,)* } }

            /// What the caller can do.
            #[must_use]
            pub const fn kind(self) -> ErrorKind { match self { $(Self::$code => ErrorKind::$kind,)* } }

            /// The next step, in one sentence.
            #[must_use]
            pub const fn hint(self) -> &'static str { match self { $(Self::$code => $hint,)* } }
        }
    };
}

error_codes! {
    GrantRefused = "grant_refused", NeedsSignIn, "Sign in again. If you did not sign out elsewhere, look at this account's devices at the service.";
    LostAnswer = "lost_answer", NeedsSignIn, "Sign in again. The service rotated the token and its answer never arrived, so nobody holds the new one.";
    NoRefreshToken = "no_refresh_token", NeedsSignIn, "Sign in again, and ask for the scope that grants a refresh token (often offline_access).";
    NoSuchAccount = "no_such_account", NeedsSignIn, "See the accounts there are with `pilotlight accounts`, or sign in.";
    WrongCredentials = "wrong_credentials", NeedsSignIn, "Check the user name and password and try again.";
    SignInDenied = "sign_in_denied", NeedsSignIn, "The request was declined in the browser. Start again to give consent.";
    SignInCancelled = "sign_in_cancelled", NeedsSignIn, "Start the sign-in again when you are ready.";
    SignInTimedOut = "sign_in_timed_out", NeedsSignIn, "Start again and finish in the browser within ten minutes.";
    SignInPending = "sign_in_pending", Retryable, "Finish or cancel the sign-in that is open, in the browser or in the other window or terminal; then try again.";
    Offline = "offline", Retryable, "Check the network and the address. You stay signed in, and it is tried again by itself.";
    NoAnswer = "no_answer", Retryable, "The outcome is unknown. The same request is repeated safely; nothing needs to be done.";
    ServerUnavailable = "server_unavailable", Retryable, "The service has trouble. You stay signed in, and it is tried again by itself.";
    GrantBusy = "grant_busy", Retryable, "Another Pilotlight process is refreshing this account and has not finished. Try again in a moment.";
    ServerMisbehaved = "server_misbehaved", ServerMisbehaved, "Something between you and the service may be answering in its place, such as a hotel's sign-in page. Open a web page, then try again.";
    NotAService = "not_a_service", ServerMisbehaved, "Check the address. It must be the issuer of an OAuth 2.0 or OpenID Connect server that publishes its metadata.";
    WrongIssuer = "wrong_issuer", ServerMisbehaved, "Use the issuer exactly as the service writes it. If it is right, do not go on: somebody may be posing as the service.";
    ClientRefused = "client_refused", Misuse, "Check the client id, the redirect address and the scope registered at the service.";
    FlowUnsupported = "flow_unsupported", Misuse, "The service does not offer this way to sign in. Try another one.";
    DevicesUntold = "devices_untold", Misuse, "Look at the account page of the service itself.";
    ScopeMissing = "scope_missing", Misuse, "Sign in again, and ask for that scope as well.";
    NameTaken = "name_taken", Misuse, "Choose another name, or sign out of that account first.";
    BadInput = "bad_input", Misuse, "Correct the input and try again.";
    BrowserFailed = "browser_failed", Misuse, "Open the printed address in a browser on this machine yourself.";
    ScreenLocked = "screen_locked", Misuse, "Unlock the screen, then start the sign-in again.";
    KeystoreAbsent = "keystore_absent", Keystore, "Start a keystore (GNOME Keyring, KWallet or KeePassXC on Linux) in this session, then try again. Nothing is written unprotected instead.";
    KeystoreLocked = "keystore_locked", Keystore, "Unlock the keystore, then try again. Your accounts are kept.";
    KeystoreTimeout = "keystore_timeout", Keystore, "The keystore does not answer. Look for a dialog that waits for you, or restart the keystore; then try again.";
    KeystoreAmbiguous = "keystore_ambiguous", Keystore, "Remove the entries that Pilotlight did not write from the keystore, then try again.";
    KeystoreChanged = "keystore_changed", Keystore, "Start the keystore that the vault was made with, or open the vault by its passphrase or recovery code, where it has one. Your accounts are kept.";
    KeystoreFailed = "keystore_failed", Keystore, "Try again. If it keeps failing, restart the keystore. Your accounts are kept.";
    KeyLost = "key_lost", Keystore, "If the keystore was reset, the vault cannot be opened any more: start over with an empty one and sign in again. If it is merely another keystore than before, go back to the first one.";
    KeyCorrupt = "key_corrupt", Keystore, "Restore the keystore's entry from a backup, or start over with an empty vault and sign in again.";
    WrongKey = "wrong_key", Keystore, "Restore the keystore or the vault that belong together, or start over with an empty vault and sign in again.";
    VaultDamaged = "vault_damaged", Vault, "Restore vault.db from a backup of today, or start over with an empty vault; the damaged file is kept beside it.";
    VaultRolledBack = "vault_rolled_back", Vault, "An older copy of the vault was put back; its tokens are not used, because spending them would sign you out. Put the newer file back, or start over and sign in again.";
    RecordTampered = "record_tampered", Vault, "This one account cannot be opened; the others are fine. Remove it with `pilotlight sign-out ID --local-only` and sign in again.";
    VaultNewer = "vault_newer", Vault, "Update Pilotlight; a newer version made this vault.";
    VaultBusy = "vault_busy", Vault, "Another program holds the vault. Close it, then try again.";
    VaultIo = "vault_io", Vault, "Free space on the disk or make the folder writable. Tokens that could not be saved are kept in memory and saved as soon as it works.";
    Locked = "locked", Vault, "Unlock it with `pilotlight agent unlock`. Your accounts are kept.";
    PassphraseNeeded = "passphrase_needed", Vault, "Enter the vault's passphrase. On the command line, give it with --passphrase-file or at the prompt.";
    WrongPassphrase = "wrong_passphrase", Vault, "Check the passphrase and the keyboard layout, then try again. Nothing was changed.";
    StrategyUnavailable = "strategy_unavailable", Vault, "See what each strategy needs with `pilotlight vault strategies`, provide it, then try again.";
    TpmLost = "tpm_lost", Vault, "Where the vault has a passphrase or recovery code, use that. Otherwise start over and sign in again: the TPM was cleared, or this is another machine.";
    VaultMoved = "vault_moved", Vault, "Use the strategy that the grants were moved to (`pilotlight vault info`). Do not put this file back into use: its tokens were replaced.";
    RecordTooLarge = "record_too_large", Vault, "The service's tokens are longer than one account may hold (64 KiB). Ask for less scope, or ask the service's operator for shorter tokens.";
    UnsafePath = "unsafe_path", Vault, "Make the folder yours alone (mode 0700, no symbolic links), or set PILOTLIGHT_HOME to one that is.";
    Internal = "internal", Misuse, "This is a fault of Pilotlight. Please report it with the output of `pilotlight events`.";
}

/// Something did not work. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    code: ErrorCode,
    message: String,
}

impl Error {
    /// An error with its sentence. The sentence must be free of secrets.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The situation.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// What the caller can do.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.code.kind()
    }

    /// One sentence for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The next step.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        self.code.hint()
    }

    /// Whether an unusable vault may be set aside on the person's word (P4): its key is proved gone or wrong, or the file is damaged.
    #[must_use]
    pub const fn can_start_over(&self) -> bool {
        use ErrorCode::{KeyCorrupt, KeyLost, TpmLost, VaultDamaged, VaultRolledBack, WrongKey};
        matches!(self.code, KeyLost | TpmLost | KeyCorrupt | WrongKey | VaultDamaged | VaultRolledBack)
    }
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        let message = capitalised(&error.to_string());
        let code = match error {
            VaultError::Keystore(keystore) => return keystore.into(),
            VaultError::KeyLost => ErrorCode::KeyLost,
            VaultError::KeyCorrupt => ErrorCode::KeyCorrupt,
            VaultError::WrongKey => ErrorCode::WrongKey,
            VaultError::Tampered(_) => ErrorCode::RecordTampered,
            VaultError::Damaged(_) => ErrorCode::VaultDamaged,
            VaultError::RolledBack { .. } => ErrorCode::VaultRolledBack,
            VaultError::NewerFormat(_) => ErrorCode::VaultNewer,
            VaultError::UnsafePath(_) => ErrorCode::UnsafePath,
            VaultError::Io(_) => ErrorCode::VaultIo,
            VaultError::Busy => ErrorCode::VaultBusy,
            VaultError::PassphraseNeeded => ErrorCode::PassphraseNeeded,
            VaultError::WrongPassphrase | VaultError::WrongRecoveryCode => ErrorCode::WrongPassphrase,
            VaultError::Unavailable(_) => ErrorCode::StrategyUnavailable,
            VaultError::TpmLost(_) => ErrorCode::TpmLost,
            VaultError::Moved(_) => ErrorCode::VaultMoved,
            VaultError::TooLarge(_) => ErrorCode::RecordTooLarge,
            VaultError::NotFound => ErrorCode::NoSuchAccount,
            VaultError::NotAGrantId => ErrorCode::BadInput,
            VaultError::Conflict { .. } => ErrorCode::GrantBusy,
            _ => ErrorCode::Internal,
        };
        Self { code, message }
    }
}

impl From<KeystoreError> for Error {
    fn from(error: KeystoreError) -> Self {
        let message = capitalised(&error.to_string());
        let code = match error {
            KeystoreError::Absent(_) => ErrorCode::KeystoreAbsent,
            KeystoreError::Locked => ErrorCode::KeystoreLocked,
            KeystoreError::TimedOut => ErrorCode::KeystoreTimeout,
            KeystoreError::Ambiguous(_) => ErrorCode::KeystoreAmbiguous,
            KeystoreError::Changed { .. } => ErrorCode::KeystoreChanged,
            _ => ErrorCode::KeystoreFailed,
        };
        Self { code, message }
    }
}

impl From<DiscoveryError> for Error {
    fn from(error: DiscoveryError) -> Self {
        let code = match error {
            DiscoveryError::NotAnIssuer(_) => ErrorCode::BadInput,
            DiscoveryError::Unavailable(_) => ErrorCode::ServerUnavailable,
            DiscoveryError::WrongIssuer(_) => ErrorCode::WrongIssuer,
            _ => ErrorCode::NotAService,
        };
        Self { code, message: capitalised(&error.to_string()) }
    }
}

impl From<CallbackError> for Error {
    fn from(error: CallbackError) -> Self {
        let code = match &error {
            CallbackError::Denied { error, .. } if error == "access_denied" => ErrorCode::SignInDenied,
            CallbackError::Denied { error, .. } if error == "temporarily_unavailable" || error == "server_error" => {
                ErrorCode::ServerUnavailable
            }
            CallbackError::Denied { .. } => ErrorCode::ClientRefused,
            CallbackError::WrongIssuer => ErrorCode::WrongIssuer,
            _ => ErrorCode::ServerMisbehaved,
        };
        Self { code, message: capitalised(&error.to_string()) }
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).chain(['.']).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_every_hint_is_a_sentence() {
        let mut seen = std::collections::HashSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{} stands twice", code.as_str());
            assert!(code.hint().ends_with('.'), "{}", code.as_str());
        }
    }

    #[test]
    fn a_locked_keystore_is_never_told_as_a_lost_key() {
        let locked = Error::from(VaultError::Keystore(KeystoreError::Locked));
        assert_eq!((locked.code(), locked.kind()), (ErrorCode::KeystoreLocked, ErrorKind::Keystore));
        assert!(!locked.can_start_over());
        assert!(Error::from(VaultError::KeyLost).can_start_over());
    }
}
