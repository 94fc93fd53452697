//! The stores of the three platforms, and what their errors mean.

use std::collections::HashMap;
use std::sync::Arc;

use keyring_core::api::CredentialStore;
use keyring_core::{Entry, Error};
use zeroize::Zeroizing;

use super::KeystoreSecret;
use super::os::Shelf;
use crate::KeystoreError;

/// The name of this platform's keystore.
#[cfg(target_os = "linux")]
pub(super) const KIND: &str = "secret-service";
/// The name of this platform's keystore.
#[cfg(windows)]
pub(super) const KIND: &str = "credential-manager";
/// The name of this platform's keystore.
#[cfg(target_os = "macos")]
pub(super) const KIND: &str = "keychain";
/// The name of this platform's keystore.
#[cfg(target_os = "android")]
pub(super) const KIND: &str = "android-keystore";
/// The name of this platform's keystore.
#[cfg(not(any(target_os = "linux", windows, target_os = "macos", target_os = "android")))]
pub(super) const KIND: &str = "none";

/// Why a store did not do what was asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection may be at fault: another one is worth a try.
    Broken(KeystoreError),
    /// The store said no.
    Told(KeystoreError),
}

impl Fault {
    pub(super) fn into_error(self) -> KeystoreError {
        match self {
            Self::Broken(error) | Self::Told(error) => error,
        }
    }
}

/// An open store of this platform.
pub(super) struct Store {
    store: Arc<CredentialStore>,
    service: String,
}

impl Store {
    pub(super) fn open(service: &str) -> Result<Self, KeystoreError> {
        Ok(Self { store: open_platform()?, service: service.to_owned() })
    }

    fn entry(&self, name: &str) -> Result<Entry, Fault> {
        let label = format!("{} {name}", self.service);
        let modifiers = if cfg!(windows) {
            // By default Windows would carry entries to other machines of a domain.
            Some(HashMap::from([("persistence", "Local")]))
        } else if cfg!(target_os = "linux") {
            // What a person reads in the desktop's list of passwords.
            Some(HashMap::from([("label", label.as_str())]))
        } else {
            None
        };
        self.store.build(&self.service, name, modifiers.as_ref()).map_err(|error| fault_of(&error))
    }
}

#[cfg(target_os = "linux")]
fn open_platform() -> Result<Arc<CredentialStore>, KeystoreError> {
    match zbus_secret_service_keyring_store::Store::new() {
        Ok(store) => Ok(store),
        Err(error) => Err(absence_of(&error)),
    }
}

#[cfg(windows)]
fn open_platform() -> Result<Arc<CredentialStore>, KeystoreError> {
    match windows_native_keyring_store::Store::new() {
        Ok(store) => Ok(store),
        Err(error) => Err(absence_of(&error)),
    }
}

#[cfg(target_os = "macos")]
fn open_platform() -> Result<Arc<CredentialStore>, KeystoreError> {
    match apple_native_keyring_store::keychain::Store::new() {
        Ok(store) => Ok(store),
        Err(error) => Err(absence_of(&error)),
    }
}

/// The app has told `ndk-context` of itself by then, as Tauri's mobile apps do.
#[cfg(target_os = "android")]
fn open_platform() -> Result<Arc<CredentialStore>, KeystoreError> {
    match android_native_keyring_store::Store::new() {
        Ok(store) => Ok(store),
        Err(error) => Err(absence_of(&error)),
    }
}

#[cfg(not(any(target_os = "linux", windows, target_os = "macos", target_os = "android")))]
fn open_platform() -> Result<Arc<CredentialStore>, KeystoreError> {
    Err(KeystoreError::Absent("this platform has none that is known".to_owned()))
}

fn text_of(bytes: Vec<u8>) -> KeystoreSecret {
    let bytes = Zeroizing::new(bytes);
    // What is no text is no key of ours: it stays an answer, and the vault says what is wrong with it.
    Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
}

impl Shelf for Store {
    const ABSENCE_NEEDS_PROOF: bool = cfg!(target_os = "linux");

    fn read(&self, name: &str) -> Result<Vec<KeystoreSecret>, Fault> {
        match self.entry(name)?.get_secret() {
            Ok(bytes) => Ok(vec![text_of(bytes)]),
            Err(Error::NoEntry) => Ok(Vec::new()),
            Err(Error::Ambiguous(entries)) => {
                entries.iter().map(|entry| entry.get_secret().map(text_of).map_err(|error| fault_of(&error))).collect()
            }
            Err(error) => Err(fault_of(&error)),
        }
    }

    fn write(&self, name: &str, secret: &str) -> Result<(), Fault> {
        self.entry(name)?.set_secret(secret.as_bytes()).map_err(|error| fault_of(&error))
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        match self.entry(name)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(fault_of(&error)),
        }
    }
}

/// Words of the libraries below, of which only these parts are looked at; their text is passed on nowhere, because some
/// of their errors carry the secret.
fn says(error: &(dyn std::error::Error + Send + Sync), words: &[&str]) -> bool {
    let text = error.to_string();
    words.iter().any(|word| text.contains(word))
}

const NOBODY_THERE: [&str; 3] = ["ServiceUnknown", "was not provided by any", "NameHasNoOwner"];

/// Why a store does not open.
fn absence_of(error: &Error) -> KeystoreError {
    let why = match error {
        Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) if says(cause.as_ref(), &NOBODY_THERE) => {
            "no program provides one"
        }
        _ if cfg!(target_os = "linux") => "the session bus does not answer",
        _ => "it does not open",
    };
    KeystoreError::Absent(why.to_owned())
}

/// What an error of a store means.
fn fault_of(error: &Error) -> Fault {
    let failed = |why: &str| KeystoreError::Failed(why.to_owned());
    match error {
        Error::NoStorageAccess(cause) => Fault::Told(refusal_of(cause.as_ref())),
        Error::PlatformFailure(cause) if says(cause.as_ref(), &NOBODY_THERE) => {
            Fault::Broken(KeystoreError::Absent("no program provides one".to_owned()))
        }
        Error::PlatformFailure(cause) if says(cause.as_ref(), &["IsLocked", "object locked"]) => {
            Fault::Told(KeystoreError::Locked)
        }
        Error::PlatformFailure(_) => Fault::Broken(failed("the platform reports a failure")),
        Error::Ambiguous(entries) => Fault::Told(KeystoreError::Ambiguous(entries.len())),
        Error::TooLong(..) | Error::Invalid(..) | Error::NotSupportedByStore(_) => {
            Fault::Told(KeystoreError::Unsuitable("it does not take entries of this form".to_owned()))
        }
        Error::BadEncoding(_) | Error::BadDataFormat(..) | Error::BadStoreFormat(_) => {
            Fault::Told(failed("what it keeps is malformed"))
        }
        Error::NoDefaultStore => Fault::Told(KeystoreError::Absent("no store is set".to_owned())),
        _ => Fault::Told(failed("it reports an unknown error")),
    }
}

/// Why access was refused: a Secret Service without a default collection, Windows without a logon session, and macOS
/// without a keychain have nowhere to keep anything; everything else is a lock.
fn refusal_of(cause: &(dyn std::error::Error + Send + Sync)) -> KeystoreError {
    let nowhere = ["result not returned", "ERROR_NO_SUCH_LOGON_SESSION", "no such keychain"];
    if says(cause, &nowhere) {
        KeystoreError::Absent("it has nowhere to keep anything".to_owned())
    } else {
        KeystoreError::Locked
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, absence_of, fault_of};
    use crate::KeystoreError;
    use keyring_core::Error;

    fn cause(words: &str) -> Box<dyn std::error::Error + Send + Sync> {
        Box::from(words)
    }

    #[test]
    fn a_lock_an_absence_and_a_failure_are_told_apart() {
        // The words are those of the Secret Service client.
        let prompt = fault_of(&Error::NoStorageAccess(cause("SS error: prompt dismissed")));
        assert!(matches!(prompt, Fault::Told(KeystoreError::Locked)));
        let nowhere = fault_of(&Error::NoStorageAccess(cause("SS error: result not returned from SS API")));
        assert!(matches!(nowhere, Fault::Told(KeystoreError::Absent(_))));
        let session = fault_of(&Error::PlatformFailure(cause(
            "org.freedesktop.Secret.Error.NoSession: The session does not exist",
        )));
        assert!(matches!(session, Fault::Broken(KeystoreError::Failed(_))));
        let gone = fault_of(&Error::PlatformFailure(cause("org.freedesktop.DBus.Error.ServiceUnknown: no")));
        assert!(matches!(gone, Fault::Broken(KeystoreError::Absent(_))));
        assert!(matches!(absence_of(&Error::PlatformFailure(cause("no bus"))), KeystoreError::Absent(_)));
    }

    #[test]
    fn no_error_repeats_what_the_store_says() {
        let secret = b"pk1.1.SECRET".to_vec();
        for error in [
            Error::BadEncoding(secret.clone()),
            Error::BadDataFormat(secret, cause("pk1.1.SECRET")),
            Error::BadStoreFormat("pk1.1.SECRET".to_owned()),
            Error::Invalid("pk1.1.SECRET".to_owned(), "pk1.1.SECRET".to_owned()),
            Error::PlatformFailure(cause("pk1.1.SECRET")),
            Error::NoStorageAccess(cause("pk1.1.SECRET")),
            Error::NotSupportedByStore("pk1.1.SECRET".to_owned()),
        ] {
            let fault = fault_of(&error);
            assert!(!format!("{fault:?}").contains("SECRET"));
            assert!(!fault.into_error().to_string().contains("SECRET"));
            assert!(!absence_of(&error).to_string().contains("SECRET"));
        }
    }
}
