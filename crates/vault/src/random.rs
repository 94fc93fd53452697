//! The one place of this crate that asks the system for randomness.

use crate::VaultError;

/// Fills `bytes` from the operating system's CSPRNG. [`VaultError::Io`] where it has none to give.
#[expect(clippy::disallowed_methods, reason = "keys and nonces come from the operating system, from here only")]
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), VaultError> {
    getrandom::fill(bytes).map_err(|_| VaultError::Io("the system gives no random bytes".to_owned()))
}

/// `N` random bytes that are no secret: ids and nonces.
pub(crate) fn make<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}
