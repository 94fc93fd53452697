//! Passwords: Argon2id (RFC 9106), a few at a time.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::system::{NoEntropy, make_random};

/// The longest password anybody may send, in bytes: hashing is work we do for strangers.
pub(crate) const LONGEST: usize = 1024;

/// 19 MiB, two passes: the second recommended setting for Argon2id of the OWASP cheat sheet.
fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// The PHC string of a password, with a new salt. Takes tens of milliseconds of one core.
pub(crate) fn hash_password(password: &SecretString) -> Result<String, NoEntropy> {
    let salt: [u8; 16] = make_random()?;
    let hash = argon2id().hash_password_with_salt(password.expose_secret().as_bytes(), &salt);
    hash.map(|hash: PasswordHash| hash.to_string()).map_err(|_| NoEntropy)
}

/// Whether this is the PHC string of an Argon2id hash.
pub(crate) fn is_password_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| hash.algorithm.as_str() == "argon2id" && hash.hash.is_some())
}

fn verify(password: &SecretString, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    argon2id().verify_password(password.expose_secret().as_bytes(), &hash).is_ok()
}

/// Passwords that may wait for each that is hashed: about half a second.
const WAITING: usize = 16;

/// Checks passwords off the async threads, a few at a time, so that guessing cannot starve the refreshes.
pub(crate) struct Checker {
    permits: Arc<Semaphore>,
    /// One for each that is hashed or waits.
    places: Semaphore,
    /// The hash of a password that nobody knows. An unknown person costs the same work as a known one, so the time of
    /// the answer does not tell who has an account.
    nobody: Arc<str>,
}

/// So many passwords wait already that one more would wait too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooManyPasswords;

impl Checker {
    /// One that hashes so many at once.
    pub(crate) fn new(at_once: usize) -> Result<Self, NoEntropy> {
        let random: [u8; 32] = make_random()?;
        let nobody = SecretString::from(random.map(|byte| char::from(byte % 94 + 33)).iter().collect::<String>());
        let at_once = at_once.max(1);
        let places = Semaphore::new(at_once.saturating_mul(1 + WAITING).min(Semaphore::MAX_PERMITS));
        Ok(Self { permits: Arc::new(Semaphore::new(at_once)), places, nobody: hash_password(&nobody)?.into() })
    }

    /// Whether `password` belongs to `hash`; always false where there is no hash.
    pub(crate) async fn check(&self, password: SecretString, hash: Option<String>) -> Result<bool, TooManyPasswords> {
        let _place = self.places.try_acquire().map_err(|_| TooManyPasswords)?;
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| TooManyPasswords)?;
        let nobody = self.nobody.clone();
        let checked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let known = hash.is_some();
            verify(&password, hash.as_deref().unwrap_or(&nobody)) && known
        });
        Ok(checked.await.unwrap_or(false))
    }

    /// [`hash_password`], off the async threads and in turn with the checks.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, NoEntropy> {
        let Ok(permit) = self.permits.clone().acquire_owned().await else { return Err(NoEntropy) };
        let hashed = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            hash_password(&password)
        });
        hashed.await.unwrap_or(Err(NoEntropy))
    }
}
