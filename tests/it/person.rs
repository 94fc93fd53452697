//! The browser of the tests against the real pages of two servers: whoever gets through these can be trusted in other tests.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    thread,
};

use pilotlight_tests::{Answer, OidcProvider, Person, Server, Visit};
use url::Url;

/// An app's side of a sign-in: a loopback listener that takes one answer.
struct App {
    listener: TcpListener,
    redirect: Url,
}

impl App {
    fn listening() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let redirect = format!("http://{}/callback", listener.local_addr().unwrap());
        Self { listener, redirect: redirect.parse().unwrap() }
    }

    /// The authorization request of RFC 6749 section 4.1.1, with the code challenge of RFC 7636 appendix B.
    fn request(&self, endpoint: &str) -> Url {
        let parameters = [
            ("response_type", "code"),
            ("client_id", OidcProvider::CLIENT_ID),
            ("redirect_uri", self.redirect.as_str()),
            ("scope", "openid"),
            ("state", "a state"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJGuCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ];
        Url::parse_with_params(endpoint, parameters).unwrap()
    }

    /// The query that the browser brings, once the visit is over.
    fn answer(self, visit: impl FnOnce() -> Visit) -> (Visit, Vec<(String, String)>) {
        let Self { listener, redirect } = self;
        let taken = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            write!(&stream, "HTTP/1.0 200 OK\r\n\r\nback in the app").unwrap();
            redirect.join(line.split(' ').nth(1).unwrap()).unwrap()
        });
        let visit = visit();
        assert!(visit.came_back, "{:?} {}", visit.pages, visit.page);
        let answer = taken.join().unwrap();
        (visit, answer.query_pairs().into_owned().collect())
    }
}

fn value<'a>(answer: &'a [(String, String)], name: &str) -> Option<&'a str> {
    answer.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_person_who_allows_it_comes_back_with_a_code() {
    let server = Server::demo().start();
    let app = App::listening();
    let start = app.request(&format!("{}/authorize", server.issuer()));
    let (visit, answer) = app.answer(|| Person::demo().visit(&start).unwrap());
    assert!(value(&answer, "code").is_some_and(|code| !code.is_empty()), "{:?}", visit.pages);
    assert_eq!((value(&answer, "state"), value(&answer, "iss")), (Some("a state"), Some(server.issuer())));
    assert_eq!(visit.page, "back in the app");
}

#[test]
fn a_person_who_denies_it_comes_back_with_the_refusal() {
    let server = Server::demo().start();
    let app = App::listening();
    let start = app.request(&format!("{}/authorize", server.issuer()));
    let (_, answer) = app.answer(|| Person { answer: Answer::Deny, ..Person::demo() }.visit(&start).unwrap());
    assert_eq!((value(&answer, "error"), value(&answer, "code")), (Some("access_denied"), None));
}

#[test]
fn a_person_with_the_wrong_password_stays_on_the_page_that_says_so() {
    let server = Server::demo().start();
    let start = App::listening().request(&format!("{}/authorize", server.issuer()));
    let visit = Person { password: "wrong".into(), ..Person::demo() }.visit(&start).unwrap();
    assert!(!visit.came_back);
    assert!(visit.page.contains("id=\"error\""), "{}", visit.page);
}

#[test]
fn a_person_who_leaves_never_answers() {
    let start = App::listening().request("http://127.0.0.1:1/authorize");
    let visit = Person { answer: Answer::Leave, ..Person::demo() }.visit(&start).unwrap();
    assert!(!visit.came_back && visit.pages.is_empty());
}

#[test]
fn a_person_gets_through_the_pages_of_the_certified_server() {
    let provider = OidcProvider::start(60);
    let app = App::listening();
    let start = app.request(&format!("{}/auth", provider.issuer()));
    let (visit, answer) = app.answer(|| Person::demo().visit(&start).unwrap());
    assert!(value(&answer, "code").is_some(), "{answer:?} {:?}", visit.pages);
    assert_eq!(value(&answer, "iss"), Some(provider.issuer()));
}

#[test]
fn a_server_that_is_down_is_an_error_and_not_a_hang() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let start = format!("http://127.0.0.1:{port}/authorize").parse().unwrap();
    assert!(Person::demo().visit(&start).unwrap_err().contains("failed"));
}
