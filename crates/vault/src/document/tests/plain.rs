//! `plain-file`.

use super::Home;
use crate::document::PlainFileVault;
use crate::suite::Bench;
use crate::{Vault, VaultError};

impl Bench for Home {
    fn handle(&self) -> Box<dyn Vault> {
        Box::new(PlainFileVault::open(&self.path()).unwrap())
    }
}

crate::vault_suite!(Home::new);

#[test]
fn a_relative_home_is_refused() {
    assert!(matches!(PlainFileVault::open("app".as_ref()), Err(VaultError::UnsafePath(_))));
}
