//! Proof Key for Code Exchange, RFC 7636, method S256 only.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// A verifier and the challenge derived from it.
#[derive(Debug)]
pub struct Pkce {
    /// `code_verifier`: stays here until the code is exchanged.
    pub verifier: SecretString,
    /// `code_challenge`, S256.
    pub challenge: String,
}

impl Pkce {
    /// Derives both from 32 random bytes (RFC 7636 section 4.1 recommends just that).
    #[must_use]
    pub fn derive(random: &[u8; 32]) -> Self {
        // 43 characters, allocated in one piece.
        let verifier = BASE64_URL_SAFE_NO_PAD.encode(random);
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        Self { verifier: verifier.into(), challenge }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn rfc7636_appendix_b_verifier_and_challenge() {
        let random = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105, 214, 191,
            240, 91, 88, 5, 88, 83, 132, 141, 121,
        ];
        let pkce = Pkce::derive(&random);
        assert_eq!(pkce.verifier.expose_secret(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(pkce.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_verifier_is_not_shown_by_debug() {
        let pkce = Pkce::derive(&[7; 32]);
        assert!(!format!("{pkce:?}").contains(pkce.verifier.expose_secret()));
    }
}
