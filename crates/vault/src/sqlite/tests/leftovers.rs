use super::{Home, ONE};
use crate::Vault;
use crate::leftovers::copies;

#[test]
fn the_dek_stands_in_memory_once_while_the_vault_is_open_and_nowhere_when_it_is_closed() {
    let home = Home::with_two_records();
    let vault = home.open().unwrap();
    let inverted = vault.database().keyring.active.inverted_dek();
    assert_eq!(copies(&inverted), 1);
    for _ in 0..5 {
        let generation = vault.load(&ONE).unwrap().unwrap().generation;
        vault.commit(&ONE, generation, b"another payload").unwrap();
        vault.list().unwrap();
    }
    assert_eq!(copies(&inverted), 1, "using it leaves no copies");
    drop(vault);
    assert_eq!(copies(&inverted), 0);
}
