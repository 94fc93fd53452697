//! Bodies and headers that carry secrets, each written into a buffer of exactly its size: a buffer that grows leaves
//! copies of the secret behind in freed memory.

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::SecretString;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

/// Takes the next piece of a text.
type Put<'a> = dyn FnMut(&str) + 'a;

/// A form body, RFC 6749 appendix B. Pairs keep their order.
pub(crate) fn form(pairs: &[(&str, &str)]) -> SecretString {
    exact(&|put| {
        for (index, (name, value)) in pairs.iter().enumerate() {
            if index > 0 {
                put("&");
            }
            byte_serialize(name.as_bytes()).for_each(&mut *put);
            put("=");
            byte_serialize(value.as_bytes()).for_each(&mut *put);
        }
    })
    .into()
}

/// A JSON object whose members are all strings, RFC 8259 sections 4 and 7.
pub(crate) fn json_object(members: &[(&str, &str)]) -> SecretString {
    exact(&|put| {
        put("{");
        for (index, (name, value)) in members.iter().enumerate() {
            put(if index > 0 { ",\"" } else { "\"" });
            json_escaped(name, put);
            put("\":\"");
            json_escaped(value, put);
            put("\"");
        }
        put("}");
    })
    .into()
}

/// `Basic`, RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined, so that a colon in either
/// cannot move the boundary.
pub(crate) fn basic(id: &str, secret: &str) -> SecretString {
    let pair = Zeroizing::new(exact(&|put| {
        byte_serialize(id.as_bytes()).for_each(&mut *put);
        put(":");
        byte_serialize(secret.as_bytes()).for_each(&mut *put);
    }));
    let mut header = String::with_capacity("Basic ".len() + pair.len().div_ceil(3) * 4);
    header.push_str("Basic ");
    BASE64_STANDARD.encode_string(pair.as_bytes(), &mut header);
    header.into()
}

/// `Bearer`, RFC 6750 section 2.1.
pub(crate) fn bearer(access_token: &str) -> SecretString {
    exact(&|put| {
        put("Bearer ");
        put(access_token);
    })
    .into()
}

/// Runs `write` twice: to measure, and to fill a buffer that therefore never moves.
fn exact(write: &dyn Fn(&mut Put<'_>)) -> String {
    let mut length = 0;
    write(&mut |piece| length += piece.len());
    let mut text = String::with_capacity(length);
    write(&mut |piece| text.push_str(piece));
    text
}

fn json_escaped(text: &str, put: &mut Put<'_>) {
    const HEX: &str = "0123456789abcdef";
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        put(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => put("\\\""),
            b'\\' => put("\\\\"),
            control => {
                let (high, low) = (usize::from(control >> 4), usize::from(control & 15));
                put("\\u00");
                put(&HEX[high..=high]);
                put(&HEX[low..=low]);
            }
        }
        rest = &rest[at + 1..];
    }
    put(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn rfc6749_appendix_b_form_encoding() {
        let body = form(&[("x", " %&+£€")]);
        assert_eq!(body.expose_secret(), "x=+%25%26%2B%C2%A3%E2%82%AC");
    }

    #[test]
    fn rfc6749_section_2_3_1_basic_encodes_id_and_secret_before_joining_them() {
        let header = basic("one:two", "a b%");
        let encoded = header.expose_secret().strip_prefix("Basic ").unwrap();
        assert_eq!(BASE64_STANDARD.decode(encoded).unwrap(), b"one%3Atwo:a+b%25");
    }

    #[test]
    fn an_empty_list_is_an_empty_form_and_an_empty_object() {
        assert_eq!(form(&[]).expose_secret(), "");
        assert_eq!(json_object(&[]).expose_secret(), "{}");
    }

    #[test]
    fn rfc8259_section_7_escapes() {
        let body = json_object(&[("a\"", "\u{1}\u{1f}\\/é\u{7f}")]);
        assert_eq!(body.expose_secret(), "{\"a\\\"\":\"\\u0001\\u001f\\\\/é\u{7f}\"}");
    }

    proptest! {
        #[test]
        fn a_form_reads_back_as_it_was_written(pairs in prop::collection::vec((".*", ".*"), 0..5)) {
            let borrowed: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            let body = form(&borrowed);
            let read: Vec<(String, String)> = url::form_urlencoded::parse(body.expose_secret().as_bytes())
                .map(|(n, v)| (n.into_owned(), v.into_owned()))
                .collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn a_json_object_reads_back_as_it_was_written(name in any::<String>(), value in any::<String>()) {
            let body = json_object(&[(&name, &value)]);
            let read: std::collections::BTreeMap<String, String> = serde_json::from_str(body.expose_secret()).unwrap();
            prop_assert_eq!(read.get(&name), Some(&value));
            prop_assert_eq!(read.len(), 1);
        }

        #[test]
        fn a_text_fills_its_buffer_exactly(value in any::<String>()) {
            let text = exact(&|put| json_escaped(&value, put));
            prop_assert_eq!(text.capacity(), text.len());
        }

        #[test]
        fn a_basic_header_decodes_to_both_halves(id in any::<String>(), secret in any::<String>()) {
            let header = basic(&id, &secret);
            let encoded = header.expose_secret().strip_prefix("Basic ").unwrap();
            let pair = String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap();
            let (id_half, secret_half) = pair.split_once(':').unwrap();
            let decode = |half: &str| {
                url::form_urlencoded::parse(format!("x={half}").as_bytes()).next().unwrap().1.into_owned()
            };
            prop_assert_eq!(decode(id_half), id);
            prop_assert_eq!(decode(secret_half), secret);
        }
    }
}
