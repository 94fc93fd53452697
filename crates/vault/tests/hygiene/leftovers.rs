//! The process's own memory.

use super::victim::Victim;

/// How many copies of the token and of the KEK the process holds, as it counts them itself.
fn counted(text: &str) -> (usize, usize) {
    let (token, kek) = text.split_once(' ').unwrap();
    (token.parse().unwrap(), kek.parse().unwrap())
}

fn count(victim: &mut Victim) -> (usize, usize) {
    counted(&victim.ask("count"))
}

#[test]
fn a_token_in_use_is_found_so_that_the_search_is_known_to_find() {
    let mut victim = Victim::start(false);
    let (token, kek) = count(&mut victim);
    assert!(token >= 1, "the record is held");
    assert_eq!(kek, 0, "the KEK is gone as soon as the vault is open");
    let planted = counted(&victim.ask("count with copies"));
    assert_eq!(planted, (token + 1, kek + 1), "one of each more is found");
    assert_eq!(count(&mut victim), (token, kek));
}

#[test]
fn a_token_that_was_replaced_is_nowhere_in_memory() {
    let mut victim = Victim::start(false);
    victim.ask("rotate");
    assert_eq!(count(&mut victim), (0, 0));
}

#[test]
fn a_closed_vault_leaves_neither_key_nor_token_in_memory() {
    let mut victim = Victim::start(false);
    victim.ask("close");
    assert_eq!(count(&mut victim), (0, 0));
}

#[test]
fn a_vault_opens_where_no_memory_may_be_locked() {
    let mut victim = Victim::start_with("ulimit -l 0", true);
    victim.ask("rotate");
    victim.ask("close");
}
