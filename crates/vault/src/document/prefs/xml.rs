//! The XML of Android's shared preferences, as far as encrypted ones use it: a map of strings.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::VaultError;

/// The most entries that are read: more than anybody has grants.
const MOST_ENTRIES: usize = 100_000;
/// The longest name, in bytes. Those of the keysets are the longest, with 58.
const LONGEST_NAME: usize = 256;
/// The longest text, in bytes: what the manifest of 100,000 records comes to. A record needs at most 120 KiB.
const LONGEST_TEXT: usize = 16 * 1024 * 1024;

/// Name and text of each entry, in the order of the file.
pub(super) type Entries = Vec<(String, String)>;

fn refused(why: &str) -> VaultError {
    VaultError::Damaged(format!("its XML {why}"))
}

/// The entries as Android writes them. None of the texts need escapes: they are base64, hexadecimal or fixed.
pub(super) fn write<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut file = b"<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\n<map>\n".to_vec();
    for (name, text) in entries {
        for part in ["    <string name=\"", name, "\">", text, "</string>\n"] {
            file.extend_from_slice(part.as_bytes());
        }
    }
    file.extend_from_slice(b"</map>\n");
    file
}

/// Reads [`write()`] and what Android writes. Other elements and attributes, references, comments, document types and
/// whatever else XML offers are refused: nobody who keeps this format writes them.
pub(super) fn read(file: &[u8]) -> Result<Entries, VaultError> {
    let text = std::str::from_utf8(file).map_err(|_| refused("is no UTF-8"))?;
    let mut reader = Reader::from_str(text);
    let mut entries = Entries::new();
    let mut place = Place::Before;
    loop {
        let event = reader.read_event().map_err(|_| refused("is malformed"))?;
        place = match (place, event) {
            (Place::Before, Event::Decl(_)) if entries.is_empty() => Place::Declared,
            (Place::Before | Place::Declared, Event::Start(start)) if is_map(&start)? => Place::Map,
            (Place::Map, Event::Start(start)) => Place::Text(name_of(&start)?, None),
            (Place::Map, Event::End(_)) => Place::After,
            (Place::Text(name, None), Event::Text(text)) => Place::Text(name, Some(plain(&text, LONGEST_TEXT)?)),
            (Place::Text(name, text), Event::End(_)) => {
                if entries.len() == MOST_ENTRIES {
                    return Err(refused("has too many entries"));
                }
                entries.push((name, text.unwrap_or_default()));
                Place::Map
            }
            (Place::After, Event::Eof) => return Ok(entries),
            (place @ (Place::Declared | Place::Map | Place::After), Event::Text(text)) if is_blank(&text) => place,
            _ => return Err(refused("is no map of strings")),
        };
    }
}

/// Where the reader is.
enum Place {
    Before,
    Declared,
    Map,
    /// Inside the entry of this name.
    Text(String, Option<String>),
    After,
}

fn is_map(start: &BytesStart<'_>) -> Result<bool, VaultError> {
    match start.attributes().next() {
        None => Ok(start.name().as_ref() == "map"),
        Some(_) => Err(refused("is no map of strings")),
    }
}

/// The name of a `string` element, its only attribute.
fn name_of(start: &BytesStart<'_>) -> Result<String, VaultError> {
    let mut attributes = start.attributes();
    match (start.name().as_ref(), attributes.next(), attributes.next()) {
        ("string", Some(Ok(attribute)), None) if attribute.key.as_ref() == "name" => {
            plain(&attribute.value, LONGEST_NAME)
        }
        _ => Err(refused("is no map of strings")),
    }
}

/// The characters of base64, hexadecimal and the two reserved names: nothing that XML could read in two ways.
fn plain(text: &str, longest: usize) -> Result<String, VaultError> {
    if text.len() > longest {
        return Err(refused("has an entry that is too long"));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_".contains(&byte);
    if !text.bytes().all(allowed) {
        return Err(refused("has an entry that is neither base64 nor hexadecimal"));
    }
    Ok(text.to_owned())
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| b" \t\r\n".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{read, write};
    use crate::VaultError;
    use proptest::prelude::*;

    fn entries(file: &str) -> Option<Vec<(String, String)>> {
        match read(file.as_bytes()) {
            Ok(entries) => Some(entries),
            Err(VaultError::Damaged(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_android_writes_reads() {
        let file = "<?xml version='1.0' encoding='utf-8' standalone='yes' ?>\n<map>\n    \
                    <string name=\"AQED488T/+w=\">AUtj+/==</string>\n    <string name=\"__a_b__\">12a7</string>\n</map>\n";
        let expected = [("AQED488T/+w=", "AUtj+/=="), ("__a_b__", "12a7")];
        let owned: Vec<_> = expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(entries(file), Some(owned));
        assert_eq!(write(expected), file.as_bytes());
        assert_eq!(entries("<map></map>"), Some(Vec::new()));
        assert_eq!(entries("<map><string name='a'></string></map>"), Some(vec![("a".to_owned(), String::new())]));
    }

    #[test]
    fn what_else_xml_offers_is_refused() {
        for file in [
            "",
            "map",
            "<map>",
            "<map/>",
            "<map></map><map></map>",
            "<map></map>x",
            "x<map></map>",
            "<map a='b'></map>",
            "<set></set>",
            "<map><int name='a' value='1' /></map>",
            "<map><string>a</string></map>",
            "<map><string name='a'/></map>",
            "<map><string name='a' name='b'>c</string></map>",
            "<map><string name='a' other='b'>c</string></map>",
            "<map><string nom='a'>c</string></map>",
            "<map><string name='a'>b</string>c</map>",
            "<map><string name='a'>b<i>c</i></string></map>",
            "<map><string name='a'>b<!-- c --></string></map>",
            "<map><string name='a'>b<!-- c -->d</string></map>",
            "<map><string name='a'><![CDATA[b]]></string></map>",
            "<map><string name='a'>b&amp;c</string></map>",
            "<map><string name='a'>&#98;</string></map>",
            "<map><string name='&#98;'>b</string></map>",
            "<map><string name='a'>b c</string></map>",
            "<map><string name='a'>b</string></map><!-- c -->",
            "<map><string name='a'>b</map></string>",
            "<?xml version='1.0'?><?xml version='1.0'?><map></map>",
            "<?pi?><map></map>",
            "<!DOCTYPE map [<!ENTITY a 'b'>]><map><string name='a'>&a;</string></map>",
            "<map><string name='a'>b</string>\u{0}</map>",
        ] {
            assert_eq!(entries(file), None, "{file}");
        }
        assert!(read(b"<map>\xff</map>").is_err());
    }

    #[test]
    fn entries_have_a_longest_length() {
        for (name, text, read) in [(256, 1 << 24, true), (257, 1, false), (1, (1 << 24) + 1, false)] {
            let file = format!("<map><string name='{}'>{}</string></map>", "n".repeat(name), "t".repeat(text));
            assert_eq!(entries(&file).is_some(), read, "{name} {text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_an_end(file in "[<>/='\"a-c!?&; -]{0,60}") {
            drop(read(file.as_bytes()));
            drop(read(format!("<map>{file}</map>").as_bytes()));
        }
    }
}
