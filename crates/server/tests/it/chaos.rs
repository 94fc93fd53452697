//! Each fault of the chaos proxy, as a client sees it who speaks HTTP by hand.

use std::future::pending;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use pilotlight_server::chaos::{BodyKind, Chaos, Fault, Passage, Plan};
use pilotlight_server::{Config, MemoryStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::kit::{World, encode};

/// The server, the proxy in front of it, and what the proxy told of every request.
struct Front {
    world: World,
    address: SocketAddr,
    passages: Arc<Mutex<Vec<Passage>>>,
    _running: JoinSet<()>,
}

/// What came over the wire, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    text: String,
    reset: bool,
}

impl Heard {
    fn status(&self) -> u16 {
        self.text.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no answer: {self:?}"))
    }

    fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Front {
    async fn with(plan: Plan) -> Self {
        let (inner, outer) = (listener().await, listener().await);
        let address = outer.local_addr().unwrap();
        let world = World::with(Config::new(format!("http://{address}")), Arc::new(MemoryStore::new()));
        let passages = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&passages);
        let chaos = Chaos::new(&format!("http://{}", inner.local_addr().unwrap()), plan).unwrap();
        let chaos = chaos.watched(move |passage| told.lock().unwrap().push(passage.clone()));
        let (server, mut running) = (world.server.clone(), JoinSet::new());
        running.spawn(async move { server.run(inner, pending()).await.unwrap() });
        running.spawn(async move { chaos.run(outer, pending()).await.unwrap() });
        Self { world, address, passages, _running: running }
    }

    async fn script(text: &str) -> Self {
        Self::with(Plan::script(text).unwrap()).await
    }

    fn passages(&self) -> Vec<Passage> {
        self.passages.lock().unwrap().clone()
    }

    async fn begin(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn fetch(&self, path: &str) -> Heard {
        listen(&mut self.begin(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address)).await).await
    }

    fn refreshing(&self, token: &str) -> String {
        let body = encode(&[("grant_type", "refresh_token"), ("client_id", "pilotlight"), ("refresh_token", token)]);
        format!(
            "POST /token HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Idempotency-Key: a key\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
    }

    async fn refresh(&self, token: &str) -> Heard {
        listen(&mut self.begin(&self.refreshing(token)).await).await
    }

    /// How often the server rotated.
    fn rotated(&self) -> u64 {
        self.world.server.stats().rotated
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn listen(stream: &mut TcpStream) -> Heard {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await;
    let reset = ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
    Heard { text: String::from_utf8(bytes).unwrap(), reset }
}

#[tokio::test]
async fn what_passes_is_as_the_server_wrote_it_and_names_the_proxy_as_issuer() {
    let front = Front::script("pass").await;
    let own = format!("http://{}", front.address);
    let heard = front.fetch("/.well-known/openid-configuration?x=1").await;
    let document: serde_json::Value = serde_json::from_str(heard.body()).unwrap();
    assert_eq!(
        (&document["issuer"], &document["token_endpoint"]),
        (&own.clone().into(), &format!("{own}/token").into())
    );
    assert_eq!(
        (heard.header("connection"), heard.header("cache-control")),
        (Some("close"), Some("public, max-age=300"))
    );
    let token = front.world.refresh_token().await;
    let heard = front.refresh(&token).await;
    assert_eq!((heard.status(), heard.header("content-type")), (200, Some("application/json")));
    let [metadata, refresh]: [Passage; 2] = front.passages().try_into().unwrap();
    assert_eq!((metadata.path.as_str(), metadata.number), ("/.well-known/openid-configuration", Some(0)));
    assert_eq!((refresh.path.as_str(), refresh.fault, refresh.upstream_status), ("/token", Fault::Pass, Some(200)));
}

#[tokio::test]
async fn a_lost_request_leaves_the_server_untouched() {
    for (fault, reset) in [("refuse", true), ("drop-before", false)] {
        let front = Front::script(fault).await;
        let token = front.world.refresh_token().await;
        assert_eq!(front.refresh(&token).await, Heard { text: String::new(), reset }, "{fault}");
        assert_eq!((front.rotated(), front.passages()[0].upstream_status), (0, None), "{fault}");
    }
}

#[tokio::test]
async fn a_lost_answer_was_committed_and_the_repeat_gets_it() {
    for (fault, reset) in [("drop-after-commit", false), ("reset", true)] {
        let front = Front::script(fault).await;
        let token = front.world.refresh_token().await;
        assert_eq!(front.refresh(&token).await, Heard { text: String::new(), reset }, "{fault}");
        assert_eq!((front.rotated(), front.passages()[0].upstream_status), (1, Some(200)), "{fault}");
        assert_eq!(front.refresh(&token).await.status(), 200);
        let stats = front.world.server.stats();
        assert_eq!((stats.rotated, stats.repeated, stats.reused), (1, 1, 0), "{fault}");
    }
}

#[tokio::test]
async fn half_an_answer_breaks_off_in_the_body_or_in_the_head_where_there_is_none() {
    let front = Front::script("half-answer\nloop").await;
    let token = front.world.refresh_token().await;
    let heard = front.refresh(&token).await;
    let promised: usize = heard.header("content-length").unwrap().parse().unwrap();
    assert_eq!((heard.status(), heard.body().len(), front.rotated()), (200, promised / 2, 1));
    let body = encode(&[("token", "unknown"), ("client_id", "pilotlight")]);
    let revoking = format!(
        "POST /revoke HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let heard = listen(&mut front.begin(&revoking).await).await;
    assert!(heard.text.starts_with("HTTP/1.1 200") && !heard.text.contains("\r\n\r\n"), "{heard:?}");
}

#[tokio::test]
async fn a_hanging_answer_never_comes_and_the_proxy_lets_go_when_the_client_does() {
    let front = Front::script("hang").await;
    let token = front.world.refresh_token().await;
    let mut stream = front.begin(&front.refreshing(&token)).await;
    stream.shutdown().await.unwrap();
    assert_eq!(listen(&mut stream).await, Heard { text: String::new(), reset: false });
    assert_eq!((front.rotated(), front.passages()[0].fault), (1, Fault::Hang));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a delay is told by a stopwatch")]
async fn a_delayed_answer_comes_late_and_whole() {
    let front = Front::script("delay 60").await;
    let token = front.world.refresh_token().await;
    let began = std::time::Instant::now();
    assert_eq!(front.refresh(&token).await.status(), 200);
    assert!(began.elapsed().as_millis() >= 60);
}

#[tokio::test]
async fn a_made_answer_has_its_status_its_body_and_its_retry_after() {
    let front = Front::script(
        "answer 429 retry-after=7\nanswer 500 empty\nanswer 503\nhtml\nmalformed\nanswer 400\nanswer 504 html after-commit",
    )
    .await;
    let token = front.world.refresh_token().await;
    let mut heard = Vec::new();
    for _ in 0..6 {
        heard.push(front.refresh(&token).await);
        assert_eq!(front.rotated(), 0);
    }
    heard.push(front.refresh(&token).await);
    assert_eq!(front.rotated(), 1, "the last one was forwarded");
    let statuses: Vec<u16> = heard.iter().map(Heard::status).collect();
    assert_eq!(statuses, [429, 500, 503, 200, 200, 400, 504]);
    assert_eq!(heard[0].header("retry-after"), Some("7"));
    assert_eq!(
        (heard[1].body(), heard[1].header("content-type"), heard[1].header("content-length")),
        ("", None, Some("0"))
    );
    assert_eq!(heard[2].body(), r#"{"error":"temporarily_unavailable"}"#);
    for page in [&heard[3], &heard[6]] {
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(page.body().starts_with("<!doctype html>"));
    }
    assert_eq!(heard[4].header("content-type"), Some("application/json"));
    assert!(serde_json::from_str::<serde_json::Value>(heard[4].body()).is_err());
    assert_eq!(heard[5].body(), r#"{"error":"invalid_request"}"#, "never one that speaks of the grant");
}

#[tokio::test]
async fn a_shifted_date_is_off_by_that_much_and_the_rest_is_whole() {
    let front = Front::script("pass\nshift-date -7200\nshift-date 7200").await;
    let mut seconds = Vec::new();
    for _ in 0..3 {
        let heard = front.fetch("/jwks").await;
        assert!(heard.body().contains("\"keys\""));
        let date = jiff::fmt::rfc2822::parse(heard.header("date").unwrap()).unwrap();
        seconds.push(date.timestamp().as_second());
    }
    // The server's own clock goes on from request to request.
    assert!((-7200..-7140).contains(&(seconds[1] - seconds[0])), "{seconds:?}");
    assert!((7200..7260).contains(&(seconds[2] - seconds[0])), "{seconds:?}");
}

#[tokio::test]
async fn a_revoked_grant_is_refused_by_the_server_itself() {
    let front = Front::script("revoke\nrevoke").await;
    let token = front.world.refresh_token().await;
    let heard = front.refresh(&token).await;
    assert_eq!(heard.status(), 400);
    assert!(heard.body().contains(r#""error":"invalid_grant""#), "{heard:?}");
    assert_eq!(front.fetch("/jwks").await.status(), 200, "a request without a token is forwarded as it is");
    let [refresh, other]: [Passage; 2] = front.passages().try_into().unwrap();
    assert_eq!((refresh.revocation_status, refresh.upstream_status), (Some(200), Some(400)));
    assert_eq!((other.revocation_status, other.upstream_status), (None, Some(200)));
}

#[tokio::test]
async fn the_same_seed_gives_the_same_run_and_other_paths_are_neither_touched_nor_counted() {
    let quick = Fault::any().into_iter().filter(|fault| !matches!(fault, Fault::Hang | Fault::Delay(_)));
    let plan = Plan::seeded(7, 0.5).among(quick).only(["/jwks"]).after(3);
    let mut runs = Vec::new();
    for _ in 0..2 {
        let front = Front::with(plan.clone()).await;
        for _ in 0..40 {
            front.fetch("/jwks").await;
            assert_eq!(front.fetch("/nothing").await.status(), 404);
        }
        runs.push(front.passages());
    }
    assert_eq!(runs[0], runs[1]);
    let (concerned, others): (Vec<_>, Vec<_>) = runs[0].iter().partition(|passage| passage.path == "/jwks");
    assert!(concerned.iter().zip(0..).all(|(passage, number)| passage.number == Some(number)));
    assert!(others.iter().all(|passage| passage.number.is_none() && passage.fault == Fault::Pass));
    let faults = concerned.iter().filter(|passage| passage.fault != Fault::Pass).count();
    assert!((10..=30).contains(&faults), "{faults}");
    assert!(concerned[..3].iter().all(|passage| passage.fault == Fault::Pass));
}

#[tokio::test]
async fn an_upstream_that_is_away_is_told_apart_from_a_fault() {
    let gone = listener().await.local_addr().unwrap();
    let outer = listener().await;
    let address = outer.local_addr().unwrap();
    let passages = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&passages);
    let chaos = Chaos::new(&format!("http://{gone}"), Plan::script("pass").unwrap()).unwrap();
    let chaos = chaos.watched(move |passage| told.lock().unwrap().push(passage.clone()));
    let _running = JoinSet::from_iter([async move { chaos.run(outer, pending()).await.unwrap() }]);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let heard = listen(&mut stream).await;
    assert_eq!(heard.status(), 502);
    assert!(heard.body().contains("cannot be reached"));
    let passages: Vec<Passage> = passages.lock().unwrap().clone();
    assert!(passages[0].error.is_some() && passages[0].upstream_status.is_none());
}

#[tokio::test]
async fn what_cannot_be_passed_on_is_refused_and_not_counted() {
    let front = Front::script("pass").await;
    for (status, request) in [
        (411, "POST /token HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (400, "CONNECT id.example.com:443 HTTP/1.1\r\n\r\n"),
        (413, "POST /token HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"),
    ] {
        let heard = listen(&mut front.begin(request).await).await;
        assert_eq!(heard.status(), status, "{heard:?}");
    }
    assert_eq!(front.passages(), []);
}

#[tokio::test]
async fn what_the_watcher_is_told_holds_no_token_and_no_query() {
    let front = Front::script("pass\nrevoke\ndrop-after-commit\nloop").await;
    let token = front.world.refresh_token().await;
    for _ in 0..3 {
        front.refresh(&token).await;
        front.fetch("/callback?code=a-code").await;
    }
    let told = serde_json::to_string(&front.passages()).unwrap();
    assert!(!told.contains("plrt_") && !told.contains("eyJ") && !told.contains("a-code"), "{told}");
    assert!(told.contains(r#""number":0,"path":"/token","fault":"pass","upstream_status":200"#), "{told}");
}

#[tokio::test]
async fn a_proxy_that_stops_breaks_off_what_hangs() {
    let front_listener = listener().await;
    let address = front_listener.local_addr().unwrap();
    let chaos = Chaos::new("http://127.0.0.1:1", Plan::script("hang\nloop").unwrap()).unwrap();
    let (told, mut heard_of) = tokio::sync::mpsc::unbounded_channel();
    let chaos = chaos.watched(move |_| told.send(()).unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(chaos.run(front_listener, async { drop(stopped.await) }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    heard_of.recv().await.unwrap();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(listen(&mut stream).await.text, "");
}

#[test]
fn the_random_faults_hold_every_kind_but_the_revocation() {
    let written: Vec<String> = Fault::any().iter().map(ToString::to_string).collect();
    for word in ["refuse", "drop-before", "drop-after-commit", "half-answer", "reset", "delay", "hang", "shift-date"] {
        assert!(written.iter().any(|fault| fault.starts_with(word)), "{word}");
    }
    assert!(Fault::any().contains(&Fault::answer(200, BodyKind::Html)));
    assert!(!Fault::any().contains(&Fault::RevokeThenForward));
}
