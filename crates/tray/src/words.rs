//! Every word of the tray, in both languages. A text that one of them lacks does not compile.

/// The language of a tray.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

impl Language {
    /// Of a locale's name, such as `zh_CN.UTF-8`; English where it is no language of ours.
    #[must_use]
    pub fn of(locale: &str) -> Self {
        let (language, _) = locale.split_once(['_', '-', '.', '@']).unwrap_or((locale, ""));
        if language.eq_ignore_ascii_case("zh") { Self::Chinese } else { Self::English }
    }

    /// The language that the environment asks for (POSIX: `LC_ALL`, `LC_MESSAGES`, `LANG`, the first that is set).
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the place that reads the environment")]
    pub fn of_surroundings() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set).map_or(Self::English, |locale| Self::of(&locale))
    }

    /// The one that the person has set; none where it is the system's.
    pub(crate) const fn set(language: pilotlight::settings::Language) -> Option<Self> {
        use pilotlight::settings::Language as Set;
        match language {
            Set::System => None,
            Set::English => Some(Self::English),
            Set::Chinese => Some(Self::Chinese),
        }
    }

    pub(crate) const fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }
}

/// The words of one language.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) open: &'static str,
    pub(crate) lock: &'static str,
    pub(crate) unlock: &'static str,
    pub(crate) quit: &'static str,
    pub(crate) sign_in_again: &'static str,

    pub(crate) nobody: &'static str,
    pub(crate) opening: &'static str,
    pub(crate) locked: &'static str,
    pub(crate) waits_for_keystore: &'static str,
    pub(crate) wants_passphrase: &'static str,
    pub(crate) vault_trouble: &'static str,

    pub(crate) signed_in: &'static str,
    pub(crate) waiting: &'static str,
    pub(crate) ended: &'static str,
    /// An account's line in the menu: its name, and one of the three.
    pub(crate) line: fn(name: &str, state: &str) -> String,
    pub(crate) more: fn(usize) -> String,

    pub(crate) all_signed_in: fn(usize) -> String,
    pub(crate) some_waiting: fn(usize) -> String,
    pub(crate) some_ended: fn(usize) -> String,

    pub(crate) has_ended: fn(name: &str) -> String,
    pub(crate) has_ended_detail: &'static str,
    pub(crate) ends_soon: fn(name: &str) -> String,
    pub(crate) ends_soon_detail: fn(days: u64, hours: u64) -> String,
    pub(crate) several: fn(usize) -> String,
    pub(crate) several_detail: &'static str,
    pub(crate) passphrase_detail: &'static str,
    pub(crate) vault_detail: &'static str,
}

const ENGLISH: Words = Words {
    open: "Open Pilotlight",
    lock: "Lock",
    unlock: "Unlock",
    quit: "Quit",
    sign_in_again: "Sign in again",
    nobody: "Nobody is signed in",
    opening: "Opening the vault",
    locked: "Locked",
    waits_for_keystore: "Waiting for the keystore",
    wants_passphrase: "The vault needs its passphrase",
    vault_trouble: "The vault cannot be opened",
    signed_in: "signed in",
    waiting: "waiting for the service",
    ended: "sign-in ended",
    line: |name, state| format!("{name} — {state}"),
    more: |count| format!("{count} more"),
    all_signed_in: |count| if count == 1 { "Signed in".to_owned() } else { format!("{count} accounts signed in") },
    some_waiting: |count| {
        if count == 1 {
            "1 account waits for its service".to_owned()
        } else {
            format!("{count} accounts wait for their services")
        }
    },
    some_ended: |count| {
        if count == 1 {
            "1 account needs you to sign in again".to_owned()
        } else {
            format!("{count} accounts need you to sign in again")
        }
    },
    has_ended: |name| format!("Your sign-in “{name}” has ended"),
    has_ended_detail: "Programs get no more access tokens for it until you sign in again.",
    ends_soon: |name| format!("Your sign-in “{name}” ends soon"),
    ends_soon_detail: |days, hours| match (days, hours) {
        (0, 0 | 1) => "The service ends it within the hour. Sign in again to stay signed in.".to_owned(),
        (0, hours) => format!("The service ends it in {hours} hours. Sign in again to stay signed in."),
        (1, _) => "The service ends it in one day. Sign in again to stay signed in.".to_owned(),
        (days, _) => format!("The service ends it in {days} days. Sign in again to stay signed in."),
    },
    several: |count| format!("{count} accounts need you to sign in again"),
    several_detail: "Programs get no access tokens for those that have ended.",
    passphrase_detail: "Until it is unlocked, nothing is refreshed and no program gets a token.",
    vault_detail: "Nothing is refreshed until you decide what to do. Your accounts are kept.",
};

const CHINESE: Words = Words {
    open: "打开 Pilotlight",
    lock: "锁定",
    unlock: "解锁",
    quit: "退出",
    sign_in_again: "重新登录",
    nobody: "尚未登录任何账户",
    opening: "正在打开保险库",
    locked: "已锁定",
    waits_for_keystore: "正在等待密钥库",
    wants_passphrase: "保险库需要口令",
    vault_trouble: "无法打开保险库",
    signed_in: "已登录",
    waiting: "正在等待服务",
    ended: "登录已结束",
    line: |name, state| format!("{name} — {state}"),
    more: |count| format!("还有 {count} 个"),
    all_signed_in: |count| if count == 1 { "已登录".to_owned() } else { format!("{count} 个账户已登录") },
    some_waiting: |count| format!("{count} 个账户正在等待服务"),
    some_ended: |count| format!("{count} 个账户需要您重新登录"),
    has_ended: |name| format!("“{name}”的登录已结束"),
    has_ended_detail: "在您重新登录之前，程序无法再获得它的访问令牌。",
    ends_soon: |name| format!("“{name}”的登录即将结束"),
    ends_soon_detail: |days, hours| match (days, hours) {
        (0, 0 | 1) => "服务将在一小时内结束这次登录。请重新登录以保持登录状态。".to_owned(),
        (0, hours) => format!("服务将在 {hours} 小时后结束这次登录。请重新登录以保持登录状态。"),
        (days, _) => format!("服务将在 {days} 天后结束这次登录。请重新登录以保持登录状态。"),
    },
    several: |count| format!("{count} 个账户需要您重新登录"),
    several_detail: "对于已结束的登录，程序无法获得访问令牌。",
    passphrase_detail: "解锁之前不会续期，程序也无法获得令牌。",
    vault_detail: "在您决定如何处理之前不会续期。您的账户会保留。",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_that_of_the_locale_and_english_for_all_others() {
        for locale in ["zh_CN.UTF-8", "zh", "ZH-Hans", "zh@pinyin"] {
            assert_eq!(Language::of(locale), Language::Chinese, "{locale}");
        }
        for locale in ["", "C.UTF-8", "en_GB", "zha_CN", "de"] {
            assert_eq!(Language::of(locale), Language::English, "{locale}");
        }
    }
}
