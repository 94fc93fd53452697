//! The system's own parts.

use std::sync::Arc;

use pilotlight_vault::OsKeystore;

use crate::parts::{Clock, FileLocks, HttpTransport, SystemBrowser, SystemClock, SystemRandom};
use crate::{Config, Error, Home};

/// The name under which the keystore files our entries.
const KEYSTORE_SERVICE: &str = "dev.pilotlight";

/// The scheme that goes with an identifier: the same, where it is one (RFC 3986 section 3.1) with the dot that RFC 8252 section 7.1 wants.
fn scheme(identifier: &str) -> Option<String> {
    let scheme = identifier.to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let begins = scheme.as_bytes().first().is_some_and(u8::is_ascii_alphabetic);
    (begins && scheme.contains('.') && scheme.bytes().all(plain)).then_some(scheme)
}

impl Config {
    /// The system's own parts.
    pub fn system(home: Home) -> Result<Self, Error> {
        let redis = crate::home::redis_address();
        let locks = crate::lock::of_home(&home, redis.as_ref(), &(Arc::new(SystemClock) as Arc<dyn Clock>))?;
        Ok(Self { locks, redis, tpm: crate::home::tpm_device(), ..Self::local(home, KEYSTORE_SERVICE) })
    }

    /// The system's own parts for an app that keeps its accounts apart from those of every other: its home is
    /// [`Home::of_app`], and the keystore's entries stand under its identifier, which is its scheme for redirects as well. No
    /// variable of the environment has a say.
    ///
    /// # Errors
    /// As [`Home::of_app`].
    pub fn of_app(identifier: &str) -> Result<Self, Error> {
        Ok(Self::local(Home::of_app(identifier)?, identifier))
    }

    /// One machine: neither a shared vault nor another TPM than the usual one.
    fn local(home: Home, keystore_service: &str) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Self {
            locks: Arc::new(FileLocks::new(&home)),
            transport: Arc::new(HttpTransport::of_home(clock.clone(), &home)),
            home,
            clock,
            random: Arc::new(SystemRandom),
            keystore: Arc::new(OsKeystore::new(keystore_service)),
            redis: None,
            tpm: None,
            browser: Arc::new(SystemBrowser),
            redirect_scheme: scheme(keystore_service),
            watch: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8252_section_7_1_a_scheme_is_a_reversed_domain() {
        assert_eq!(scheme(KEYSTORE_SERVICE).as_deref(), Some(crate::redirect::SCHEME));
        assert_eq!(scheme("com.Example.notes").as_deref(), Some("com.example.notes"));
        for identifier in ["notes", "com.example.my_notes", "7.example", ""] {
            assert_eq!(scheme(identifier), None, "{identifier}");
        }
    }
}
