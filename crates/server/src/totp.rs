//! One-time passwords by time, RFC 6238: SHA-1, six digits, thirty seconds, which is what every authenticator app does.

use pilotlight_oauth::Timestamp;
use ring::hmac;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use url::Url;
use zeroize::Zeroizing;

/// RFC 4226 section 4 wants 128 bits at least and recommends 160.
pub(crate) const SECRET: usize = 20;
/// RFC 6238 section 5.2.
const STEP_SECS: i64 = 30;
/// How many steps before and after this one are taken too: clocks differ, and people type slowly (section 5.2).
const SLACK: i64 = 1;
const DIGITS: u32 = 6;
/// RFC 4648 section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The time step of an instant, RFC 6238 section 4.2.
pub(crate) fn step_at(now: Timestamp) -> i64 {
    now.as_secs().div_euclid(STEP_SECS)
}

/// HOTP of RFC 4226 section 5.3.
fn derive_code(secret: &[u8], step: i64, digits: u32) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes[bytes.len() - 1] & 0x0f);
    let word = [bytes[offset] & 0x7f, bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]];
    u32::from_be_bytes(word) % 10_u32.pow(digits)
}

/// The step whose code was typed, if it is one of those that count now and later than the last that was taken: each is taken
/// once (RFC 6238 section 5.2).
pub(crate) fn verify(secret: &[u8; SECRET], typed: &str, now: Timestamp, last_step: Option<i64>) -> Option<i64> {
    let typed = read_code(typed)?;
    let this = step_at(now);
    let (mut found, mut step) = (Choice::from(0), 0_i64);
    // All of them, so that the time it takes does not tell which one it was.
    for candidate in this - SLACK..=this + SLACK {
        let fresh = Choice::from(u8::from(last_step.is_none_or(|last| candidate > last)));
        let same = derive_code(secret, candidate, DIGITS).ct_eq(&typed) & fresh;
        step = i64::conditional_select(&step, &candidate, same);
        found |= same;
    }
    bool::from(found).then_some(step)
}

/// Six digits as people type them, with spaces here and there.
fn read_code(typed: &str) -> Option<u32> {
    let digits = typed.chars().filter(|c| !c.is_whitespace());
    // One more than there may be, so that a long text costs nothing.
    let digits: String = digits.take(DIGITS as usize + 1).collect();
    let whole = digits.len() == DIGITS as usize && digits.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| digits.parse().ok()).flatten()
}

/// RFC 4648 section 6, without padding: how a secret is typed into an authenticator app.
pub(crate) fn encode_secret(secret: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(secret.len().div_ceil(5) * 8));
    for group in secret.chunks(5) {
        let mut five = [0; 8];
        five[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(five);
        for at in 0..(group.len() * 8).div_ceil(5) {
            let value = usize::try_from((bits >> (35 - 5 * at)) & 31).unwrap_or_default();
            text.push(char::from(BASE32[value]));
        }
    }
    text
}

/// What the QR code says: the key URI that authenticator apps read.
pub(crate) fn key_uri(issuer: &str, name: &str, secret: &[u8]) -> Zeroizing<String> {
    let host = Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_else(|| "Pilotlight".to_owned());
    let escape = |text: &str| -> String {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
        text.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    let (host, name, secret) = (escape(&host), escape(name), encode_secret(secret));
    Zeroizing::new(format!("otpauth://totp/{host}:{name}?secret={}&issuer={host}", *secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8; SECRET] = b"12345678901234567890";

    #[test]
    fn rfc6238_appendix_b_the_vectors_of_sha_1() {
        let vectors = [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ];
        for (secs, code) in vectors {
            assert_eq!(derive_code(SEED, step_at(Timestamp::from_secs(secs)), 8), code, "{secs}");
        }
    }

    #[test]
    fn rfc4226_appendix_d_the_vectors_of_six_digits() {
        let codes = [755_224, 287_082, 359_152, 969_429, 338_314, 254_676, 287_922, 162_583, 399_871, 520_489];
        for (step, code) in codes.into_iter().enumerate() {
            assert_eq!(derive_code(SEED, i64::try_from(step).unwrap(), 6), code, "{step}");
        }
    }

    fn code(step: i64) -> String {
        format!("{:06}", derive_code(SEED, step, DIGITS))
    }

    #[test]
    fn rfc6238_section_5_2_one_step_to_either_side_is_taken_and_no_more() {
        let now = Timestamp::from_secs(30 * 1000 + 15);
        for (step, taken) in [(998, None), (999, Some(999)), (1000, Some(1000)), (1001, Some(1001)), (1002, None)] {
            assert_eq!(verify(SEED, &code(step), now, None), taken, "{step}");
        }
    }

    #[test]
    fn rfc6238_section_5_2_no_step_is_taken_twice_nor_one_before_it() {
        let now = Timestamp::from_secs(30 * 1000);
        assert_eq!(verify(SEED, &code(1000), now, Some(1000)), None);
        assert_eq!(verify(SEED, &code(999), now, Some(1000)), None);
        assert_eq!(verify(SEED, &code(1001), now, Some(1000)), Some(1001));
    }

    #[test]
    fn codes_are_read_with_spaces_and_nothing_else() {
        let now = Timestamp::from_secs(30 * 1000);
        let good = code(1000);
        assert_eq!(verify(SEED, &format!(" {} {} ", &good[..3], &good[3..]), now, None), Some(1000));
        for wrong in ["", "1", "12345", &format!("{good}0"), "٠١٢٣٤٥", "-12345", "+12345", &"1".repeat(100_000)] {
            assert_eq!(verify(SEED, wrong, now, None), None);
        }
    }

    #[test]
    fn rfc4648_section_10_the_vectors_of_base32() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(*encode_secret(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_key_uri_names_server_and_person_and_escapes_both() {
        let uri = key_uri("https://auth.example/x", "ada & bob:?", b"foobar");
        assert_eq!(*uri, "otpauth://totp/auth.example:ada%20%26%20bob%3A%3F?secret=MZXW6YTBOI&issuer=auth.example");
    }
}
