//! The person in front of the browser: reads the page, fills it in, presses a button.

use std::{fs::OpenOptions, io::Write as _, path::Path};

use url::Url;

use crate::{
    forms::{self, Form},
    web::{self, Answer as Page, Cookies},
};

/// More pages than any sign-in has: a loop of redirects ends here.
const PAGES: usize = 25;

/// What the person says when asked whether the app may have access.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Yes.
    Allow,
    /// No.
    Deny,
    /// Nothing: closes the page as soon as it opens.
    Leave,
}

impl Answer {
    /// The word for it on the command line of `pilotlight-person`; it is also the id of the button that is pressed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Leave => "leave",
        }
    }

    /// The answer for a word, if there is one.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Allow, Self::Deny, Self::Leave].into_iter().find(|answer| answer.word() == word)
    }
}

/// Somebody with a name, a password and a mind of their own.
#[derive(Clone, Debug)]
pub struct Person {
    /// What is typed into the field for the name.
    pub username: String,
    /// What is typed into the field for the password.
    pub password: String,
    /// What is typed into the field for a device's code.
    pub code: String,
    /// What is answered.
    pub answer: Answer,
}

/// How a visit to an authorization server ended.
#[derive(Debug)]
pub struct Visit {
    /// Every page, in order: method, address without its query, status.
    pub pages: Vec<String>,
    /// The last address.
    pub end: Url,
    /// Whether the browser was sent to another origin than the one it started at: back to the app.
    pub came_back: bool,
    /// What the last page said, as HTML.
    pub page: String,
}

impl Person {
    /// The demo person of `pilotlight-server --demo`, who agrees to everything.
    pub fn demo() -> Self {
        Self { username: "demo".into(), password: "demo".into(), code: String::new(), answer: Answer::Allow }
    }

    /// Opens `start` and goes on until it leads back to the app, or nothing is left to press.
    ///
    /// # Errors
    /// What went wrong on the way, with the pages so far: an unreachable server, a page that is not HTTP.
    pub fn visit(&self, start: &Url) -> Result<Visit, String> {
        let mut cookies = Cookies::default();
        let mut visit = Visit { pages: Vec::new(), end: start.clone(), came_back: false, page: String::new() };
        if self.answer == Answer::Leave {
            return Ok(visit);
        }
        let mut form: Option<Vec<(String, String)>> = None;
        let mut typed = false;
        while visit.pages.len() < PAGES {
            visit.came_back = visit.end.origin() != start.origin();
            if !matches!(visit.end.scheme(), "http" | "https") {
                // Whoever has the visit made may have the desktop open it.
                return Ok(visit);
            }
            let method = if form.is_some() { "POST" } else { "GET" };
            let answer = web::fetch(&mut cookies, &visit.end, form.take().as_deref())
                .map_err(|error| format!("{} failed: {error}; so far {:?}", visit.end, visit.pages))?;
            let place = &visit.end[..url::Position::AfterPath];
            visit.pages.push(format!("{method} {place} {}", answer.status));
            if let Some(next) = redirect(&visit.end, &answer)? {
                visit.end = next;
                continue;
            }
            let next = if visit.came_back { None } else { self.fill(&visit.end, &answer.body, &mut typed) };
            visit.page = answer.body;
            match next {
                Some((action, fields)) => (visit.end, form) = (action, Some(fields)),
                None => return Ok(visit),
            }
        }
        Err(format!("the pages never end: {:?}", visit.pages))
    }

    /// Fills in the form of a page and says where it goes. A password is typed once: a page that asks again has refused it.
    fn fill(&self, at: &Url, page: &str, typed: &mut bool) -> Option<(Url, Vec<(String, String)>)> {
        let forms = forms::forms(page);
        let has = |form: &&Form| form.buttons.iter().any(|button| button.id == self.answer.word());
        let form = forms
            .iter()
            .find(|form| form.wants_password())
            .or_else(|| forms.iter().find(has))
            .or_else(|| forms.iter().find(|form| !form.buttons.is_empty()))?;
        if form.wants_password() && std::mem::replace(typed, true) {
            return None;
        }
        let value = |field: &forms::Field| match field.kind.as_str() {
            "password" => self.password.clone(),
            "hidden" => field.value.clone(),
            _ if field.name == "user_code" && field.value.is_empty() => self.code.clone(),
            // A code that stands there already.
            _ if !field.value.is_empty() => field.value.clone(),
            _ => self.username.clone(),
        };
        let mut fields: Vec<_> = form.fields.iter().map(|field| (field.name.clone(), value(field))).collect();
        let pressed = form.buttons.iter().find(|button| button.id == self.answer.word()).or(form.buttons.first());
        if let Some(button) = pressed.filter(|button| !button.name.is_empty()) {
            fields.push((button.name.clone(), button.value.clone()));
        }
        Some((at.join(&form.action).ok()?, fields))
    }
}

fn redirect(at: &Url, answer: &Page) -> Result<Option<Url>, String> {
    match (answer.status, answer.header("location")) {
        (301..=303 | 307 | 308, Some(target)) => {
            at.join(target).map(Some).map_err(|error| format!("redirected to {target}: {error}"))
        }
        _ => Ok(None),
    }
}

/// Appends how a visit went to `log`, without what was typed and without the codes in its addresses.
///
/// # Errors
/// What the file system says.
pub fn write_down(log: &Path, visit: &Result<Visit, String>) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(log)?;
    match visit {
        Ok(visit) => {
            let end = if visit.came_back { "back in the app" } else { "did not come back to the app" };
            writeln!(file, "{}\n{end}", visit.pages.join("\n"))
        }
        Err(error) => writeln!(file, "{error}"),
    }
}
