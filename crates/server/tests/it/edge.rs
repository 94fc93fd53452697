//! What stands between the sockets and the routes: limits, farewell, proxies, figures.

use std::time::Duration;

use pilotlight_server::Limits;

use crate::running::{Running, Talk, config};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const BRIEF: Duration = Duration::from_millis(50);

/// A request whose body is not here yet: it stays in work.
async fn half_a_request(running: &Running) -> Talk {
    let mut talk = running.connect().await;
    talk.send(&format!(
        "POST /revoke HTTP/1.1\r\nHost: x\r\n{FORM}\r\nContent-Length: 7\r\nConnection: close\r\n\r\ntok"
    ))
    .await;
    talk
}

/// What a line of the page of figures counts.
async fn figure(running: &Running, line: &str) -> u64 {
    let (status, page) = running.ask_at(running.metrics, "GET /metrics HTTP/1.1", "").await;
    assert_eq!(status, 200);
    let found = page.lines().find_map(|known| known.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_else(|| panic!("no {line}: {page}"))
}

async fn wait_for(running: &Running, line: &str, wanted: u64) {
    while figure(running, line).await != wanted {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_request_that_is_one_too_many_is_told_503_at_once_and_the_others_are_answered() {
    let running = Running::start(config(|config| config.limits.requests = 2)).await;
    let (mut one, mut two) = (half_a_request(&running).await, half_a_request(&running).await);
    wait_for(&running, "pilotlight_requests_in_flight", 2).await;
    let (status, answer) = running.ask("GET /jwks HTTP/1.1", "").await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 1\r\n") && answer.contains("temporarily_unavailable"));
    for path in ["/health", "/ready"] {
        assert_eq!(running.ask(&format!("GET {path} HTTP/1.1"), "").await.0, 200, "nobody takes it for dead");
    }
    for talk in [&mut one, &mut two] {
        talk.send("en=x").await;
        assert_eq!(talk.rest().await.0, 200);
    }
    assert_eq!(running.ask("GET /jwks HTTP/1.1", "").await.0, 200);
    assert_eq!(figure(&running, "pilotlight_refused_total{limit=\"requests\"}").await, 1);
}

#[tokio::test]
async fn a_client_that_hangs_up_gives_its_place_back() {
    let running = Running::start(config(|config| config.limits.requests = 1)).await;
    let gone = half_a_request(&running).await;
    wait_for(&running, "pilotlight_requests_in_flight", 1).await;
    drop(gone);
    wait_for(&running, "pilotlight_requests_in_flight", 0).await;
    assert_eq!(running.ask("GET /jwks HTTP/1.1", "").await.0, 200);
}

#[tokio::test]
async fn requests_that_nobody_waits_for_are_counted_as_such() {
    let running = Running::start(config(|config| config.limits.password_checks = 1)).await;
    let body = r#"{"username":"somebody","password":"guess"}"#;
    let mut talks = Vec::new();
    for _ in 0..8 {
        let mut talk = running.connect().await;
        talk.send(&format!("POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        talks.push(talk);
    }
    wait_for(&running, "pilotlight_requests_in_flight", 8).await;
    drop(talks);
    wait_for(&running, "pilotlight_requests_in_flight", 0).await;
    let gone = figure(&running, "pilotlight_requests_total{route=\"/login\",status=\"gone\"}").await;
    assert!(gone >= 4, "the others wait for the first password: {gone}");
}

#[tokio::test]
async fn a_connection_that_is_one_too_many_is_told_503_and_closed() {
    let running = Running::start(config(|config| config.limits.connections = 1)).await;
    let mut first = running.connect().await;
    first.send("GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(first.answer().await.0, 200);
    let (status, answer) = running.ask("GET /jwks HTTP/1.1", "").await;
    assert_eq!(status, 503, "{answer}");
    first.send("GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(first.answer().await.0, 200, "who was in stays in");
    drop(first);
    // Its place is free a moment after it hung up.
    while running.ask("GET /jwks HTTP/1.1", "").await.0 == 503 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn heads_and_bodies_that_do_not_come_are_not_waited_for() {
    let running = Running::start(config(|config| {
        config.limits.head_time = BRIEF;
        config.limits.body_time = BRIEF;
        config.limits.idle_time = BRIEF;
    }))
    .await;
    let mut silent = running.connect().await;
    assert_eq!(silent.rest().await, (0, String::new()));
    let mut slow = running.connect().await;
    slow.send("GET /jwks HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    assert_eq!(slow.rest().await, (0, String::new()));
    let (status, answer) = half_a_request(&running).await.rest().await;
    assert_eq!(status, 408, "{answer}");
    let mut rested = running.connect().await;
    rested.send("GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(rested.answer().await.0, 200);
    assert_eq!(rested.rest().await, (0, String::new()), "closed after it rested");
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_its_kind() {
    let running = Running::start(config(|_| {})).await;
    let long = "x".repeat(9 * 1024);
    assert_eq!(running.ask(&format!("GET /authorize?{long} HTTP/1.1"), "").await.0, 414);
    assert_eq!(running.ask(&format!("POST /token HTTP/1.1\r\n{FORM}"), &"x".repeat(65 * 1024)).await.0, 413);
    assert_eq!(running.ask(&format!("GET /jwks HTTP/1.1\r\nX-Long: {}", long.repeat(4)), "").await.0, 431);
    assert_eq!(running.ask("GET /jwks HTTP/1.1", "").await.0, 200);
}

#[tokio::test]
async fn a_server_that_stops_answers_all_that_it_accepted_and_takes_nobody_else() {
    let mut running = Running::start(config(|_| {})).await;
    let address = running.address;
    let mut under_way = Vec::new();
    for _ in 0..20 {
        under_way.push(half_a_request(&running).await);
    }
    let mut idle = running.connect().await;
    idle.send("GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(idle.answer().await.0, 200);
    wait_for(&running, "pilotlight_requests_in_flight", 20).await;
    // Connected, and nobody has looked at it yet.
    let mut last = running.connect().await;
    last.send("GET /jwks HTTP/1.1\r\nHost: x\r\n\r\n").await;
    running.stop();
    assert_eq!(last.rest().await.0, 200);
    assert_eq!(idle.rest().await, (0, String::new()), "who waits for nothing is let go");
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    for talk in &mut under_way {
        talk.send("en=x").await;
        let (status, answer) = talk.rest().await;
        assert_eq!(status, 200, "{answer}");
    }
    running.ended().await;
}

#[tokio::test]
async fn a_farewell_has_an_end() {
    let mut running = Running::start(config(|config| config.limits.farewell = BRIEF)).await;
    let mut stuck = half_a_request(&running).await;
    wait_for(&running, "pilotlight_requests_in_flight", 1).await;
    running.stop();
    running.ended().await;
    assert_eq!(stuck.rest().await.0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_passwords_is_told_503_and_refreshes_go_on() {
    let running = Running::start(config(|config| config.limits.password_checks = 1)).await;
    let json = "POST /login HTTP/1.1\r\nContent-Type: application/json";
    let (status, tokens) = running.ask(json, r#"{"username":"demo","password":"demo"}"#).await;
    assert_eq!(status, 200, "{tokens}");
    let member = tokens.split_once("\"refresh_token\":\"").unwrap().1.split('"').next().unwrap();
    let flood = (0..40).map(|n| format!(r#"{{"username":"somebody-{n}","password":"guess"}}"#));
    let mut talks = Vec::new();
    for body in flood {
        let mut talk = running.connect().await;
        talk.send(&format!("{json}\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
            .await;
        talks.push(talk);
    }
    let body = format!(r#"{{"refresh_token":"{member}"}}"#);
    let refresh = running.ask("POST /token/refresh HTTP/1.1\r\nContent-Type: application/json", &body).await;
    assert_eq!(refresh.0, 200, "{}", refresh.1);
    let mut statuses = Vec::new();
    for talk in &mut talks {
        statuses.push(talk.rest().await.0);
    }
    let busy = statuses.iter().filter(|status| **status == 503).count();
    assert!(statuses.iter().all(|status| matches!(status, 401 | 503)), "{statuses:?}");
    assert!((1..40).contains(&busy), "{statuses:?}");
    assert!(figure(&running, "pilotlight_refused_total{limit=\"passwords\"}").await >= 1);
}

#[tokio::test]
async fn rfc9700_section_4_13_headers_of_a_proxy_count_where_it_is_trusted() {
    let behind = |trusted: &'static str| {
        config(|config| {
            config.issuer = "https://auth.example".to_owned();
            config.trusted_proxies = vec![trusted.parse().unwrap()];
        })
    };
    let head = "GET /jwks HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http";
    let trusting = Running::start(behind("127.0.0.0/8")).await;
    let (status, answer) = trusting.ask(head, "").await;
    assert_eq!(status, 400, "it came in clear: {answer}");
    assert!(answer.to_lowercase().contains("strict-transport-security: max-age="));
    assert_eq!(trusting.ask(&head.replace("Proto: http", "Proto: https"), "").await.0, 200);
    assert_eq!(Running::start(behind("10.0.0.0/8")).await.ask(head, "").await.0, 200, "anybody may say so");
}

#[tokio::test]
async fn rfc9700_section_4_13_the_limit_counts_the_far_end_of_a_trusted_proxy_and_no_made_up_one() {
    // Registration has the smallest limit of an address: five.
    let registering = |trusted: &'static str| {
        config(|config| {
            config.registration = pilotlight_server::Registration::Open;
            config.trusted_proxies = vec![trusted.parse().unwrap()];
        })
    };
    let many = async |running: &Running| {
        let mut statuses = Vec::new();
        for n in 0..6 {
            let head = format!("POST /register HTTP/1.1\r\nX-Forwarded-For: 192.0.2.{n}");
            statuses.push(running.ask(&head, r#"{"redirect_uris":["https://a.example/"]}"#).await.0);
        }
        statuses
    };
    assert_eq!(many(&Running::start(registering("127.0.0.1")).await).await, [201; 6]);
    assert_eq!(many(&Running::start(registering("10.0.0.0/8")).await).await, [201, 201, 201, 201, 201, 429]);
}

#[tokio::test]
async fn figures_tell_what_happened_by_route_and_by_outcome_and_know_no_names() {
    let running = Running::start(config(|_| {})).await;
    let json = "POST /login HTTP/1.1\r\nContent-Type: application/json";
    let tokens = running.ask(json, r#"{"username":"demo","password":"demo"}"#).await.1;
    let token = tokens.split_once("\"refresh_token\":\"").unwrap().1.split('"').next().unwrap();
    let body = format!(r#"{{"refresh_token":"{token}"}}"#);
    let head = "POST /token/refresh HTTP/1.1\r\nContent-Type: application/json";
    assert_eq!(running.ask(head, &body).await.0, 200);
    assert_eq!(running.ask(head, r#"{"refresh_token":"plrt_made_up"}"#).await.0, 401);
    assert_eq!(running.ask("GET /no/such/person/ada HTTP/1.1", "").await.0, 404);
    for (line, wanted) in [
        ("pilotlight_requests_total{route=\"/login\",status=\"2xx\"}", 1),
        ("pilotlight_requests_total{route=\"/token/refresh\",status=\"2xx\"}", 1),
        ("pilotlight_requests_total{route=\"/token/refresh\",status=\"4xx\"}", 1),
        ("pilotlight_requests_total{route=\"other\",status=\"4xx\"}", 1),
        ("pilotlight_request_seconds_count{route=\"/token/refresh\"}", 2),
        ("pilotlight_refresh_tokens_total{outcome=\"rotated\"}", 1),
        ("pilotlight_refresh_tokens_total{outcome=\"unknown\"}", 1),
        ("pilotlight_store_failures_total", 0),
    ] {
        assert_eq!(figure(&running, line).await, wanted, "{line}");
    }
    assert!(figure(&running, "pilotlight_store_seconds_count").await >= 3);
    let page = running.ask_at(running.metrics, "GET /metrics HTTP/1.1", "").await.1;
    for secret in [token, "demo", "ada", "127.0.0.1", "plrt_"] {
        assert!(!page.contains(secret), "{secret}: {page}");
    }
    assert_eq!(running.ask("GET /metrics HTTP/1.1", "").await.0, 404, "not for everybody");
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let running = Running::start(config(|_| {})).await;
    let id = async |path: &str| {
        let (_, answer) = running.ask(&format!("GET {path} HTTP/1.1"), "").await;
        let line = answer.lines().find(|line| line.to_lowercase().starts_with("x-request-id: "));
        line.unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    assert_ne!(id("/jwks").await, id("/nowhere").await);
}

#[test]
fn the_limits_are_generous_by_default() {
    let limits = Limits::default();
    assert!(limits.requests >= 1024 && limits.connections >= limits.requests && limits.password_checks >= 1);
}
