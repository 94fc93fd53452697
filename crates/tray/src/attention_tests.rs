use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn id(number: u8) -> GrantId {
    GrantId::from_bytes([number; 16])
}

/// Signed in ten days ago, and refreshed just now.
fn account(number: u8, state: State) -> Seen {
    let ends = Ends { signed_in_at: NOW.minus(DAY * 10), refreshed_at: NOW, at: None, renewable: true };
    Seen { id: id(number), name: format!("account {number}"), state, ends }
}

fn open(accounts: Vec<Seen>) -> Standing {
    Standing { now: NOW, vault: Vault::Open, accounts }
}

fn closed(vault: Vault) -> Standing {
    Standing { now: NOW, vault, accounts: vec![] }
}

fn about(changes: &Changes) -> Vec<About> {
    changes.show.iter().map(|notice| notice.about).collect()
}

#[test]
fn an_ended_grant_is_told_once_and_taken_back_when_the_person_signed_in_again() {
    let mut attention = Attention::default();
    let ended = open(vec![account(1, State::Ended), account(2, State::SignedIn)]);
    let first = attention.look(&ended);
    assert_eq!(about(&first), [About::Ended]);
    assert_eq!(first.show[0].account.as_deref(), Some("account 1"));
    assert_eq!(attention.look(&ended), Changes::default(), "never twice");
    let successor = Seen { name: "account 1".into(), ..account(3, State::SignedIn) };
    let mended = open(vec![account(1, State::Ended), account(2, State::SignedIn), successor]);
    assert_eq!(attention.look(&mended), Changes { withdraw: first.show, ..Changes::default() });
    assert!(attention.to_keep().is_empty());
}

#[test]
fn a_restart_does_not_tell_again() {
    let mut attention = Attention::default();
    let ended = open(vec![account(1, State::Ended)]);
    attention.look(&ended);
    assert_eq!(Attention::after(attention.to_keep()).look(&ended), Changes::default());
}

#[test]
fn what_did_not_reach_the_person_is_told_at_the_next_look() {
    let mut attention = Attention::default();
    let ended = open(vec![account(1, State::Ended)]);
    let first = attention.look(&ended);
    attention.was_not_told(&first.show[0]);
    assert!(attention.to_keep().is_empty());
    assert_eq!(attention.look(&ended), first);
}

#[test]
fn waiting_for_the_network_or_the_keystore_is_nobodys_business() {
    let mut attention = Attention::default();
    assert_eq!(attention.look(&open(vec![account(1, State::Waiting)])), Changes::default());
    for code in [ErrorCode::KeystoreAbsent, ErrorCode::KeystoreLocked, ErrorCode::KeystoreTimeout] {
        assert_eq!(attention.look(&closed(Vault::Unavailable(code))), Changes::default(), "{}", code.as_str());
    }
    for vault in [Vault::Opening, Vault::Locked] {
        assert_eq!(attention.look(&closed(vault)), Changes::default());
    }
}

#[test]
fn a_vault_that_wants_its_passphrase_is_told_each_time_it_closes_and_nothing_of_the_accounts_is_taken_back() {
    let mut attention = Attention::default();
    let ended = open(vec![account(1, State::Ended)]);
    attention.look(&ended);
    let wants = closed(Vault::Unavailable(ErrorCode::PassphraseNeeded));
    let told = attention.look(&wants);
    assert_eq!((about(&told), told.withdraw.len()), (vec![About::Passphrase], 0));
    assert_eq!(attention.look(&wants), Changes::default());
    assert_eq!(attention.look(&ended), Changes { withdraw: told.show, ..Changes::default() });
    assert_eq!(about(&attention.look(&wants)), [About::Passphrase]);
    let damaged = attention.look(&closed(Vault::Unavailable(ErrorCode::VaultDamaged)));
    assert_eq!((about(&damaged), damaged.withdraw.len()), (vec![About::Vault], 1));
}

#[test]
fn many_that_end_at_once_are_one_notice_that_goes_when_the_last_is_mended() {
    let mut attention = Attention::default();
    let first = attention.look(&open((1..=5).map(|number| account(number, State::Ended)).collect()));
    assert_eq!(about(&first), [About::Several(5)]);
    assert_eq!(attention.look(&open(vec![account(1, State::Ended)])), Changes::default());
    assert_eq!(attention.look(&open(vec![])).withdraw, first.show);
}

fn ending(refreshed_at: Timestamp, at: Timestamp, renewable: bool) -> Standing {
    let signed_in_at = NOW.minus(DAY * 10);
    let ends = Ends { signed_in_at, refreshed_at, at: Some(at), renewable };
    Standing { now: refreshed_at, ..open(vec![Seen { ends, ..account(1, State::SignedIn) }]) }
}

#[test]
fn an_end_that_moves_with_each_refresh_is_never_told() {
    let mut attention = Attention::default();
    for hour in 0..48 {
        let now = NOW.plus(HOUR * hour);
        assert_eq!(attention.look(&ending(now, now.plus(HOUR), true)), Changes::default());
    }
}

#[test]
fn an_end_that_no_refresh_moves_is_told_two_days_ahead_and_once() {
    let mut attention = Attention::default();
    let end = NOW.plus(DAY * 3);
    assert_eq!(attention.look(&ending(NOW, end, true)), Changes::default(), "it may move yet");
    let known = attention.look(&ending(NOW.plus(HOUR), end, true));
    assert_eq!(known, Changes { again: Some(NOW.plus(DAY)), ..Changes::default() });
    assert_eq!(about(&attention.look(&ending(NOW.plus(DAY), end, true))), [About::Lapsing(end)]);
    assert_eq!(attention.look(&ending(NOW.plus(DAY + HOUR), end, true)), Changes::default());
    let extended = attention.look(&ending(NOW.plus(DAY + HOUR * 2), end.plus(DAY * 30), true));
    assert_eq!(extended.withdraw.len(), 1, "the service gave more time");
}

#[test]
fn what_cannot_be_refreshed_is_told_ahead_only_where_it_lives_long() {
    let end = NOW.plus(HOUR);
    assert_eq!(about(&Attention::default().look(&ending(NOW, end, false))), [About::Lapsing(end)]);
    let mut short = ending(NOW, end, false);
    short.accounts[0].ends.signed_in_at = NOW.minus(HOUR);
    assert_eq!(Attention::default().look(&short), Changes::default());
}
