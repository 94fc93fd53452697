//! Refresh tokens: `plrt_` and base64url of (key version ‖ grant id ‖ generation ‖ MAC).
//!
//! Nothing of a token is stored; one that was altered is refused without asking the store; a successor can be derived again
//! for a client that lost the answer; and a token tells the generation even to a store that forgot it. The first tokens had
//! no key version, and belong to the first key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use pilotlight_oauth::Timestamp;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::grant::GrantId;
use crate::keys::{KeySet, MacKey};

/// Lets secret scanners recognise one that leaked.
const PREFIX: &str = "plrt_";
const ID: usize = 16;
const CLAIMS: usize = ID + 4;
const MAC: usize = 32;
const VERSION: usize = 2;
const LABEL: &[u8] = b"pilotlight refresh v2";
/// The key of tokens without a version, and their label.
const FIRST: u16 = 1;
const FIRST_LABEL: &[u8] = b"pilotlight refresh v1";

/// What a genuine token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) grant: GrantId,
    pub(crate) generation: u32,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotGenuine {
    /// Not ours, not this client's, or altered: told apart by nothing.
    Unknown,
    /// Its key is newer than all that were read: it may well be genuine.
    NewerKey,
}

/// The refresh token of that grant and generation, which began at `since`: the same each time.
pub(crate) fn derive_refresh_token(keys: &KeySet, claims: Claims, client: &str, since: Timestamp) -> SecretString {
    let mac_key = keys.mac_at(since);
    let mut bytes = Vec::with_capacity(VERSION + CLAIMS + MAC);
    bytes.extend_from_slice(&mac_key.version.to_be_bytes());
    bytes.extend_from_slice(&claims.grant.0);
    bytes.extend_from_slice(&claims.generation.to_be_bytes());
    let mac = mac(&mac_key.key, LABEL, &bytes, client).finalize().into_bytes();
    bytes.extend_from_slice(&mac);
    SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The claims of a genuine token of this client.
pub(crate) fn verify_refresh_token(keys: &KeySet, token: &str, client: &str) -> Result<Claims, NotGenuine> {
    let bytes = token.strip_prefix(PREFIX).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let bytes = bytes.ok_or(NotGenuine::Unknown)?;
    let (signed, tag) = bytes.split_last_chunk::<MAC>().ok_or(NotGenuine::Unknown)?;
    let (version, label, claims) = match signed.len() {
        CLAIMS => (FIRST, FIRST_LABEL, signed),
        _ => {
            let (version, claims) = signed.split_first_chunk::<VERSION>().ok_or(NotGenuine::Unknown)?;
            (u16::from_be_bytes(*version), LABEL, claims)
        }
    };
    let claims = read_claims(claims).ok_or(NotGenuine::Unknown)?;
    let Some(mac_key) = keys.mac_of(version) else {
        return Err(if keys.may_come(version) { NotGenuine::NewerKey } else { NotGenuine::Unknown });
    };
    mac(&mac_key.key, label, signed, client).verify_slice(tag).map_err(|_| NotGenuine::Unknown)?;
    Ok(claims)
}

fn read_claims(bytes: &[u8]) -> Option<Claims> {
    let (grant, generation) = bytes.split_first_chunk::<ID>()?;
    Some(Claims { grant: GrantId(*grant), generation: u32::from_be_bytes(generation.try_into().ok()?) })
}

fn mac(key: &MacKey, label: &'static [u8], signed: &[u8], client: &str) -> Hmac<Sha256> {
    let mut mac = key.mac(label);
    mac.update(signed);
    mac.update(&Sha256::digest(client));
    mac
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::keys::VersionedMac;

    const THEN: Timestamp = Timestamp::from_secs(1_800_000_000);
    const CLAIMS: Claims = Claims { grant: GrantId([3; 16]), generation: 41 };

    fn keys(versions: &[(u16, u8, i64)]) -> KeySet {
        let mac = |&(version, byte, active_from)| VersionedMac {
            version,
            active_from: Timestamp::from_secs(active_from),
            key: MacKey::new([byte; 32]),
        };
        KeySet::of_macs(versions.iter().map(mac).collect())
    }

    fn key() -> KeySet {
        keys(&[(1, 7, 0)])
    }

    fn token() -> String {
        derive_refresh_token(&key(), CLAIMS, "app", THEN).expose_secret().to_owned()
    }

    #[test]
    fn a_token_says_its_grant_and_generation_to_its_own_client_and_server_only() {
        assert_eq!(verify_refresh_token(&key(), &token(), "app"), Ok(CLAIMS));
        assert_eq!(verify_refresh_token(&key(), &token(), "other"), Err(NotGenuine::Unknown));
        assert_eq!(verify_refresh_token(&keys(&[(1, 8, 0)]), &token(), "app"), Err(NotGenuine::Unknown));
    }

    #[test]
    fn each_generation_has_its_own_token_and_it_can_be_derived_again() {
        let next = derive_refresh_token(&key(), Claims { generation: 42, ..CLAIMS }, "app", THEN);
        assert_ne!(next.expose_secret(), token());
        assert_eq!(token(), token());
    }

    #[test]
    fn after_a_change_of_keys_old_tokens_are_taken_and_a_repeat_gives_the_very_same_one() {
        let both = keys(&[(1, 7, 0), (2, 8, THEN.as_secs() + 1)]);
        assert_eq!(verify_refresh_token(&both, &token(), "app"), Ok(CLAIMS));
        assert_eq!(derive_refresh_token(&both, CLAIMS, "app", THEN).expose_secret(), token());
        let later = derive_refresh_token(&both, CLAIMS, "app", Timestamp::from_secs(THEN.as_secs() + 1));
        assert_ne!(later.expose_secret(), token());
        assert_eq!(verify_refresh_token(&both, later.expose_secret(), "app"), Ok(CLAIMS));
        assert_eq!(verify_refresh_token(&key(), later.expose_secret(), "app"), Err(NotGenuine::NewerKey));
        assert_eq!(verify_refresh_token(&keys(&[(2, 8, 0)]), &token(), "app"), Err(NotGenuine::Unknown));
    }

    #[test]
    fn a_token_from_before_keys_had_versions_belongs_to_the_first_one() {
        // As the first release made it, for grant 03…, generation 41, client `app` and a key of 32 times 7.
        let first = "plrt_AwMDAwMDAwMDAwMDAwMDAwAAAClKtDqEhpbi-76YbHfN_z9i2MCShXwvNTuS7vLd5WTU6A";
        let both = keys(&[(1, 7, 0), (2, 8, 1)]);
        assert_eq!(verify_refresh_token(&both, first, "app"), Ok(CLAIMS));
        assert_eq!(verify_refresh_token(&keys(&[(2, 7, 0)]), first, "app"), Err(NotGenuine::Unknown));
    }

    #[test]
    fn rfc6749_section_10_10_a_token_cannot_be_guessed() {
        let mac_bytes =
            URL_SAFE_NO_PAD.decode(token().strip_prefix(PREFIX).unwrap()).unwrap().len() - super::CLAIMS - VERSION;
        assert!(mac_bytes >= 20, "160 bits");
    }

    #[test]
    fn rfc9700_section_4_14_2_altering_any_one_character_is_noticed() {
        let token = token();
        for at in 0..token.len() {
            for other in ["A", "B", "-", "="] {
                let mut altered = token.clone();
                altered.replace_range(at..=at, other);
                assert!(altered == token || verify_refresh_token(&key(), &altered, "app").is_err(), "{at} {other}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_presented_is_refused_and_nothing_panics(text in "(plrt_)?[A-Za-z0-9_=-]{0,90}|\\PC*") {
            prop_assert!(verify_refresh_token(&key(), &text, "app").is_err());
        }
    }
}
