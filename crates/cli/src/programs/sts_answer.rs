//! The XML that STS answers with, as far as it matters here.

use quick_xml::Reader;
use quick_xml::events::Event;
use zeroize::Zeroizing;

/// Elements within one another are no deeper than this.
const DEEPEST: usize = 16;

/// What STS says.
pub(super) enum Answer {
    Keys(Keys),
    /// Its code and its sentence.
    Refused {
        code: String,
        message: String,
    },
}

/// Temporary keys.
pub(super) struct Keys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Zeroizing<String>,
    pub(super) session_token: Zeroizing<String>,
    /// RFC 3339.
    pub(super) expiration: String,
}

impl Answer {
    /// None where this is no answer of STS.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let keys = || {
            let of = |name| text_at(text, &["AssumeRoleWithWebIdentityResult", "Credentials", name]);
            let keys = Keys {
                access_key_id: plain(&of("AccessKeyId")?)?.to_owned(),
                secret_access_key: of("SecretAccessKey")?,
                session_token: of("SessionToken")?,
                expiration: plain(&of("Expiration")?)?.to_owned(),
            };
            let secrets = plain(&keys.secret_access_key).is_some() && plain(&keys.session_token).is_some();
            secrets.then_some(Self::Keys(keys))
        };
        let refused = || {
            let of = |name| text_at(text, &["Error", name]).map(|text| text.as_str().to_owned());
            Some(Self::Refused { code: of("Code")?, message: of("Message").unwrap_or_default() })
        };
        keys().or_else(refused)
    }
}

fn plain(text: &Zeroizing<String>) -> Option<&str> {
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(text.as_str())
}

/// The text of the element at `path` below the root. None where the XML is broken, is none that STS writes, or has none such.
fn text_at(xml: &str, path: &[&str]) -> Option<Zeroizing<String>> {
    let mut reader = Reader::from_str(xml);
    let mut place: Vec<String> = vec![];
    // No text is longer than all, so that nothing grows and leaves a copy behind.
    let mut found = Zeroizing::new(String::with_capacity(xml.len()));
    loop {
        let within = place.len() == path.len() + 1 && place.iter().skip(1).eq(path.iter());
        match reader.read_event().ok()? {
            Event::Start(start) if place.len() < DEEPEST => {
                place.push(start.local_name().as_ref().to_owned());
            }
            Event::End(_) if within => return Some(Zeroizing::new(found.trim().to_owned())),
            Event::End(_) => {
                place.pop()?;
            }
            Event::Text(text) if within => found.push_str(&text),
            Event::GeneralRef(name) if within => found.push(referred(&name)?),
            Event::Text(_) | Event::GeneralRef(_) | Event::Decl(_) | Event::Empty(_) => {}
            _ => return None,
        }
    }
}

/// One of XML's own five, or a character by its number.
fn referred(name: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if let Some(character) = name.resolve_char_ref().ok()? {
        return Some(character);
    }
    let text = quick_xml::escape::resolve_predefined_entity(name)?;
    text.chars().next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"<?xml version="1.0"?>
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <Audience>client</Audience>
    <Credentials>
      <SessionToken>AQo/x+y==</SessionToken>
      <SecretAccessKey>wJalr/bPxRfiCY</SecretAccessKey>
      <Expiration>2014-10-24T23:00:23Z</Expiration>
      <AccessKeyId>ASgeIAIOSFODNN7EXAMPLE</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>ad4156e9</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"#;

    #[test]
    fn keys_are_read_from_their_own_place() {
        let Some(Answer::Keys(keys)) = Answer::read(GOOD.as_bytes()) else { panic!() };
        assert_eq!(
            (keys.access_key_id.as_str(), keys.secret_access_key.as_str()),
            ("ASgeIAIOSFODNN7EXAMPLE", "wJalr/bPxRfiCY")
        );
        assert_eq!((keys.session_token.as_str(), keys.expiration.as_str()), ("AQo/x+y==", "2014-10-24T23:00:23Z"));
    }

    #[test]
    fn a_refusal_is_a_code_and_a_sentence() {
        let text = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>Not &quot;you&#33;&quot;</Message></Error></ErrorResponse>";
        let Some(Answer::Refused { code, message }) = Answer::read(text.as_bytes()) else { panic!() };
        assert_eq!((code.as_str(), message.as_str()), ("AccessDenied", "Not \"you!\""));
    }

    #[test]
    fn what_sts_does_not_write_is_no_answer() {
        for bad in [
            "",
            "<html><body>Sign in to the hotel</body></html>",
            &GOOD.replace("<AccessKeyId>", "<Access>").replace("</AccessKeyId>", "</Access>"),
            &GOOD.replace("wJalr/bPxRfiCY", ""),
            &GOOD.replace("wJalr/bPxRfiCY", "a b"),
            &GOOD.replace("<?xml version=\"1.0\"?>", "<!DOCTYPE x [<!ENTITY a \"b\">]>"),
            &GOOD.replace("AQo/x+y==", "&a;"),
            &GOOD[..GOOD.len() / 2],
            &"<a>".repeat(1000),
        ] {
            assert!(Answer::read(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(text in any::<String>(), at in 0..GOOD.len(), byte in any::<u8>()) {
            let mut altered = GOOD.as_bytes().to_vec();
            altered[at] = byte;
            let _ = (Answer::read(text.as_bytes()), Answer::read(&altered));
        }
    }
}
