//! AWS's `credential_process` against a service that checks what STS would.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use pilotlight_tests::{PrivateDesktop, Server};
use serde_json::json;

use super::asked::Asked;
use crate::program::{Ran, run, signed_in, token};

const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";

/// What is to become of a request for keys.
#[derive(Clone)]
enum Judge {
    /// They are given, but not to this token.
    AllBut(String),
    /// A status and a body.
    Always(u16, &'static str),
}

struct Sts {
    url: String,
    asked: Arc<Mutex<Vec<HashMap<String, String>>>>,
}

impl Sts {
    fn start(judge: Judge) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&stream.unwrap(), &judge, &log);
            }
        });
        Self { url, asked }
    }
}

fn serve(mut stream: &TcpStream, judge: &Judge, log: &Mutex<Vec<HashMap<String, String>>>) {
    let Some(asked) = Asked::read(stream) else { return };
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/"));
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked.header("authorization"), None, "the token is the proof, and nothing is signed");
    let form: HashMap<String, String> = url::form_urlencoded::parse(&asked.body).into_owned().collect();
    let (status, body) = match judge {
        Judge::AllBut(refused) if form["WebIdentityToken"] != *refused => (200, keys()),
        Judge::AllBut(_) => (400, error("ExpiredTokenException", "Token expired")),
        Judge::Always(status, body) => (*status, (*body).to_owned()),
    };
    log.lock().unwrap().push(form);
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
}

fn keys() -> String {
    let credentials = "<SessionToken>AQo/x+y==</SessionToken><SecretAccessKey>wJalr/b</SecretAccessKey>\
        <Expiration>2099-10-24T23:00:23Z</Expiration><AccessKeyId>ASIAEXAMPLE</AccessKeyId>";
    format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials>{credentials}</Credentials>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
}

fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )
}

fn aws(desktop: &PrivateDesktop, sts: &Sts, more: &[&str]) -> Ran {
    run(desktop, &[&["aws", "work", "--role-arn", ROLE, "--sts", &sts.url, "--json"], more].concat())
}

#[test]
fn aws_is_given_the_keys_of_the_role_and_nothing_is_kept() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let lent = token(&desktop, &[]);
    let sts = Sts::start(Judge::AllBut(String::new()));
    let expected = json!({
        "Version": 1,
        "AccessKeyId": "ASIAEXAMPLE",
        "SecretAccessKey": "wJalr/b",
        "SessionToken": "AQo/x+y==",
        "Expiration": "2099-10-24T23:00:23Z",
    });
    for more in [&[][..], &["--session-name", "alex@laptop", "--duration", "900"]] {
        let ran = aws(&desktop, &sts, more);
        assert_eq!((ran.code, &ran.json()), (0, &expected), "{}", ran.err);
    }
    let usual = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", ROLE),
        ("WebIdentityToken", &lent),
    ];
    let with = |more: &[(&str, &str)]| -> HashMap<String, String> {
        usual.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let first = with(&[("RoleSessionName", "pilotlight")]);
    let second = with(&[("RoleSessionName", "alex@laptop"), ("DurationSeconds", "900")]);
    assert_eq!(*sts.asked.lock().unwrap(), [first, second]);
}

#[test]
fn a_token_that_sts_finds_expired_is_replaced_once() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let sts = Sts::start(Judge::AllBut(token(&desktop, &[])));
    let ran = aws(&desktop, &sts, &[]);
    assert_eq!((ran.code, ran.json()["Version"].as_u64()), (0, Some(1)), "{}", ran.err);
    assert_eq!(sts.asked.lock().unwrap().len(), 2);
    let stubborn = Sts::start(Judge::Always(400, "<E><Error><Code>InvalidIdentityToken</Code></Error></E>"));
    let ran = aws(&desktop, &stubborn, &[]);
    assert_eq!((ran.code, ran.error().as_str()), (2, "bad_input"));
    assert_eq!(stubborn.asked.lock().unwrap().len(), 1, "it was refreshed just now");
}

#[test]
fn what_sts_says_otherwise_is_told_with_its_exit_code() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let denied =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error></ErrorResponse>";
    for (status, body, code, error) in [
        (403, denied, 2, "bad_input"),
        (503, "busy", 4, "server_unavailable"),
        (400, "<E><Error><Code>IDPCommunicationError</Code></Error></E>", 4, "server_unavailable"),
        (200, "<html>Welcome to our hotel</html>", 7, "server_misbehaved"),
        (200, denied, 7, "server_misbehaved"),
        (302, "", 7, "server_misbehaved"),
    ] {
        let sts = Sts::start(Judge::Always(status, body));
        let ran = aws(&desktop, &sts, &[]);
        assert_eq!((ran.code, ran.error().as_str()), (code, error), "{status} {body}");
    }
    let unencrypted = run(&desktop, &["aws", "work", "--role-arn", ROLE, "--sts", "http://sts.example/", "--json"]);
    assert_eq!((unencrypted.code, unencrypted.error().as_str()), (2, "bad_input"));
}
