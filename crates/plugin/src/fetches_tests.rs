//! Against a service on a loopback socket that answers what the test tells it.

use pilotlight::Home;
use pilotlight::simulation::{FakeServer, SimulatedClock, config, sign_in};
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

struct World {
    _folder: tempfile::TempDir,
    pilotlight: Pilotlight,
    fetches: Arc<Fetches>,
    listener: TcpListener,
}

impl World {
    async fn signed_in() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let server = Arc::new(FakeServer::new(clock.clone(), Duration::from_secs(900)));
        let pilotlight = Pilotlight::new(config(Home::at(folder.path().join("home")).unwrap(), clock, server));
        sign_in(&pilotlight, "work").await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { _folder: folder, pilotlight, fetches: Arc::default(), listener }
    }

    /// Begins a request; the test answers it on the second.
    async fn begin(&self, id: u32) -> (tokio::task::JoinHandle<Result<FetchHead, Problem>>, TcpStream, String) {
        let url = format!("http://{}/notes", self.listener.local_addr().unwrap()).parse().unwrap();
        let (fetches, pilotlight) = (self.fetches.clone(), self.pilotlight.clone());
        let asking = tokio::spawn(async move {
            fetches.begin(&pilotlight, "work", Key::new("main", id), Request::new(Method::GET, url)).await
        });
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(char::from(stream.read_u8().await.unwrap()));
        }
        let token = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap().to_owned();
        (asking, stream, token)
    }

    /// One whole exchange: `answer` is given the token.
    async fn exchange(&self, answer: impl FnOnce(&str) -> String) -> Result<(FetchHead, Vec<u8>), Problem> {
        let (asking, mut stream, token) = self.begin(1).await;
        stream.write_all(answer(&token).as_bytes()).await.unwrap();
        drop(stream);
        let head = asking.await.unwrap()?;
        Ok((head, self.body().await?))
    }

    async fn body(&self) -> Result<Vec<u8>, Problem> {
        let mut all = vec![];
        loop {
            let piece = self.fetches.piece(&Key::new("main", 1)).await?;
            all.extend_from_slice(&piece[1..]);
            if piece[0] == LAST {
                return Ok(all);
            }
        }
    }

    fn running(&self) -> usize {
        lock(&self.fetches.running).len()
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nset-cookie: a=b\r\nx-count: 2\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn an_answer_arrives_whole_and_without_what_authorizes() {
    let world = World::signed_in().await;
    let (head, body) = world.exchange(|token| ok(&format!("{} ", &token[1..]))).await.unwrap();
    assert_eq!((head.status, world.running()), (200, 0));
    assert!(body.ends_with(b" "));
    assert!(head.headers.contains(&("x-count".to_owned(), "2".to_owned())), "{head:?}");
    assert!(!head.headers.iter().any(|(name, _)| name == "set-cookie"), "{head:?}");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    assert_eq!(world.exchange(|_| chunked.to_owned()).await.unwrap().1, b"abc");
}

#[tokio::test]
async fn an_answer_that_holds_the_token_is_refused() {
    let world = World::signed_in().await;
    let in_body = world.exchange(|token| ok(&format!(r#"{{"authorization":"Bearer {token}"}}"#))).await;
    let in_header = world.exchange(|token| format!("HTTP/1.1 204 No Content\r\nx-echo: {token}\r\n\r\n")).await;
    let in_refusal =
        world.exchange(|token| format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{token}", token.len()));
    for refused in [in_body, in_header, in_refusal.await] {
        assert_eq!(refused.unwrap_err().code, "fetch_token_echoed");
    }
    assert_eq!(world.running(), 0);
}

#[tokio::test]
async fn a_redirect_is_refused_and_a_broken_answer_is_told() {
    let world = World::signed_in().await;
    let redirect = world.exchange(|_| "HTTP/1.1 302 Found\r\nlocation: https://evil.example/\r\n\r\n".to_owned()).await;
    assert_eq!(redirect.unwrap_err().code, "fetch_redirected");
    let broken = world.exchange(|_| "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_owned()).await;
    assert_eq!(broken.unwrap_err().code, "fetch_interrupted");
    assert_eq!(world.running(), 0);
}

#[tokio::test]
async fn a_request_ends_when_it_is_cancelled_or_its_page_is_left() {
    let world = World::signed_in().await;
    let (asking, _stream, _) = world.begin(1).await;
    world.fetches.cancel(&Key::new("main", 1));
    assert_eq!(asking.await.unwrap().unwrap_err().code, "fetch_cancelled");

    let (asking, mut stream, _) = world.begin(1).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
    asking.await.unwrap().unwrap();
    assert_eq!(world.fetches.piece(&Key::new("main", 1)).await.unwrap(), b"\x01abc");
    world.fetches.forget("other");
    assert_eq!(world.running(), 1);
    world.fetches.forget("main");
    assert_eq!(world.fetches.piece(&Key::new("main", 1)).await.unwrap_err().code, "fetch_cancelled");
    // The connection is closed, so that the service learns of it.
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn no_window_has_more_requests_than_are_allowed_nor_two_of_one_number() {
    let world = World::signed_in().await;
    for id in 0..u32::try_from(MOST).unwrap() {
        world.fetches.enter(&Key::new("main", id)).unwrap();
    }
    assert_eq!(world.fetches.enter(&Key::new("main", 1000)).unwrap_err().code, "fetch_refused");
    world.fetches.forget("main");
    world.fetches.enter(&Key::new("main", 1)).unwrap();
    assert_eq!(world.fetches.enter(&Key::new("main", 1)).unwrap_err().code, "fetch_refused");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_reads_is_dropped_at_the_deadline() {
    let fetches = Arc::new(Fetches::default());
    fetches.enter(&Key::new("main", 1)).unwrap();
    tokio::time::sleep(DEADLINE + Duration::from_secs(1)).await;
    assert!(lock(&fetches.running).is_empty());
}
