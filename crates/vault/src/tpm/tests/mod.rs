//! Sealing by an emulated TPM, the wires to it, and the strategy that stands on it.

mod hardware;
mod wires;

use std::path::Path;

use secrecy::ExposeSecret;

use super::{TpmDevice, TpmProtector};
use crate::VaultError;
use crate::envelope::{Kek, KekRef, Protector};
use crate::testing::Swtpm;

const VAULT: [u8; 16] = [3; 16];

fn protector(path: &Path) -> TpmProtector {
    TpmProtector::new(TpmDevice::at(path))
}

/// What a slot of a new KEK says, and the KEK.
fn sealed(tpm: &Swtpm) -> (KekRef, Kek) {
    protector(&tpm.path()).make(&VAULT, &[]).unwrap()
}

/// Whether this TPM gives back that KEK; otherwise what it means that it does not.
fn opens(tpm: &Swtpm, reference: &KekRef, kek: &Kek) -> Result<(), VaultError> {
    let candidates = protector(&tpm.path()).candidates(&VAULT, reference)?;
    let check = kek.check_value(&VAULT);
    if candidates.keks.iter().any(|kek| kek.matches(&VAULT, &check)) { Ok(()) } else { Err(candidates.otherwise) }
}

#[test]
fn what_a_tpm_sealed_it_gives_back_again_and_again() {
    let tpm = Swtpm::start();
    let ((one, first), (other, second)) = (sealed(&tpm), sealed(&tpm));
    assert!(one.params.len() <= 1000 && one.name.len() <= 256, "{}", one.params.len());
    assert_ne!(one.params, other.params);
    // A TPM has room for three objects and three sessions: what is left loaded would show.
    for _ in 0..10 {
        opens(&tpm, &one, &first).unwrap();
        opens(&tpm, &other, &second).unwrap();
    }
    assert!(matches!(opens(&tpm, &one, &second), Err(VaultError::WrongKey)));
}

#[test]
fn a_tpm_that_was_off_gives_it_back_and_one_that_is_off_is_not_a_lost_one() {
    let mut tpm = Swtpm::start();
    let (reference, kek) = sealed(&tpm);
    tpm.stop();
    assert!(matches!(opens(&tpm, &reference, &kek), Err(VaultError::Unavailable(_))));
    assert!(matches!(protector(&tpm.path()).make(&VAULT, &[]), Err(VaultError::Unavailable(_))));
    tpm.restart();
    opens(&tpm, &reference, &kek).unwrap();
}

#[test]
fn a_cleared_tpm_and_another_one_are_told_as_lost() {
    let mut tpm = Swtpm::start();
    let (reference, kek) = sealed(&tpm);
    tpm.replace();
    assert!(matches!(opens(&tpm, &reference, &kek), Err(VaultError::TpmLost(_))));
    let (reference, kek) = sealed(&tpm);
    opens(&tpm, &reference, &kek).unwrap();
    tpm.clear();
    assert!(matches!(opens(&tpm, &reference, &kek), Err(VaultError::TpmLost(_))));
}

#[test]
fn a_sealed_key_with_one_bit_flipped_or_cut_short_is_refused() {
    let tpm = Swtpm::start();
    let (reference, kek) = sealed(&tpm);
    let changed = |params: Vec<u8>| opens(&tpm, &KekRef { params, ..reference.clone() }, &kek);
    for place in 0..reference.params.len() {
        let mut params = reference.params.clone();
        params[place] ^= 1 << (place % 8);
        let outcome = changed(params);
        let typed = matches!(outcome, Err(VaultError::Damaged(_) | VaultError::TpmLost(_)));
        assert!(typed, "{place}: {outcome:?}");
        assert!(matches!(changed(reference.params[..place].to_vec()), Err(VaultError::Damaged(_))), "{place}");
    }
    assert!(matches!(changed([&reference.params[..], &[0]].concat()), Err(VaultError::Damaged(_))));
    opens(&tpm, &reference, &kek).unwrap();
}

#[test]
fn another_vaults_blob_is_another_key() {
    let tpm = Swtpm::start();
    let key = protector(&tpm.path()).unseal(&sealed(&tpm).0.params).unwrap().unwrap();
    let other = protector(&tpm.path()).unseal(&sealed(&tpm).0.params).unwrap().unwrap();
    assert_ne!(key.expose_secret(), other.expose_secret());
}

#[test]
fn a_missing_and_a_closed_device_are_told_with_the_next_step() {
    let missing = protector(Path::new("/nowhere/tpm")).make(&VAULT, &[]).map(|_| ()).unwrap_err();
    assert!(matches!(&missing, VaultError::Unavailable(why) if why.contains("firmware")), "{missing}");
    let closed = TpmDevice::default().unavailable(&std::io::ErrorKind::PermissionDenied.into());
    assert!(matches!(&closed, VaultError::Unavailable(why) if why.contains("usermod -aG tss")), "{closed}");
    assert!(format!("{:?}", TpmDevice::default()).contains("tpmrm0"));
}
