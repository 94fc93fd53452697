//! What anything on this machine may send to the loopback address.

use pilotlight_oauth::{ExposeSecret as _, Issuer, parse_callback};

use super::*;

async fn send(host: &str, request: String) -> String {
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn get(path: &str, host: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

async fn waiting() -> (String, tokio::task::JoinHandle<Result<SecretString, Error>>) {
    let loopback = Loopback::bind().await.unwrap();
    let host = loopback.host.clone();
    let issuer = Issuer::parse("https://as.example").unwrap();
    let answer =
        tokio::spawn(loopback.answer(Arc::new(move |query: &str| parse_callback(query, "right", &issuer, true))));
    (host, answer)
}

#[tokio::test]
async fn only_the_right_answer_ends_the_wait() {
    let (host, answer) = waiting().await;
    let good = "/callback?code=c0de&state=right&iss=https%3A%2F%2Fas.example";
    for (request, status) in [
        (get("/other?code=x&state=right", &host), "404"),
        (get("/callback", &host), "404"),
        (get("/callback?code=x&state=wrong&iss=https%3A%2F%2Fas.example", &host), "400"),
        (get(good, "evil.example"), "404"),
        (get(good, &host).replace("GET", "POST"), "404"),
        (get(good, &host).replace("\r\n\r\n", &format!("\r\nHost: {host}\r\n\r\n")), "404"),
    ] {
        let told = send(&host, request).await;
        assert!(told.starts_with(&format!("HTTP/1.1 {status}")), "{told}");
    }
    let told = send(&host, get(good, &host)).await;
    assert!(told.starts_with("HTTP/1.1 200") && !told.contains("c0de"), "{told}");
    assert_eq!(answer.await.unwrap().unwrap().expose_secret(), "c0de");
    assert!(TcpStream::connect(&host).await.is_err(), "the port is still open");
}

#[tokio::test]
async fn a_silent_client_does_not_block_the_answer() {
    let (host, answer) = waiting().await;
    let silent = TcpStream::connect(&host).await.unwrap();
    send(&host, get("/callback?code=c&state=right&iss=https%3A%2F%2Fas.example", &host)).await;
    assert!(answer.await.unwrap().is_ok());
    drop(silent);
}

#[tokio::test]
async fn an_endless_request_is_cut_off() {
    let (host, answer) = waiting().await;
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let junk = "GET /callback?".to_owned() + &"a".repeat(2 * LONGEST_REQUEST);
    let _ = stream.write_all(junk.as_bytes()).await;
    let mut told = String::new();
    let _ = stream.read_to_string(&mut told).await;
    assert_eq!(told, "");
    answer.abort();
}

#[tokio::test]
async fn a_refusal_and_a_wrong_issuer_are_told_apart() {
    for (query, code) in [
        ("error=access_denied&state=right&iss=https%3A%2F%2Fas.example", ErrorCode::SignInDenied),
        ("code=c&state=right&iss=https%3A%2F%2Fother.example", ErrorCode::WrongIssuer),
        ("code=c&state=right", ErrorCode::WrongIssuer),
    ] {
        let (host, answer) = waiting().await;
        send(&host, get(&format!("/callback?{query}"), &host)).await;
        assert_eq!(answer.await.unwrap().unwrap_err().code(), code, "{query}");
    }
}
