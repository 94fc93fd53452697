//! Refresh tokens: `plrt_` and base64url of (grant id ‖ generation ‖ MAC).
//!
//! Nothing of a token is stored but the key of the MAC (which stands in the store too, so a stolen store must be taken for
//! stolen tokens); a token that was altered is refused without asking the store; a successor can be derived again for a
//! client that lost the answer; and a token tells the generation even to a store that forgot it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::grant::GrantId;
use crate::keys::MacKey;

/// Lets secret scanners recognise one that leaked.
const PREFIX: &str = "plrt_";
const ID: usize = 16;
const CLAIMS: usize = ID + 4;
const WHOLE: usize = CLAIMS + 32;

/// What a genuine token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) grant: GrantId,
    pub(crate) generation: u32,
}

/// The refresh token of that grant and generation: the same each time.
pub(crate) fn derive_refresh_token(key: &MacKey, claims: Claims, client: &str) -> SecretString {
    let mut bytes = [0; WHOLE];
    bytes[..ID].copy_from_slice(&claims.grant.0);
    bytes[ID..CLAIMS].copy_from_slice(&claims.generation.to_be_bytes());
    let mac = mac(key, &bytes[..CLAIMS], client).finalize().into_bytes();
    bytes[CLAIMS..].copy_from_slice(&mac);
    SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The claims of a genuine token of this client; `None` for anything else, told apart by nothing.
pub(crate) fn verify_refresh_token(key: &MacKey, token: &str, client: &str) -> Option<Claims> {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
    let bytes: &[u8; WHOLE] = bytes.as_slice().try_into().ok()?;
    mac(key, &bytes[..CLAIMS], client).verify_slice(&bytes[CLAIMS..]).ok()?;
    let grant = GrantId(bytes[..ID].try_into().ok()?);
    let generation = u32::from_be_bytes(bytes[ID..CLAIMS].try_into().ok()?);
    Some(Claims { grant, generation })
}

fn mac(key: &MacKey, claims: &[u8], client: &str) -> Hmac<Sha256> {
    let mut mac = key.mac(b"pilotlight refresh v1");
    mac.update(claims);
    mac.update(&Sha256::digest(client));
    mac
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn key() -> MacKey {
        MacKey::new([7; 32])
    }

    const CLAIMS: Claims = Claims { grant: GrantId([3; 16]), generation: 41 };

    fn token() -> String {
        derive_refresh_token(&key(), CLAIMS, "app").expose_secret().to_owned()
    }

    #[test]
    fn a_token_says_its_grant_and_generation_to_its_own_client_and_server_only() {
        assert_eq!(verify_refresh_token(&key(), &token(), "app"), Some(CLAIMS));
        assert_eq!(verify_refresh_token(&key(), &token(), "other"), None);
        assert_eq!(verify_refresh_token(&MacKey::new([8; 32]), &token(), "app"), None);
    }

    #[test]
    fn each_generation_has_its_own_token_and_it_can_be_derived_again() {
        let next = derive_refresh_token(&key(), Claims { generation: 42, ..CLAIMS }, "app");
        assert_ne!(next.expose_secret(), token());
        assert_eq!(token(), token());
    }

    #[test]
    fn rfc6749_section_10_10_a_token_cannot_be_guessed() {
        let mac_bytes = URL_SAFE_NO_PAD.decode(token().strip_prefix(PREFIX).unwrap()).unwrap().len() - super::CLAIMS;
        assert!(mac_bytes >= 20, "160 bits");
    }

    #[test]
    fn rfc9700_section_4_14_2_altering_any_one_character_is_noticed() {
        let token = token();
        for at in 0..token.len() {
            for other in ["A", "B", "-", "="] {
                let mut altered = token.clone();
                altered.replace_range(at..=at, other);
                assert!(altered == token || verify_refresh_token(&key(), &altered, "app").is_none(), "{at} {other}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_presented_is_refused_and_nothing_panics(text in "(plrt_)?[A-Za-z0-9_=-]{0,90}|\\PC*") {
            prop_assert_eq!(verify_refresh_token(&key(), &text, "app"), None);
        }
    }
}
