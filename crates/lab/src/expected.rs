//! The honest limits: what nobody claims to withstand, each with its reason. They colour a verdict and never make one.

/// Why this strategy is expected to fall to this attack; `None` where it must not.
#[must_use]
pub fn reason(subject: &str, attack: &str) -> Option<String> {
    let fits = |limit: &&Limit| {
        limit.attacks.contains(&attack) && (limit.subjects.is_empty() || limit.subjects.contains(&subject))
    };
    let in_words = |limit: &Limit| format!("{} (docs/decisions/{})", limit.why, &limit.decision[..4]);
    LIMITS.iter().find(fits).map(in_words)
}

/// What falls, and why nobody claims that it does not.
struct Limit {
    subjects: &'static [&'static str],
    attacks: &'static [&'static str],
    /// In a sentence or two.
    why: &'static str,
    /// The page in docs/decisions that weighs it.
    decision: &'static str,
}

/// Whatever is attacked.
const ALL: &[&str] = &[];
/// The page that has all limits that no other decision is about.
const LIST: &str = "0075-honest-limits";
const PLAIN: &[&str] = &["plain-file", "plain-sqlite"];
/// The key stands in the OS keystore.
const KEYED: &[&str] = &["keystore-only", "encrypted-prefs", "sqlcipher", "sqlite-aead"];

const LIMITS: &[Limit] = &[
    Limit {
        subjects: PLAIN,
        attacks: &["read-files", "read-leftovers", "read-disk-image", "clone-files", "clone-files-and-keystore"],
        why: "It keeps tokens readable: whoever has the file has them. It is there to be compared with.",
        decision: LIST,
    },
    Limit {
        subjects: PLAIN,
        attacks: &[
            "flip-bits",
            "cut-files",
            "swap-records",
            "foreign-record",
            "old-record",
            "remove-records",
            "edit-numbers",
        ],
        why: "Nothing in the file proves that it is what was written: a checksum without a key stops accidents, and nothing stops a person who knows the form.",
        decision: LIST,
    },
    Limit {
        subjects: PLAIN,
        attacks: &["redirect-tokens", "plant-trigger", "stale-journal", "damage-log"],
        why: "Whoever may write the file decides what it says, and what SQLite does with it.",
        decision: LIST,
    },
    Limit {
        subjects: PLAIN,
        attacks: &["another-app", "ask-keystore"],
        why: "No key stands between the file and a reader.",
        decision: LIST,
    },
    Limit {
        subjects: KEYED,
        attacks: &["clone-files-and-keystore"],
        why: "Who has the files and an unlocked keystore has everything: a keystore whose password is blank, or known, protects nothing.",
        decision: LIST,
    },
    Limit {
        subjects: &["plain-file", "plain-sqlite", "encrypted-file", "encrypted-prefs", "hardware"],
        attacks: &["restore-files", "foreign-store"],
        why: "Nothing outside the file remembers how new it has to be, or which store it was. The authorization server notices an older one, and ends the grant.",
        decision: LIST,
    },
    Limit {
        subjects: ALL,
        attacks: &["restore-files-and-keystore"],
        why: "What goes back as a whole leaves nothing on this machine that could tell. The authorization server notices, and ends the grant.",
        decision: LIST,
    },
    Limit {
        subjects: &["sqlcipher"],
        attacks: &["foreign-record", "old-record"],
        why: "Pages are sealed one by one: an older page of the same number fits.",
        decision: "0025-sqlcipher-is-a-build",
    },
    Limit {
        subjects: ALL,
        attacks: &["two-clones"],
        why: "A copied refresh token is as good as the first one until one of the two is used; then the authorization server ends the grant. Only a key that cannot be copied would help.",
        decision: LIST,
    },
    Limit {
        subjects: KEYED,
        attacks: &["ask-keystore", "bus-asked"],
        why: "On Linux and Windows the keystore answers every program of the same user, and so do we.",
        decision: LIST,
    },
    Limit {
        subjects: &["hardware"],
        attacks: &["ask-keystore"],
        why: "Another program of the same user may use the TPM too, on this machine: what is sealed has no PIN.",
        decision: "0026-tpm-commands-of-our-own",
    },
    Limit {
        subjects: &["hardware"],
        attacks: &["damage-log"],
        why: "Nothing outside the file remembers that its last commit was in the log.",
        decision: LIST,
    },
    Limit {
        subjects: &["sqlite-aead", "sqlcipher"],
        attacks: &["damage-log"],
        why: "The anchor in the keystore follows a commit within moments; a program killed before that leaves it behind, and then a log that is taken away is not missed.",
        decision: "0011-anchor-behind-the-commit",
    },
    Limit {
        subjects: &["plain-sqlite"],
        attacks: &["memory-leftovers", "swappable-memory"],
        why: "SQLite's cache of pages is neither wiped nor locked, and here its pages are readable.",
        decision: LIST,
    },
    Limit {
        subjects: &["memory"],
        attacks: &["swappable-memory"],
        why: "Its records live in ordinary memory, wiped when they go: only keys are kept in locked pages.",
        decision: "0029-keys-in-locked-pages",
    },
    Limit {
        subjects: &["plain-sqlite", "sqlcipher", "sqlite-aead", "hardware"],
        attacks: &["files-touched-within"],
        why: "SQLite's locks are the process's: other code in it that closes the vault's file drops them. Pilotlight opens the file by SQLite alone and takes a lock of its own for each refresh; a program that embeds it must not open the file besides.",
        decision: "0079-files-touched-within-the-process",
    },
    Limit {
        subjects: ALL,
        attacks: &["changing-names"],
        why: "Files are opened by name, SQLite's always, and a name can lead elsewhere a moment after it was looked at. Whoever can rename the home may write in the folder above it, which is the same user's; what is written elsewhere is as sealed there as at home.",
        decision: "0076-names-above-the-home",
    },
    Limit {
        subjects: ALL,
        attacks: &["ask-keystore", "clone-files-and-keystore"],
        why: "Whatever a program opens by itself, another one of the same user opens too, and so does a copy of all that it opens it with.",
        decision: LIST,
    },
    Limit {
        subjects: ALL,
        attacks: &["watched-start"],
        why: "Whoever decides how a program is started sees everything that it does. No storage can help against that.",
        decision: LIST,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_names_an_attack_and_a_strategy_that_exist() {
        for limit in LIMITS {
            for name in limit.attacks {
                assert!(crate::attack(name).is_some(), "{name}");
            }
            for name in limit.subjects {
                assert!(name.parse::<pilotlight_vault::Strategy>().is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn every_limit_names_a_decision_that_is_there() {
        let decisions = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/decisions");
        for limit in LIMITS {
            assert!(decisions.join(limit.decision).with_extension("md").is_file(), "{}", limit.decision);
        }
    }

    #[test]
    fn the_default_strategy_has_few_limits_and_a_program_of_somebody_elses_none_but_those_of_all() {
        let of =
            |subject: &str| crate::attacks().iter().filter(|attack| reason(subject, attack.name).is_some()).count();
        assert_eq!(of("sqlite-aead"), 9);
        assert_eq!(of("my-store"), 6);
    }
}
