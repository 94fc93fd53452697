//! A `User-Agent` in words that a person recognises: which program, on what. A guess, and nothing is decided by it.

/// Browsers by the word that gives them away. The order matters: most of them also say that they are others.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Systems, in the same way.
const SYSTEMS: [(&str, &str); 9] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("macOS", "macOS"),
    ("Linux", "Linux"),
    ("linux", "Linux"),
];

/// The longest name of a program that is shown, in characters.
const LONGEST: usize = 40;

/// The program and the system behind a `User-Agent`, where they can be told.
pub(crate) fn read(user_agent: &str) -> (Option<String>, Option<&'static str>) {
    let first = |known: &[(&str, &'static str)]| {
        known.iter().find(|(word, _)| user_agent.contains(word)).map(|(_, name)| *name)
    };
    let browser = if user_agent.starts_with("Mozilla/") { first(&BROWSERS) } else { None };
    let program = browser.map(str::to_owned).or_else(|| product(user_agent));
    (program, first(&SYSTEMS))
}

/// The first product of RFC 9110 section 10.1.5, without its version; none of those that every browser claims to be.
fn product(user_agent: &str) -> Option<String> {
    let name = user_agent.split([' ', '/', '(']).next()?;
    let readable =
        !name.is_empty() && name != "Mozilla" && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    readable.then(|| name.chars().take(LONGEST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_browsers_and_programs_are_told_by_name() {
        for (text, program, system) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Some("Firefox"), Some("Linux")),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                Some("Edge"),
                Some("Windows"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                Some("Safari"),
                Some("macOS"),
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                Some("Chrome"),
                Some("Android"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                Some("Safari"),
                Some("iPhone"),
            ),
            ("curl/8.5.0", Some("curl"), None),
            ("pilotlight/0.1.0 (linux)", Some("pilotlight"), Some("Linux")),
            ("Mozilla/5.0 (unknown)", None, None),
            ("", None, None),
            ("<script>/1", None, None),
        ] {
            assert_eq!(read(text), (program.map(str::to_owned), system), "{text}");
        }
        assert_eq!(read(&"x".repeat(1000)).0.map(|name| name.len()), Some(LONGEST));
    }
}
