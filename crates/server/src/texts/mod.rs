//! What the pages say, in every language. A text that one language lacks does not compile.

mod en;
mod language;
mod zh;

use std::time::Duration;

pub(crate) use language::Language;

use crate::problem::{Problem, Refused};

/// All texts of the pages in one language. Arrays are the pieces around what is put in between.
pub(crate) struct Texts {
    /// BCP 47.
    pub(crate) tag: &'static str,
    /// The link to the same page in the other language, in that language.
    pub(crate) other: &'static str,
    pub(crate) sign_in: SignIn,
    pub(crate) consent: Consent,
    pub(crate) device: Device,
    pub(crate) account: Account,
    pub(crate) devices: Devices,
    pub(crate) password: Password,
    pub(crate) second: Second,
    pub(crate) sign_out: SignOut,
    pub(crate) stopped: Stopped,
    pub(crate) say: fn(Say) -> &'static str,
    pub(crate) done: fn(Done) -> &'static str,
}

/// Name and password, and the second factor.
pub(crate) struct SignIn {
    pub(crate) title: &'static str,
    pub(crate) to_client: [&'static str; 2],
    pub(crate) to_device: &'static str,
    pub(crate) to_account: &'static str,
    pub(crate) name: &'static str,
    pub(crate) password: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) cancel: &'static str,
    pub(crate) second_title: &'static str,
    pub(crate) second_lead: &'static str,
    pub(crate) code: &'static str,
    pub(crate) go_on: &'static str,
    pub(crate) begin_anew: &'static str,
}

/// What an app wants.
pub(crate) struct Consent {
    pub(crate) title: fn(&str) -> String,
    /// Around the person and the app.
    pub(crate) lead: [&'static str; 3],
    /// Of a client that registered itself.
    pub(crate) unverified: &'static str,
    pub(crate) note: fn(&str) -> String,
    pub(crate) this_computer: &'static str,
    pub(crate) allow: &'static str,
    pub(crate) deny: &'static str,
    pub(crate) another: &'static str,
    pub(crate) wish: fn(Wish) -> &'static str,
}

/// The codes that devices show, RFC 8628.
pub(crate) struct Device {
    pub(crate) title: &'static str,
    pub(crate) lead: &'static str,
    pub(crate) code: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) consent_title: fn(&str) -> String,
    /// Around the person, the app and the code.
    pub(crate) consent_lead: [&'static str; 4],
    pub(crate) consent_note: &'static str,
    pub(crate) allowed_title: &'static str,
    pub(crate) allowed: &'static str,
    pub(crate) denied_title: &'static str,
    pub(crate) denied: &'static str,
}

/// The account page, but for its list.
pub(crate) struct Account {
    pub(crate) title: &'static str,
    pub(crate) signed_in_as: [&'static str; 2],
    pub(crate) sign_out: &'static str,
    pub(crate) security: &'static str,
    pub(crate) password: &'static str,
    pub(crate) change: &'static str,
    pub(crate) second: &'static str,
    pub(crate) second_on: fn(usize) -> String,
    pub(crate) second_off: &'static str,
    pub(crate) set_up: &'static str,
    pub(crate) remove: &'static str,
    pub(crate) back: &'static str,
}

/// The list of sign-ins.
pub(crate) struct Devices {
    pub(crate) title: &'static str,
    pub(crate) this: &'static str,
    pub(crate) browser: &'static str,
    pub(crate) own_program: &'static str,
    pub(crate) unknown: &'static str,
    /// A program on a system.
    pub(crate) on: fn(&str, &str) -> String,
    pub(crate) signed_in: &'static str,
    pub(crate) last_used: &'static str,
    pub(crate) ago: fn(Duration) -> String,
    pub(crate) end: &'static str,
    pub(crate) end_of: fn(&str) -> String,
    pub(crate) end_others: &'static str,
    pub(crate) end_all: &'static str,
    /// How long an access token lives on.
    pub(crate) lives_on: fn(&str) -> String,
    pub(crate) span: fn(Duration) -> String,
    pub(crate) more: fn(usize) -> String,
}

/// Changing the password.
pub(crate) struct Password {
    pub(crate) title: &'static str,
    pub(crate) old: &'static str,
    pub(crate) new: &'static str,
    pub(crate) again: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) end_others: &'static str,
    pub(crate) submit: &'static str,
}

/// Setting up the second factor, and removing it.
pub(crate) struct Second {
    pub(crate) title: &'static str,
    pub(crate) lead: &'static str,
    pub(crate) scan: &'static str,
    pub(crate) picture: &'static str,
    pub(crate) key: &'static str,
    pub(crate) code: &'static str,
    pub(crate) password: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) remove_title: &'static str,
    pub(crate) remove_lead: &'static str,
    pub(crate) remove_code: &'static str,
    pub(crate) remove: &'static str,
    pub(crate) codes_title: &'static str,
    pub(crate) codes_lead: &'static str,
    pub(crate) codes_done: &'static str,
}

/// Signing out of the browser.
pub(crate) struct SignOut {
    pub(crate) title: &'static str,
    pub(crate) lead: [&'static str; 2],
    pub(crate) note: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) stay: &'static str,
    pub(crate) done_title: &'static str,
    pub(crate) done: &'static str,
    pub(crate) sign_in: &'static str,
}

/// The end of a road.
pub(crate) struct Stopped {
    pub(crate) title: &'static str,
    pub(crate) note: &'static str,
}

/// What a scope means to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Identity,
    Name,
    Stay,
    Devices,
}

impl Wish {
    pub(crate) fn of(scope: &str) -> Option<Self> {
        match scope {
            "openid" => Some(Self::Identity),
            "profile" => Some(Self::Name),
            "offline_access" => Some(Self::Stay),
            "devices" => Some(Self::Devices),
            _ => None,
        }
    }
}

/// What went wrong. None of them tells whether somebody has an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    AppTwice,
    AppUnnamed,
    AppUnknown,
    UnknownRedirect,
    RequestOver,
    Stale,
    Incomplete,
    WrongCredentials,
    WrongPassword,
    WrongSecondFactor,
    TooMany,
    Unavailable,
    NotACode,
    UnknownCode,
    PasswordsDiffer,
    BadPassword,
    WrongHint,
    UnknownReturn,
}

/// What has been done, said on the account page after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    Ended,
    EndedOthers,
    Password,
    SecondOn,
    SecondOff,
}

impl Done {
    const ALL: [Self; 5] = [Self::Ended, Self::EndedOthers, Self::Password, Self::SecondOn, Self::SecondOff];

    /// The word for it in an address.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::EndedOthers => "ended-others",
            Self::Password => "password",
            Self::SecondOn => "second-on",
            Self::SecondOff => "second-off",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.as_str() == word)
    }
}

impl From<Problem> for Say {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::InvalidGrant(Refused::WrongCredentials) => Self::WrongCredentials,
            Problem::InvalidGrant(Refused::WrongTotp | Refused::TotpRequired) => Self::WrongSecondFactor,
            Problem::TooMany(_) => Self::TooMany,
            Problem::Unavailable => Self::Unavailable,
            _ => Self::Incomplete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_the_largest_unit_that_is_whole_enough() {
        for (secs, english, chinese) in [
            (0, "just now", "刚刚"),
            (59, "just now", "刚刚"),
            (60, "1 minute ago", "1 分钟前"),
            (3599, "59 minutes ago", "59 分钟前"),
            (7200, "2 hours ago", "2 小时前"),
            (86_400, "1 day ago", "1 天前"),
            (86_400 * 400, "400 days ago", "400 天前"),
        ] {
            let span = Duration::from_secs(secs);
            assert_eq!((en::TEXTS.devices.ago)(span), english);
            assert_eq!((zh::TEXTS.devices.ago)(span), chinese);
        }
        assert_eq!((en::TEXTS.devices.span)(Duration::from_secs(900)), "15 minutes");
        assert_eq!((zh::TEXTS.devices.span)(Duration::from_secs(5)), "5 秒");
    }

    #[test]
    fn the_words_of_addresses_are_read_back() {
        assert!(Done::ALL.iter().all(|done| Done::from_word(done.as_str()) == Some(*done)));
        assert_eq!(Done::from_word("<script>"), None);
    }

    #[test]
    fn every_scope_of_people_has_its_words() {
        for scope in crate::issue::SCOPES {
            let wish = Wish::of(scope).unwrap();
            assert_ne!((en::TEXTS.consent.wish)(wish), (zh::TEXTS.consent.wish)(wish));
        }
    }
}
