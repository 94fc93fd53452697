//! Scopes, RFC 6749 section 3.3.

use std::collections::HashSet;

/// A set of scope tokens, kept in the order given, without repeats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Scope(Vec<String>);

impl Scope {
    /// From a space-separated list, as on the wire. Tokens with characters outside the RFC's grammar are dropped.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        // A service may send a whole mebibyte of them, so each is not compared with all before it.
        let mut seen = HashSet::new();
        let tokens = text.split_ascii_whitespace().filter(|token| token.bytes().all(is_scope_character));
        Self(tokens.filter(|token| seen.insert(*token)).map(str::to_owned).collect())
    }

    /// Whether it asks for nothing in particular.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it contains `token`.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|t| t == token)
    }

    /// The tokens, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

fn is_scope_character(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With each token compared with all before it, this takes minutes.
    #[test]
    fn a_mebibyte_of_different_tokens_is_read_in_no_time() {
        let text: Vec<String> = (0..150_000).map(|number| format!("{number:x}")).collect();
        assert_eq!(Scope::parse(&text.join(" ")).iter().count(), 150_000);
    }

    #[test]
    fn rfc6749_section_3_3_a_scope_is_a_list_of_tokens() {
        let scope = Scope::parse("openid  profile openid https://x.example/a?b#c");
        assert_eq!(scope.iter().collect::<Vec<_>>(), ["openid", "profile", "https://x.example/a?b#c"]);
        assert_eq!(scope.to_string(), "openid profile https://x.example/a?b#c");
        assert!(scope.contains("profile") && !scope.contains("prof"));
    }

    #[test]
    fn tokens_outside_the_grammar_are_dropped() {
        assert_eq!(Scope::parse("a b\"c d\\e f\u{7f} ü g").to_string(), "a g");
        assert!(Scope::parse(" \t\n").is_empty());
    }
}
