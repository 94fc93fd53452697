//! The honest limits: what nobody claims to withstand, each with its reason. They colour a verdict and never make one.

/// Why this strategy is expected to fall to this attack; `None` where it must not.
#[must_use]
pub fn reason(subject: &str, attack: &str) -> Option<&'static str> {
    let fits = |(subjects, attacks, _): &&Limit| {
        attacks.contains(&attack) && (subjects.is_empty() || subjects.contains(&subject))
    };
    LIMITS.iter().find(fits).map(|(_, _, why)| *why)
}

/// Strategies (none named: all), attacks, and the reason.
type Limit = (&'static [&'static str], &'static [&'static str], &'static str);

const PLAIN: &[&str] = &["plain-file", "plain-sqlite"];
/// The key stands in the OS keystore.
const KEYED: &[&str] = &["keystore-only", "encrypted-prefs", "sqlcipher", "sqlite-aead"];

const LIMITS: &[Limit] = &[
    (
        PLAIN,
        &["read-files", "read-leftovers", "read-disk-image", "clone-files", "clone-files-and-keystore"],
        "It keeps tokens readable: whoever has the file has them. It is there to be compared with.",
    ),
    (
        PLAIN,
        &["flip-bits", "cut-files", "swap-records", "foreign-record", "old-record", "remove-records", "edit-numbers"],
        "Nothing in the file proves that it is what was written: a checksum without a key stops accidents, and nothing stops a person who knows the form.",
    ),
    (
        PLAIN,
        &["redirect-tokens", "plant-trigger", "stale-journal", "damage-log"],
        "Whoever may write the file decides what it says, and what SQLite does with it.",
    ),
    (PLAIN, &["another-app", "ask-keystore"], "No key stands between the file and a reader."),
    (
        KEYED,
        &["clone-files-and-keystore"],
        "Who has the files and an unlocked keystore has everything: a keystore whose password is blank, or known, protects nothing.",
    ),
    (
        &["plain-file", "plain-sqlite", "encrypted-file", "encrypted-prefs", "hardware"],
        &["restore-files"],
        "Nothing outside the file remembers how new it has to be. The authorization server notices, and ends the grant.",
    ),
    (
        &[],
        &["restore-files-and-keystore"],
        "What goes back as a whole leaves nothing on this machine that could tell. The authorization server notices, and ends the grant.",
    ),
    (
        &["sqlcipher"],
        &["foreign-record", "old-record"],
        "Pages are sealed one by one: an older page of the same number fits.",
    ),
    (
        &[],
        &["two-clones"],
        "A copied refresh token is as good as the first one until one of the two is used; then the authorization server ends the grant. Only a key that cannot be copied would help.",
    ),
    (
        KEYED,
        &["ask-keystore"],
        "On Linux and Windows the keystore answers every program of the same user, and so do we.",
    ),
    (&["hardware"], &["ask-keystore"], "Another program of the same user may use the TPM too, on this machine."),
    (
        &["hardware"],
        &["foreign-record"],
        "A whole store that was made with the same chip fits in another one's place: nothing outside the file remembers which it was.",
    ),
    (&["hardware"], &["damage-log"], "Nothing outside the file remembers that its last commit was in the log."),
    (
        &["sqlite-aead", "sqlcipher"],
        &["damage-log"],
        "The anchor in the keystore follows a commit within moments; a program killed before that leaves it behind, and then a log that is taken away is not missed.",
    ),
    (
        &["plain-sqlite"],
        &["memory-leftovers"],
        "SQLite's cache of pages is not wiped, and here its pages are readable.",
    ),
    (
        &["keystore-only"],
        &["unsynced-commit"],
        "That file only rings for other processes; the records are in the keystore.",
    ),
    (
        &[],
        &["changing-names"],
        "SQLite and the file system open by name. Who may rename the folder above the home is the same user, or owns the place; the home belongs below a folder that is closed to others.",
    ),
    (
        &[],
        &["ask-keystore", "clone-files-and-keystore"],
        "Whatever a program opens by itself, another one of the same user opens too, and so does a copy of all that it opens it with.",
    ),
    (
        &[],
        &["watched-start"],
        "Whoever decides how a program is started sees everything that it does. No storage can help against that.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_names_an_attack_and_a_strategy_that_exist() {
        for (subjects, attacks, _) in LIMITS {
            for name in *attacks {
                assert!(crate::attack(name).is_some(), "{name}");
            }
            for name in *subjects {
                assert!(name.parse::<pilotlight_vault::Strategy>().is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn the_default_strategy_has_few_limits_and_a_program_of_somebody_elses_none_but_those_of_all() {
        let of =
            |subject: &str| crate::attacks().iter().filter(|attack| reason(subject, attack.name).is_some()).count();
        assert_eq!(of("sqlite-aead"), 7);
        assert_eq!(of("my-store"), 6);
    }
}
