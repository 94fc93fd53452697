//! The real git against `git http-backend`, whose HTTP server checks the token.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pilotlight_tests::{PrivateDesktop, Server, binaries, process};

use super::asked::Asked;
use crate::program::{Ran, run_to_end, signed_in, token};

/// A git repository behind `git http-backend`, for whoever brings the right header.
struct GitHost {
    origin: String,
    /// Every token that came in.
    seen: Arc<Mutex<Vec<String>>>,
}

impl GitHost {
    /// `refused` is a token that is not taken; any other bearer token, or password, is.
    fn start(root: &Path, scheme: &'static str, refused: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(vec![]));
        let (root, refused, log) = (root.to_owned(), refused.to_owned(), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve_git(&stream.unwrap(), &root, scheme, &refused, &log);
            }
        });
        Self { origin, seen }
    }
}

fn serve_git(stream: &TcpStream, root: &Path, scheme: &str, refused: &str, seen: &Mutex<Vec<String>>) {
    let asked = Asked::read(stream).unwrap();
    let token = asked.header("authorization").and_then(|header| {
        let value = header.strip_prefix(scheme)?.trim();
        if scheme == "Bearer" {
            return Some(value.to_owned());
        }
        let pair = String::from_utf8(STANDARD.decode(value).unwrap()).unwrap();
        pair.strip_prefix("oauth2:").map(ToOwned::to_owned)
    });
    seen.lock().unwrap().extend(token.clone());
    let mut out = stream;
    if token.is_none_or(|token| token == refused) {
        let challenge = format!("WWW-Authenticate: {scheme} realm=\"git\"");
        let head = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close";
        return write!(out, "{head}\r\n{challenge}\r\n\r\n").unwrap();
    }
    let answer = backend(&asked, root);
    write!(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n").unwrap();
    out.write_all(&answer).unwrap();
}

/// `git http-backend` as a CGI program (RFC 3875).
fn backend(asked: &Asked, root: &Path) -> Vec<u8> {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let mut child = Command::new("git")
        .args(["http-backend"])
        .envs([("REQUEST_METHOD", asked.method.as_str()), ("PATH_INFO", path), ("QUERY_STRING", query)])
        .envs([
            ("CONTENT_TYPE", asked.header("content-type").unwrap_or_default()),
            ("CONTENT_LENGTH", &asked.body.len().to_string()),
        ])
        .envs([("GIT_HTTP_EXPORT_ALL", "1"), ("REMOTE_USER", "work")])
        .env("GIT_PROJECT_ROOT", root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&asked.body).unwrap();
    child.wait_with_output().unwrap().stdout
}

/// Git as the person of this desktop runs it, without this machine's own configuration.
fn git(desktop: &PrivateDesktop, arguments: &[&str]) -> Ran {
    let mut command = process::piped(desktop.command("git"));
    command.envs([
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ]);
    run_to_end(command.args(arguments), "")
}

/// Git 2.46 and later can send bearer tokens.
fn scheme(desktop: &PrivateDesktop) -> &'static str {
    let version = git(desktop, &["version"]).out;
    let mut numbers = version.trim_start_matches("git version ").split('.').map_while(|part| part.parse::<u32>().ok());
    if (numbers.next(), numbers.next()) >= (Some(2), Some(46)) { "Bearer" } else { "Basic" }
}

fn helper(origin: &str) -> String {
    format!(
        "credential.{origin}.helper=!'{}' git-credential --account work --host {}",
        binaries::built("pilotlight").display(),
        origin.trim_start_matches("http://")
    )
}

/// A bare repository with one commit, in a folder of its own.
fn repository(desktop: &PrivateDesktop) -> PathBuf {
    let root = desktop.folder().join("served");
    let bare = root.join("project.git");
    let text = bare.to_str().unwrap();
    for arguments in
        [&["init", "-q", "--bare", "-b", "main", text][..], &["-C", text, "config", "http.receivepack", "true"]]
    {
        let ran = git(desktop, arguments);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let tree = git(desktop, &["-C", text, "mktree"]).out;
    let author =
        ["-C", text, "-c", "user.name=a", "-c", "user.email=a@example", "commit-tree", "-m", "first", tree.trim()];
    let commit = git(desktop, &author).out;
    assert_eq!(git(desktop, &["-C", text, "update-ref", "refs/heads/main", commit.trim()]).code, 0);
    root
}

fn clone(desktop: &PrivateDesktop, origin: &str, into: &str) -> Ran {
    let (url, into) = (format!("{origin}/project.git"), desktop.folder().join(into));
    git(desktop, &["-c", &helper(origin), "clone", "-q", &url, into.to_str().unwrap()])
}

#[test]
fn git_clones_with_the_token() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let first = token(&desktop, &[]);
    let root = repository(&desktop);

    let host = GitHost::start(&root, scheme(&desktop), "");
    let ran = clone(&desktop, &host.origin, "cloned");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(host.seen.lock().unwrap().iter().all(|token| *token == first));
    assert!(!host.seen.lock().unwrap().is_empty());

    assert_eq!(token(&desktop, &[]), first, "what is taken is kept");
}

#[test]
fn a_refused_token_is_replaced_once_and_not_again_and_again() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let first = token(&desktop, &[]);
    let root = repository(&desktop);
    let scheme = scheme(&desktop);
    let strict = GitHost::start(&root, scheme, &first);
    let ran = clone(&desktop, &strict.origin, "refused");
    assert_ne!(ran.code, 0, "git does not ask twice in one run");
    let second = token(&desktop, &[]);
    assert_ne!(second, first, "the refused token was replaced, and the account is signed in");
    let ran = clone(&desktop, &strict.origin, "again");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(strict.seen.lock().unwrap().contains(&second));

    let stricter = GitHost::start(&root, scheme, &second);
    for into in ["never", "ever"] {
        assert_ne!(clone(&desktop, &stricter.origin, into).code, 0);
    }
    assert_eq!(token(&desktop, &[]), second, "a service that refuses every token is not cured by another");
}

#[test]
fn git_gets_nothing_for_another_host_than_the_named_one() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let host = GitHost::start(&repository(&desktop), "Basic", "");
    let for_all = helper("http://git.example").replace("credential.http://git.example.", "credential.");
    let for_all = format!("{for_all} --username oauth2");
    let (url, into) = (format!("{}/project.git", host.origin), desktop.folder().join("cloned"));
    let clone = |with: &str| git(&desktop, &["-c", with, "clone", "-q", &url, into.to_str().unwrap()]).code;
    assert_ne!(clone(&for_all), 0);
    assert_eq!(*host.seen.lock().unwrap(), Vec::<String>::new(), "no token was sent");
    assert_eq!(clone(&for_all.replace("--host git.example", "--any-host")), 0);
}

#[test]
fn git_clones_and_pushes_with_the_token_as_a_password() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let host = GitHost::start(&repository(&desktop), "Basic", "");
    let with_name = format!("{} --username oauth2", helper(&host.origin));
    let (url, into) = (format!("{}/project.git", host.origin), desktop.folder().join("cloned"));
    let into = into.to_str().unwrap();
    let ran = git(&desktop, &["-c", &with_name, "clone", "-q", &url, into]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = git(&desktop, &["-C", into, "-c", &with_name, "push", "-q", "origin", "HEAD:refs/heads/pushed"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let bare = desktop.folder().join("served/project.git");
    assert_eq!(git(&desktop, &["-C", bare.to_str().unwrap(), "rev-parse", "--verify", "pushed"]).code, 0);
}
