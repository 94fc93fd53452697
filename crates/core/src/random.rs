//! Randomness, handed in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::{Error, ErrorCode};

/// A source of random bytes fit for keys, `state` and PKCE verifiers.
pub trait Random: Send + Sync {
    /// Fills `bytes`, or says that there is no randomness to be had.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error>;
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for randomness")]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(bytes).map_err(|error| Error::new(ErrorCode::Internal, format!("No randomness: {error}.")))
    }
}

/// `N` random bytes.
pub(crate) fn make_bytes<const N: usize>(random: &dyn Random) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// A random text of 22 base64url characters, 128 bits.
pub(crate) fn make_text(random: &dyn Random) -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(make_bytes::<16>(random)?))
}
