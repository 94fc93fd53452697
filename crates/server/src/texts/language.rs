//! Which language a page is shown in.

use axum::http::{HeaderMap, header};

use super::{Texts, en, zh};

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

impl Language {
    pub(crate) fn texts(self) -> &'static Texts {
        match self {
            Self::English => &en::TEXTS,
            Self::Chinese => &zh::TEXTS,
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::English => Self::Chinese,
            Self::Chinese => Self::English,
        }
    }

    /// The word for it in addresses and cookies.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// Of a BCP 47 tag: by its primary subtag. All who read Chinese are served in simplified characters.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        [Self::English, Self::Chinese].into_iter().find(|language| primary.eq_ignore_ascii_case(language.as_str()))
    }

    /// The first that we speak of a list in order of preference: `ui_locales` of OpenID Connect Core section 3.1.2.1.
    pub(crate) fn of_list(tags: &str) -> Option<Self> {
        tags.split_ascii_whitespace().find_map(Self::of_tag)
    }

    /// What a browser asks for, RFC 9110 section 12.5.4.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|line| line.to_str().ok());
        let mut best: Option<(f32, Self)> = None;
        for range in lines.flat_map(|line| line.split(',')) {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            if let Some(language) = Self::of_tag(tag)
                && weight > best.map_or(0.0, |(weight, _)| weight)
            {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str) -> Option<Language> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, accept.parse().unwrap());
        Language::of_headers(&headers)
    }

    #[test]
    fn rfc9110_section_12_5_4_the_language_of_the_highest_weight_is_shown() {
        assert_eq!(of("zh-CN,zh;q=0.9,en;q=0.8"), Some(Language::Chinese));
        assert_eq!(of("en-GB, zh"), Some(Language::English), "of equals the first");
        assert_eq!(of("de, en;q=0.5, zh-Hant-TW;q=0.7"), Some(Language::Chinese));
        assert_eq!(of("zh;q=0, en;q=0.1"), Some(Language::English));
        for none in ["", "de", "*", "zh;q=0", "zh;q=x", "zhuang", ";;;,,,"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn ui_locales_are_taken_in_their_order() {
        assert_eq!(Language::of_list("fr-CA zh-Hans en"), Some(Language::Chinese));
        assert_eq!(Language::of_list("fr"), None);
    }
}
