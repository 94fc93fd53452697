//! JSON answers of servers, read field by field: a field of an unexpected type is "not told", never a reason to lose
//! the fields beside it.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::HttpResponse;

/// Reads a JSON object. Arrays are refused here because serde would fill a struct from one by position. A repeated
/// member is an error.
pub(crate) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    // RFC 8259 section 8.1 lets a reader skip a byte order mark, and some servers send one.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    if body.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(body).ok()
}

/// `application/json`, `text/json`, `application/*+json`; also no type at all, in which case the body has to tell.
pub(crate) fn may_be_json(response: &HttpResponse) -> bool {
    essence(response).is_none_or(|kind| {
        matches!(kind.as_str(), "application/json" | "text/json")
            || kind.strip_prefix("application/").is_some_and(|sub| sub.ends_with("+json"))
    })
}

/// Whether the body says of itself that it is a web page.
pub(crate) fn is_html(response: &HttpResponse) -> bool {
    essence(response).is_some_and(|kind| matches!(kind.as_str(), "text/html" | "application/xhtml+xml"))
}

fn essence(response: &HttpResponse) -> Option<String> {
    let kind = response.content_type.as_deref()?.split(';').next()?.trim();
    (!kind.is_empty()).then(|| kind.to_ascii_lowercase())
}

/// One member of an answer.
#[derive(Default)]
pub(crate) enum Field<'a> {
    /// Not there, or `null`.
    #[default]
    Absent,
    /// A string without escapes, still in the body.
    Plain(&'a str),
    /// A string with escapes. The parser's own scratch buffer, which is not wiped, has seen it.
    Escaped(SecretString),
    /// A number; whole ones up to 2^53 are exact.
    Number(f64),
    /// An array.
    List(Vec<Field<'a>>),
    /// `true` or `false`.
    Flag(bool),
    /// An object.
    Other,
}

impl<'a> Field<'a> {
    /// The string, where it is one and not empty.
    pub(crate) fn text(&self) -> Option<&str> {
        let text = match self {
            Self::Plain(text) => text,
            Self::Escaped(text) => text.expose_secret(),
            _ => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// A copy of the string as a secret, made in one piece.
    pub(crate) fn secret(&self) -> Option<SecretString> {
        self.text().map(SecretString::from)
    }

    /// A finite number, also where it was sent as a string.
    pub(crate) fn number(&self) -> Option<f64> {
        let number = match self {
            Self::Number(number) => *number,
            _ => self.text()?.trim().parse().ok()?,
        };
        number.is_finite().then_some(number)
    }

    /// Whether it is `true`.
    pub(crate) fn is_true(&self) -> bool {
        matches!(self, Self::Flag(true))
    }

    /// The strings of an array, or the one string.
    pub(crate) fn texts(&self) -> Vec<&str> {
        match self {
            Self::List(items) => items.iter().filter_map(Field::text).collect(),
            _ => self.text().into_iter().collect(),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyField)
    }
}

struct AnyField;

impl<'de> Visitor<'de> for AnyField {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Plain(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Escaped(SecretString::from(text)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Field::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Field::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Field::Number(number))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Absent)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Field::Flag(flag))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Field::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct One<'a> {
        #[serde(borrow)]
        x: Field<'a>,
    }

    fn x(json: &str) -> Option<Field<'_>> {
        object::<One<'_>>(json.as_bytes()).map(|one| one.x)
    }

    #[test]
    fn a_string_is_borrowed_or_else_unescaped() {
        assert!(matches!(x(r#"{"x":"abc"}"#), Some(Field::Plain("abc"))));
        assert_eq!(x(r#"{"x":"a\/b"}"#).unwrap().text(), Some("a/b"));
        assert_eq!(x(r#"{"x":""}"#).unwrap().text(), None);
    }

    #[test]
    fn a_number_may_be_a_string() {
        for json in [r#"{"x":3600}"#, r#"{"x":"3600"}"#, r#"{"x":3600.0}"#, r#"{"x":" 3600 "}"#] {
            assert_eq!(x(json).unwrap().number(), Some(3600.0), "{json}");
        }
        for json in [r#"{"x":"NaN"}"#, r#"{"x":"inf"}"#, r#"{"x":"soon"}"#, r#"{"x":true}"#, r#"{"x":null}"#, "{}"] {
            assert_eq!(x(json).unwrap().number(), None, "{json}");
        }
        assert_eq!(x(r#"{"x":-1}"#).unwrap().number(), Some(-1.0));
    }

    #[test]
    fn a_list_gives_its_strings() {
        assert_eq!(x(r#"{"x":["a",1,{"b":2},null,["c"],"d"]}"#).unwrap().texts(), ["a", "d"]);
        assert_eq!(x(r#"{"x":"a"}"#).unwrap().texts(), ["a"]);
        assert!(x(r#"{"x":{"y":"z"}}"#).unwrap().texts().is_empty());
    }

    #[test]
    fn only_a_whole_object_is_an_object() {
        for body in ["", " ", "[]", r#"["a"]"#, r#""x""#, "{", r#"{"x":"a"} trailing"#, r#"{"x":1,"x":2}"#, "<html>"] {
            assert!(x(body).is_none(), "{body}");
        }
        assert!(x("\u{feff} \n{}").is_some());
        assert!(object::<One<'_>>(b"{\"x\":\"\xff\"}").is_none());
        assert!(x(&format!("{{\"x\":{}", "[".repeat(100_000))).is_none());
    }
}
