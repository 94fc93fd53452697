//! What a tray shows, as a pure function of how everything stands.

use crate::attention::{About, Notice};
use crate::flame::Picture;
use crate::standing::{Seen, Standing, State, Vault};
use crate::words::Words;
use pilotlight::ErrorCode;
use pilotlight::values::Timestamp;

/// A menu longer than this is no menu.
const LINES: usize = 20;

/// Everything that a tray shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) picture: Picture,
    /// At a glance, in one line.
    pub(crate) glance: String,
    /// One line for each account, those that need something first.
    pub(crate) lines: Vec<Line>,
    /// How many accounts had no place.
    pub(crate) more: Option<String>,
    pub(crate) lock: Option<Lock>,
}

/// One account in the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) account: String,
}

/// What the menu offers for the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    Lock,
    Unlock,
}

impl Shown {
    pub(crate) fn of(standing: &Standing, words: &Words) -> Self {
        let (picture, glance) = match standing.vault {
            Vault::Open => accounts_at_a_glance(&standing.accounts, words),
            Vault::Opening => (Picture::Waiting, words.opening.to_owned()),
            Vault::Locked => (Picture::Waiting, words.locked.to_owned()),
            vault @ Vault::Unavailable(code) => {
                let glance = match code {
                    ErrorCode::PassphraseNeeded => words.wants_passphrase,
                    _ if vault.needs_person() => words.vault_trouble,
                    _ => words.waits_for_keystore,
                };
                (if vault.needs_person() { Picture::Asking } else { Picture::Waiting }, glance.to_owned())
            }
        };
        let mut accounts: Vec<_> = standing.accounts.iter().collect();
        accounts.sort_by_key(|account| match account.state {
            State::Ended => 0,
            State::Waiting => 1,
            State::SignedIn => 2,
        });
        let beyond = accounts.len().saturating_sub(LINES);
        accounts.truncate(LINES);
        Self {
            picture,
            glance,
            lines: accounts.into_iter().map(|account| Line::of(account, words)).collect(),
            more: (beyond > 0).then(|| (words.more)(beyond)),
            lock: match standing.vault {
                Vault::Open => Some(Lock::Lock),
                Vault::Locked | Vault::Unavailable(_) => Some(Lock::Unlock),
                Vault::Opening => None,
            },
        }
    }
}

impl Line {
    fn of(account: &Seen, words: &Words) -> Self {
        let state = match account.state {
            State::SignedIn => words.signed_in,
            State::Waiting => words.waiting,
            State::Ended => words.ended,
        };
        Self { label: (words.line)(&account.name, state), account: account.name.clone() }
    }
}

fn accounts_at_a_glance(accounts: &[Seen], words: &Words) -> (Picture, String) {
    let count = |state| accounts.iter().filter(|account| account.state == state).count();
    match (count(State::Ended), count(State::Waiting), accounts.len()) {
        (0, 0, 0) => (Picture::Well, words.nobody.to_owned()),
        (0, 0, all) => (Picture::Well, (words.all_signed_in)(all)),
        (0, waiting, _) => (Picture::Waiting, (words.some_waiting)(waiting)),
        (ended, ..) => (Picture::Asking, (words.some_ended)(ended)),
    }
}

/// A notice in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) heading: String,
    pub(crate) text: String,
    /// What the one button says.
    pub(crate) button: &'static str,
}

impl Told {
    pub(crate) fn of(notice: &Notice, words: &Words, now: Timestamp) -> Self {
        let name = notice.account.as_deref().unwrap_or_default();
        let (heading, text, button) = match notice.about {
            About::Ended => ((words.has_ended)(name), words.has_ended_detail.to_owned(), words.sign_in_again),
            About::Lapsing(at) => {
                let hours = at.since(now).as_secs() / 3600;
                ((words.ends_soon)(name), (words.ends_soon_detail)(hours / 24, hours % 24), words.sign_in_again)
            }
            About::Several(count) => ((words.several)(count), words.several_detail.to_owned(), words.open),
            About::Passphrase => (words.wants_passphrase.to_owned(), words.passphrase_detail.to_owned(), words.unlock),
            About::Vault => (words.vault_trouble.to_owned(), words.vault_detail.to_owned(), words.open),
        };
        Self { heading, text, button }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pilotlight::values::GrantId;

    use super::*;
    use crate::standing::Ends;
    use crate::words::Language;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn account(name: &str, state: State) -> Seen {
        let ends = Ends { signed_in_at: NOW, refreshed_at: NOW, at: None, renewable: true };
        Seen { id: GrantId::from_bytes([7; 16]), name: name.into(), state, ends }
    }

    fn shown(vault: Vault, accounts: Vec<Seen>) -> Shown {
        Shown::of(&Standing { now: NOW, vault, accounts }, Language::English.words())
    }

    #[test]
    fn the_worst_of_the_accounts_gives_the_picture_and_the_words() {
        use State::{Ended, SignedIn, Waiting};
        for (states, picture, glance) in [
            (&[][..], Picture::Well, "Nobody is signed in"),
            (&[SignedIn], Picture::Well, "Signed in"),
            (&[SignedIn, SignedIn], Picture::Well, "2 accounts signed in"),
            (&[SignedIn, Waiting], Picture::Waiting, "1 account waits for its service"),
            (&[Ended, Waiting], Picture::Asking, "1 account needs you to sign in again"),
        ] {
            let shown = shown(Vault::Open, states.iter().map(|state| account("work", *state)).collect());
            assert_eq!((shown.picture, shown.glance.as_str()), (picture, glance));
        }
    }

    #[test]
    fn those_that_need_something_come_first_and_a_thousand_accounts_make_no_endless_menu() {
        let mut accounts: Vec<_> = (0..998).map(|number| account(&format!("a{number}"), State::SignedIn)).collect();
        accounts.extend([account("late", State::Waiting), account("gone", State::Ended)]);
        let shown = shown(Vault::Open, accounts);
        let lines: Vec<_> = shown.lines.iter().map(|line| line.label.as_str()).take(3).collect();
        assert_eq!(lines, ["gone — sign-in ended", "late — waiting for the service", "a0 — signed in"]);
        assert_eq!((shown.lines.len(), shown.more.as_deref()), (20, Some("980 more")));
    }

    #[test]
    fn a_vault_says_whether_it_waits_or_a_person_has_to_act_and_what_can_be_done() {
        let unavailable = Vault::Unavailable;
        for (vault, picture, glance, lock) in [
            (Vault::Opening, Picture::Waiting, "Opening the vault", None),
            (Vault::Locked, Picture::Waiting, "Locked", Some(Lock::Unlock)),
            (unavailable(ErrorCode::KeystoreLocked), Picture::Waiting, "Waiting for the keystore", Some(Lock::Unlock)),
            (
                unavailable(ErrorCode::PassphraseNeeded),
                Picture::Asking,
                "The vault needs its passphrase",
                Some(Lock::Unlock),
            ),
            (unavailable(ErrorCode::VaultDamaged), Picture::Asking, "The vault cannot be opened", Some(Lock::Unlock)),
            (Vault::Open, Picture::Well, "Nobody is signed in", Some(Lock::Lock)),
        ] {
            let shown = shown(vault, vec![]);
            assert_eq!((shown.picture, shown.glance.as_str(), shown.lock), (picture, glance, lock));
        }
    }

    #[test]
    fn each_notice_has_one_button_that_mends_it_in_both_languages() {
        use crate::attention::Attention;
        let standing = Standing { now: NOW, vault: Vault::Open, accounts: vec![account("工作", State::Ended)] };
        let notice = Attention::default().look(&standing).show.remove(0);
        let told = |language: Language| Told::of(&notice, language.words(), NOW.plus(Duration::from_secs(1)));
        let (english, chinese) = (told(Language::English), told(Language::Chinese));
        assert_eq!((english.heading.as_str(), english.button), ("Your sign-in “工作” has ended", "Sign in again"));
        assert_eq!((chinese.heading.as_str(), chinese.button), ("“工作”的登录已结束", "重新登录"));
    }
}
