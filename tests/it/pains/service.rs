//! A service on a loopback port whose every answer the test decides, and which remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) path: String,
    /// Names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

/// What is answered.
pub(super) enum Told {
    /// This status and JSON.
    Json(u16, String),
    /// Nothing; the connection stays open.
    Nothing,
}

/// The service; it lives as long as the test's process.
pub(super) struct Service {
    pub(super) origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Service {
    pub(super) fn answering(answer: impl Fn(&Asked) -> Told + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answer): (Arc<Mutex<Vec<Asked>>>, _) = (Arc::default(), Arc::new(answer));
        let list = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (list, answer) = (Arc::clone(&list), Arc::clone(&answer));
                thread::spawn(move || serve(&stream.unwrap(), &list, &*answer));
            }
        });
        Self { origin, asked }
    }

    /// The requests for `path` so far.
    pub(super) fn asked(&self, path: &str) -> Vec<Asked> {
        self.asked.lock().unwrap().iter().filter(|asked| asked.path == path).cloned().collect()
    }
}

fn serve(stream: &TcpStream, list: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Told) {
    let asked = read(&mut BufReader::new(stream));
    list.lock().unwrap().push(asked.clone());
    match answer(&asked) {
        Told::Json(status, body) => {
            let length = body.len();
            // A client that was killed meanwhile does not read it, which is what some tests are about.
            let _ = write!(
                &mut &*stream,
                "HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
        Told::Nothing => drop((&mut &*stream).read_to_end(&mut Vec::new())),
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Asked {
    let mut lines = reader.by_ref().lines().map(Result::unwrap);
    let first = lines.next().unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers: BTreeMap<_, _> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())))
        .collect();
    let body = match headers.get("content-length") {
        Some(length) => {
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            body
        }
        None if headers.contains_key("transfer-encoding") => read_chunks(reader),
        None => Vec::new(),
    };
    Asked { path, headers, body: String::from_utf8(body).unwrap() }
}

fn read_chunks(reader: &mut BufReader<&TcpStream>) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        reader.read_line(&mut size).unwrap();
        let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).unwrap() + 2];
        reader.read_exact(&mut chunk).unwrap();
        if chunk.len() == 2 {
            return body;
        }
        body.extend_from_slice(&chunk[..chunk.len() - 2]);
    }
}
