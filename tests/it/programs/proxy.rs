//! The injecting proxy with the real curl before it, and a service behind it that checks each token.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use pilotlight_tests::process::{Process, signal};
use pilotlight_tests::{PrivateDesktop, Server, process, wait};

use super::asked::Asked;
use crate::program::{Ran, command, run, run_to_end, signed_in, token};

/// The length of what `/long` answers with.
const LONG: usize = 96 * 1024 * 1024;

/// A service that takes every bearer token but one.
struct Api {
    origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Api {
    fn refusing(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (refused, log) = (format!("Bearer {token}"), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (refused, log) = (refused.clone(), Arc::clone(&log));
                thread::spawn(move || serve(&stream.unwrap(), &refused, &log));
            }
        });
        Self { origin, asked }
    }

    /// What was asked since the last look.
    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn serve(stream: &TcpStream, refused: &str, log: &Mutex<Vec<Asked>>) {
    let mut out = stream;
    while let Some(asked) = Asked::read(stream) {
        let taken = asked.header("authorization").is_some_and(|it| it.starts_with("Bearer ") && it != refused);
        let path = asked.target.clone();
        log.lock().unwrap().push(asked);
        // The other side may have gone.
        let _ = match (taken, path.as_str()) {
            (false, _) => write!(
                out,
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\nContent-Length: 0\r\n\r\n"
            ),
            (_, "/v2/redirect") => {
                write!(out, "HTTP/1.1 302 Found\r\nLocation: /v2/there?a=b\r\nContent-Length: 0\r\n\r\n")
            }
            (_, "/v2/long") => write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {LONG}\r\n\r\n")
                .and_then(|()| (0..LONG / 65536).try_for_each(|_| out.write_all(&[b'x'; 65536]))),
            (_, "/v2/events") => return trickle(out),
            (_, "/v2/socket") => return talk(out),
            _ => write!(
                out,
                "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Kept: 1\r\nContent-Length: 5\r\n\r\nhello"
            ),
        };
    }
}

/// One event, and no end.
fn trickle(mut out: &TcpStream) {
    write!(out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: first\n\n").unwrap();
    let _ = out.read(&mut [0]);
}

/// Says back what comes in, as after an upgrade.
fn talk(mut stream: &TcpStream) {
    write!(stream, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").unwrap();
    let mut heard = [0; 4];
    stream.read_exact(&mut heard).unwrap();
    heard.reverse();
    stream.write_all(&heard).unwrap();
}

struct Proxy {
    process: Process,
    /// What it printed: its address, or the path of its socket.
    address: String,
}

fn proxy(desktop: &PrivateDesktop, api: &Api, more: &[&str]) -> Proxy {
    let upstream = format!("{}/v2", api.origin);
    let arguments = [&["proxy", "work", "--upstream", &upstream][..], more].concat();
    let mut process = Process::start(&mut command(desktop, &arguments));
    let (out, _) = process.collect();
    let address = wait::until("the proxy's address", || out.lines().first().cloned());
    Proxy { process, address }
}

fn curl(desktop: &PrivateDesktop, arguments: &[&str]) -> Ran {
    let mut command = process::piped(desktop.command("curl"));
    run_to_end(command.args(["-sS", "--noproxy", "*", "--max-time", "60"]).args(arguments), "")
}

#[test]
fn a_program_that_knows_no_token_is_served_and_told_nothing_of_it() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let lent = token(&desktop, &[]);
    let api = Api::refusing("");
    let proxy = proxy(&desktop, &api, &[]);
    assert!(proxy.address.starts_with("http://127.0.0.1:") && proxy.address.ends_with('/'), "{}", proxy.address);
    let url = format!("{}items?a=b%20c", proxy.address);
    let own = ["-H", "Authorization: Basic eA==", "-H", "Cookie: c=d", "-H", "Connection: X-Mine", "-H", "X-Mine: 1"];
    let ran = curl(&desktop, &[&["-i", "-d", "sent", &url][..], &own].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.ends_with("hello") && ran.out.contains("\r\nx-kept: 1\r\n"), "{}", ran.out);
    for hidden in [&lent, "set-cookie", "x-hop"] {
        assert!(!ran.out.to_ascii_lowercase().contains(hidden), "{hidden}: {}", ran.out);
    }
    let asked = &api.asked()[0];
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str(), &asked.body[..]),
        ("POST", "/v2/items?a=b%20c", &b"sent"[..])
    );
    assert_eq!(asked.header("authorization"), Some(format!("Bearer {lent}").as_str()));
    assert_eq!(asked.header("host").map(|host| format!("http://{host}")), Some(api.origin.clone()));
    let expected = ["accept", "authorization", "content-length", "content-type", "host", "user-agent", "via"];
    assert_eq!(asked.names(), expected);
    let there =
        curl(&desktop, &["-L", "-w", "%{url_effective}", "-o", "/dev/null", &format!("{}redirect", proxy.address)]);
    assert_eq!(there.out, format!("{}there?a=b", proxy.address), "a redirect leads back through the proxy");
}

#[test]
fn a_refused_token_is_replaced_and_the_request_sent_once_more_and_no_more_often() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let first = token(&desktop, &[]);
    let api = Api::refusing(&first);
    let once = proxy(&desktop, &api, &[]);
    let ran = curl(&desktop, &["-d", "sent", &once.address]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "hello"), "{}", ran.err);
    let bodies: Vec<_> = api.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, [b"sent", b"sent"]);
    let second = token(&desktop, &[]);
    assert_ne!(second, first);

    let stubborn = Api::refusing(&second);
    let never = proxy(&desktop, &stubborn, &[]);
    for _ in 0..2 {
        let ran = curl(&desktop, &["-o", "/dev/null", "-w", "%{http_code}", &never.address]);
        assert_eq!(ran.out, "401", "the service's own answer");
    }
    assert_eq!(token(&desktop, &[]), second, "a service that refuses every token is not cured by another");
}

#[test]
fn bodies_of_any_length_pass_in_bounded_memory_and_events_as_they_come() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let api = Api::refusing("");
    let proxy = proxy(&desktop, &api, &[]);
    let long = format!("{}long", proxy.address);
    let ran = curl(&desktop, &["-o", "/dev/null", "-w", "%{size_download}", &long]);
    assert_eq!((ran.code, ran.out), (0, LONG.to_string()), "{}", ran.err);
    let file = desktop.folder().join("upload");
    fs::File::create(&file).unwrap().set_len(LONG as u64).unwrap();
    let ran = curl(&desktop, &["-T", file.to_str().unwrap(), &proxy.address]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "hello"), "{}", ran.err);
    assert_eq!(api.asked().last().unwrap().body.len(), LONG);
    let status = fs::read_to_string(format!("/proc/{}/status", proxy.process.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < LONG / 1024 / 2, "{peak} KiB at most, {} KiB passed through", LONG / 1024);

    let url = url::Url::parse(&format!("{}events", proxy.address)).unwrap();
    let mut stream = TcpStream::connect(url.socket_addrs(|| None).unwrap()[0]).unwrap();
    write!(stream, "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", url.path(), url.authority()).unwrap();
    read_until(&mut stream, "data: first");
}

fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let mut some = [0; 1024];
        let read = stream.read(&mut some).unwrap();
        assert!(read > 0, "it ended with {text}");
        text.push_str(&String::from_utf8_lossy(&some[..read]));
    }
    text
}

#[test]
fn a_websocket_is_passed_on_both_ways() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let api = Api::refusing("");
    let proxy = proxy(&desktop, &api, &[]);
    let url = url::Url::parse(&format!("{}socket", proxy.address)).unwrap();
    let mut stream = TcpStream::connect(url.socket_addrs(|| None).unwrap()[0]).unwrap();
    let upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n";
    write!(stream, "GET {} HTTP/1.1\r\nHost: {}\r\n{upgrade}\r\n", url.path(), url.authority()).unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").starts_with("HTTP/1.1 101 "));
    stream.write_all(b"ping").unwrap();
    let mut heard = [0; 4];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"gnip");
    assert_eq!(api.asked()[0].header("sec-websocket-key"), Some("x"));
}

#[test]
fn who_does_not_know_the_address_and_web_pages_reach_nothing() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let api = Api::refusing("");
    let proxy = proxy(&desktop, &api, &[]);
    let root = &proxy.address[..=proxy.address[7..].find('/').unwrap() + 7];
    let status = |arguments: &[&str]| {
        let all = [&["-o", "/dev/null", "-w", "%{http_code}", "--path-as-is"][..], arguments].concat();
        curl(&desktop, &all).out
    };
    let up = format!("{}../admin", proxy.address);
    for (expected, arguments) in [
        ("404", &[root][..]),
        ("400", &[&up]),
        ("421", &["-H", "Host: evil.example", &proxy.address]),
        ("403", &["-H", "Origin: https://evil.example", &proxy.address]),
        ("403", &["-H", "Sec-Fetch-Site: cross-site", &proxy.address]),
        ("405", &["-X", "TRACE", &proxy.address]),
        ("400", &["--noproxy", "", "-x", root, "http://other.example/"]),
    ] {
        assert_eq!(status(arguments), expected, "{arguments:?}");
    }
    assert_eq!(api.asked().len(), 0);
    assert_eq!(status(&[&proxy.address]), "200");
}

#[test]
fn a_socket_is_its_owners_alone_and_goes_with_the_proxy() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let api = Api::refusing("");
    let path = desktop.folder().join("api.sock");
    let text = path.to_str().unwrap();
    let mut proxy = proxy(&desktop, &api, &["--socket", text]);
    assert_eq!(proxy.address, text);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let ran = curl(&desktop, &["--unix-socket", text, "http://localhost/a"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "hello"), "{}", ran.err);
    let taken = run(&desktop, &["proxy", "work", "--upstream", &api.origin, "--socket", text, "--json"]);
    assert_eq!((taken.code, taken.error().as_str()), (2, "bad_input"));
    proxy.process.stop();
    assert!(!path.exists());
}

#[test]
fn a_request_under_way_comes_to_its_end_when_the_proxy_is_asked_to_end() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let api = Api::refusing("");
    let mut proxy = proxy(&desktop, &api, &["--open"]);
    let address = proxy.address.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = "Content-Length: 70000\r\nExpect: 100-continue";
    write!(stream, "POST /a HTTP/1.1\r\nHost: {address}\r\n{head}\r\n\r\n").unwrap();
    // The proxy says so when it begins to pass the body on: from then on the request is under way.
    assert!(read_until(&mut stream, "\r\n\r\n").starts_with("HTTP/1.1 100 "));
    stream.write_all(&[b'x'; 30000]).unwrap();
    signal("TERM", proxy.process.id());
    wait::until("the closed port", || TcpStream::connect(&address).is_err().then_some(()));
    stream.write_all(&[b'x'; 40000]).unwrap();
    assert!(read_until(&mut stream, "hello").starts_with("HTTP/1.1 200 "));
    wait::until("its end", || proxy.process.has_ended().then_some(()));
}

#[test]
fn what_would_stop_every_request_is_told_at_once() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    for (arguments, code) in [
        (&["proxy", "nobody", "--upstream", "https://api.example"][..], 3),
        (&["proxy", "work", "--upstream", "http://api.example"], 2),
        (&["proxy", "work", "--upstream", "https://api.example", "--listen", "0.0.0.0:0"], 2),
    ] {
        assert_eq!(run(&desktop, arguments).code, code, "{arguments:?}");
    }
    assert!(Path::new("/proc/net/tcp").exists(), "by which the proxy tells whose a connection is");
}
