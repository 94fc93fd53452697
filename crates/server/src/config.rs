//! What an operator may choose.

use std::time::Duration;

use crate::edge::{Limits, TrustedProxy};
use crate::keys::KeySource;
use crate::routes::Registration;
use crate::signer::SigningAlgorithm;

/// The settings of one server.
#[derive(Debug, Clone)]
pub struct Config {
    /// The issuer identifier, exactly as clients know it (RFC 8414 section 2): `http://127.0.0.1:4400`.
    pub issuer: String,
    /// How long an access token lives.
    pub access_token_ttl: Duration,
    /// How long a refresh token lives unused: the idle life of a grant.
    pub refresh_token_ttl: Duration,
    /// The longest life of a grant, however often it is refreshed; `None` sets no end. Rotation never moves it.
    pub grant_ttl: Option<Duration>,
    /// How long after a rotation the predecessor, presented without an `Idempotency-Key`, is still answered with the
    /// same successor, until that is used: for clients that know no keys. Zero leaves only keyed retries.
    pub retry_window: Duration,
    /// How often a grant may be refreshed in all; `None` sets no limit.
    pub grant_uses: Option<u32>,
    /// How long a person stays signed in to the pages of this server in one browser.
    pub session_ttl: Duration,
    /// Where the server's keys come from.
    pub keys: KeySource,
    /// What a first signing key is made for. Keys that are there already stay as they are.
    pub signing_alg: SigningAlgorithm,
    /// Whether `POST /login` and the password grant of `/token` are served (RFC 9700 section 2.4 advises against them
    /// for anybody but the operator's own programs).
    pub password_sign_in: bool,
    /// Whether every proof of possession needs a nonce of ours (RFC 9449 section 8), so that none can be made ahead.
    pub dpop_nonce: bool,
    /// Whether every client has to push its authorization requests (RFC 9126 section 5).
    pub require_par: bool,
    /// Whether the plain JSON dialect (`POST /login` and `POST /token/refresh`) is served.
    pub plain_json: bool,
    /// How much is served at once, and how long anything may take.
    pub limits: Limits,
    /// Whose word about the far end is believed (RFC 9700 section 4.13).
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Who may register clients (RFC 7591).
    pub registration: Registration,
    /// How many clients may have registered themselves in all.
    pub most_registered: u64,
}

impl Config {
    /// The defaults: access tokens for 15 minutes, refresh tokens for 30 days, a retry window of 10 seconds; keys that end with the process.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            access_token_ttl: Duration::from_secs(15 * 60),
            refresh_token_ttl: Duration::from_secs(30 * 24 * 3600),
            grant_ttl: None,
            retry_window: Duration::from_secs(10),
            grant_uses: None,
            session_ttl: Duration::from_secs(12 * 3600),
            keys: KeySource::Ephemeral,
            signing_alg: SigningAlgorithm::default(),
            password_sign_in: true,
            dpop_nonce: false,
            require_par: false,
            plain_json: true,
            limits: Limits::default(),
            trusted_proxies: Vec::new(),
            registration: Registration::Closed,
            most_registered: 1000,
        }
    }
}

/// Reads a duration as written on a command line: `500ms`, `5s`, `15m`, `12h`, `30d`.
///
/// # Errors
/// A sentence that says what is expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration: write a number and one of ms, s, m, h, d, as in 15m or 30d");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis_each = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => return Err(wrong()),
    };
    // A hundred years: longer is a slip of the finger, and would overflow expiry times further on.
    let longest = 36_500 * 24 * 3600 * 1000;
    number.checked_mul(millis_each).filter(|millis| *millis <= longest).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_written() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse_duration("30d"), Ok(Duration::from_secs(2_592_000)));
    }

    #[test]
    fn a_duration_without_unit_or_sense_is_refused_with_an_example() {
        for wrong in ["", "15", "m", "-5s", "1.5h", "5 s", "15M", "99999999999999999999s", "999999d", "１s"] {
            assert!(parse_duration(wrong).is_err_and(|text| text.contains("15m")), "{wrong}");
        }
    }
}
