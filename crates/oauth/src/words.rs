//! Words of others that people may get to see: error descriptions, names. They are cleaned before anybody keeps them.

/// Longest server description we keep, in characters.
pub(crate) const DESCRIPTION: usize = 300;
/// Longest name of a person we show, in characters.
pub(crate) const LABEL: usize = 120;
/// Longest error code we believe to be one.
const ERROR_CODE: usize = 64;
/// From this length on, a run of token characters with a digit in it may be a token: a UUID has 36 characters, the
/// shortest tokens in use about 20.
const SUSPICIOUS: usize = 20;
/// From this length on, a run of token characters is no word of any language, digits or not.
const CERTAINLY_NO_WORD: usize = 40;

/// A name for showing: one line, nothing invisible, at most `longest` characters; `None` where nothing is left.
pub(crate) fn shown(text: &str, longest: usize) -> Option<String> {
    let mut clean = String::new();
    for word in text.split(|c: char| c.is_whitespace()) {
        let before = clean.len();
        if before > 0 {
            clean.push(' ');
        }
        clean.extend(word.chars().filter(|c| !is_unprintable(*c)).take(longest));
        if clean.len() == before + usize::from(before > 0) {
            clean.truncate(before);
        }
        if clean.len() > 4 * longest {
            break;
        }
    }
    let end = clean.char_indices().nth(longest).map_or(clean.len(), |(at, _)| at);
    clean.truncate(end);
    clean.truncate(clean.trim_end().len());
    (!clean.is_empty()).then_some(clean)
}

/// A server's description of an error: shown as above, with everything that could be a token masked, because some
/// servers repeat the refresh token they refuse (promise P5).
pub(crate) fn description(text: &str) -> Option<String> {
    shown(&masked(text), DESCRIPTION)
}

/// The characters RFC 6749 section 5.2 allows in `error`, in a length that a code may have, and no token among them.
pub(crate) fn is_error_code(text: &str) -> bool {
    (1..=ERROR_CODE).contains(&text.len())
        && text.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e))
        && masked(text) == text
}

fn masked(text: &str) -> String {
    let mut clean = String::new();
    for run in text.split_inclusive(|c: char| !is_token_character(c)) {
        let word = run.trim_end_matches(|c: char| !is_token_character(c));
        if may_be_token(word) {
            clean.push('…');
            clean.push_str(&run[word.len()..]);
        } else {
            clean.push_str(run);
        }
    }
    clean
}

fn may_be_token(word: &str) -> bool {
    word.len() >= CERTAINLY_NO_WORD || (word.len() >= SUSPICIOUS && word.bytes().any(|b| b.is_ascii_digit()))
}

/// `token68` of RFC 9110 section 11.2: what tokens are made of in practice.
fn is_token_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '+' | '/' | '=')
}

/// Whether no text for people may hold it: control characters (C1 too: U+009B begins a terminal's command), separators of lines,
/// and marks that are invisible or turn the direction of text.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_description_is_one_line_without_control_characters() {
        assert_eq!(description(" Token\r\n\texpired\u{7}\u{202e}. ").as_deref(), Some("Token expired."));
        assert_eq!(description("\u{1b}\u{200b} \n"), None);
        assert_eq!(description(""), None);
    }

    #[test]
    fn a_token_in_a_description_is_masked() {
        for token in ["tGzv3JOkF0XG5Qx2TlKWIA", "0f0e3a3c-54c4-4d9c-8b5f-2f7a1c0d9e11", &"x".repeat(40)] {
            assert_eq!(
                description(&format!("Invalid token: {token} (old)")).as_deref(),
                Some("Invalid token: … (old)")
            );
            assert!(!is_error_code(token));
        }
    }

    #[test]
    fn ordinary_words_are_left_alone() {
        let text = "The provided authorization grant (e.g., code 70008) is unsupported_response_type-like, über-lang.";
        assert_eq!(description(text).as_deref(), Some(text));
    }

    #[test]
    fn registered_error_codes_are_codes() {
        for code in
            ["invalid_grant", "temporarily_unavailable", "unsupported_grant_type", "Unauthorized", "access_denied"]
        {
            assert!(is_error_code(code), "{code}");
        }
        for text in ["", "a\nb", "a\"b", "a\\b", "ungültig", &"a".repeat(65)] {
            assert!(!is_error_code(text), "{text:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_on_a_character_boundary() {
        let text = "ü ".repeat(400);
        let cut = description(&text).unwrap();
        assert!(cut.chars().count() <= DESCRIPTION && cut.ends_with('ü'), "{cut}");
        assert_eq!(shown(&"é".repeat(200), LABEL).unwrap(), "é".repeat(120));
    }

    proptest! {
        #[test]
        fn nothing_invisible_or_too_long_survives(text in any::<String>(), longest in 1_usize..50) {
            if let Some(clean) = shown(&text, longest) {
                prop_assert!(!clean.is_empty() && clean.chars().count() <= longest);
                prop_assert!(clean.trim() == clean && !clean.chars().any(is_unprintable));
            }
        }

        #[test]
        fn a_token_never_survives(
            before in "[^A-Za-z0-9._~+/=-]{0,20}",
            token in "[A-Za-z0-9_-]{42,90}",
            after in "[^A-Za-z0-9._~+/=-].{0,20}",
        ) {
            let text = format!("{before}{token}{after}");
            prop_assert!(!description(&text).unwrap_or_default().contains(&token));
        }
    }
}
