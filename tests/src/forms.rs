//! Reads the forms of a page: enough of HTML for pages that people sign in with.

/// A form, with what a browser would send if it were submitted as it stands.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) buttons: Vec<Button>,
}

/// An input of a form.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) kind: String,
}

/// A button that submits its form.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Button {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Form {
    /// Whether it asks for a password.
    pub(crate) fn wants_password(&self) -> bool {
        self.fields.iter().any(|field| field.kind == "password")
    }
}

/// The forms of a page, in order.
pub(crate) fn forms(page: &str) -> Vec<Form> {
    let mut found = Vec::new();
    let mut open: Option<Form> = None;
    for tag in page.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag) {
        let (name, rest) = tag.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((tag, ""));
        let read = |wanted| attribute(rest, wanted).unwrap_or_default();
        match (name.to_ascii_lowercase().as_str(), &mut open) {
            ("form", _) => open = Some(Form { action: read("action"), ..Form::default() }),
            ("/form", _) => found.extend(open.take()),
            ("input", Some(form)) => {
                form.fields.push(Field { name: read("name"), value: read("value"), kind: read("type") });
            }
            ("button", Some(form)) if read("type") != "button" => {
                form.buttons.push(Button { id: read("id"), name: read("name"), value: read("value") });
            }
            _ => {}
        }
    }
    found
}

/// The text between the first two `"` after `NAME=`, with its entities resolved.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = format!("{name}=\"");
    let at = tag.match_indices(&start).find(|(at, _)| *at == 0 || tag.as_bytes()[at - 1].is_ascii_whitespace())?.0;
    let (value, _) = tag[at + start.len()..].split_once('"')?;
    Some(unescape(value))
}

/// Resolves the entities that template engines write into attributes.
pub(crate) fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out += before;
        let resolved = after.split_once(';').and_then(|(entity, tail)| Some((entity_char(entity)?, tail)));
        match resolved {
            Some((c, tail)) => {
                out.push(c);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out + rest
}

fn entity_char(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gives_its_forms_with_fields_and_buttons() {
        let page = r#"<p>hi</p><form method="post" action="/a?x=1&amp;y=2"><input type="hidden" name="t" value="&quot;v&#x27;&#62;">
            <input required type="password" name="password"><button id="allow" name="decision" value="yes">Allow</button>
            <button type="button" id="show">Show</button></form><button id="outside">no</button>"#;
        let [form] = forms(page).try_into().unwrap();
        assert_eq!(form.action, "/a?x=1&y=2");
        assert_eq!(form.fields[0], Field { name: "t".into(), value: "\"v'>".into(), kind: "hidden".into() });
        assert!(form.wants_password());
        assert_eq!(form.buttons, [Button { id: "allow".into(), name: "decision".into(), value: "yes".into() }]);
    }

    #[test]
    fn broken_markup_gives_no_form_and_no_panic() {
        for page in
            ["", "<", "<form", "<form action=\"", "<input name=\"x\">", "<form><input value=\"&#xFFFFFFFF;&", "</form>"]
        {
            assert_eq!(forms(page), []);
        }
        assert_eq!(unescape("a&b &nbsp; &#xD800; &amp;"), "a&b &nbsp; &#xD800; &");
    }
}
