//! Kubernetes' own client against an API server that only checks whose request it is.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pilotlight_tests::{PrivateDesktop, Server, binaries, process};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::program::{Ran, command, run_to_end, signed_in, token};

/// Over TLS, without which the client sends no credentials.
struct Cluster {
    origin: String,
    certificate: String,
    /// The `Authorization` of each request, empty where there was none.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Cluster {
    fn start() -> Self {
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
        let origin = format!("https://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(vec![]));
        let log = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                // A client may look who is there and leave.
                let _ = answer(StreamOwned::new(connection, stream.unwrap()), &log);
            }
        });
        Self { origin, certificate: own.cert.pem(), seen }
    }

    fn configuration(&self, version: &str) -> String {
        let program = binaries::built("pilotlight");
        let user = serde_json::json!({ "exec": {
            "apiVersion": format!("client.authentication.k8s.io/{version}"),
            "command": program.to_str().unwrap(),
            "args": ["kube-credential", "work"],
            "interactiveMode": "Never",
        } });
        let cluster = serde_json::json!({ "server": self.origin, "certificate-authority-data": STANDARD.encode(&self.certificate) });
        serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{ "name": "here", "context": { "cluster": "here", "user": "me" } }],
            "clusters": [{ "name": "here", "cluster": cluster }],
            "users": [{ "name": "me", "user": user }],
        })
        .to_string()
    }
}

fn answer(
    stream: StreamOwned<ServerConnection, std::net::TcpStream>,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut authorization = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some((name, value)) = line.trim_end().split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            value.clone_into(&mut authorization);
        }
    }
    seen.lock().unwrap().push(authorization);
    let body = r#"{"major":"1","minor":"32","gitVersion":"v1.32.0"}"#;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    let mut stream = reader.into_inner();
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn kubectl(desktop: &PrivateDesktop, arguments: &[&str]) -> Ran {
    run_to_end(process::piped(desktop.command("kubectl")).args(arguments), "")
}

/// The stable version came with 1.22.
fn speaks_v1(desktop: &PrivateDesktop) -> bool {
    let version = kubectl(desktop, &["version", "--client", "-o", "json"]).json();
    let minor = version["clientVersion"]["minor"].as_str().unwrap().trim_end_matches('+');
    minor.parse::<u32>().unwrap() >= 22
}

#[test]
fn kubectl_asks_for_a_token_by_itself_and_sends_it() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let lent = token(&desktop, &[]);
    let versions: &[&str] = if speaks_v1(&desktop) { &["v1beta1", "v1"] } else { &["v1beta1"] };
    for version in versions {
        let cluster = Cluster::start();
        let file = desktop.folder().join(format!("kubeconfig-{version}"));
        fs::write(&file, cluster.configuration(version)).unwrap();
        let ran = kubectl(&desktop, &["--kubeconfig", file.to_str().unwrap(), "get", "--raw", "/version"]);
        assert_eq!(ran.code, 0, "{version}: {}", ran.err);
        assert!(ran.out.contains("v1.32.0"), "{}", ran.out);
        assert!(cluster.seen.lock().unwrap().contains(&format!("Bearer {lent}")), "{version}");
    }
}

#[test]
fn a_credential_tells_its_end_and_another_version_is_refused_by_name() {
    let server = Server::demo().start();
    let desktop = signed_in(&server);
    let lent = token(&desktop, &[]);
    let mut asked = command(&desktop, &["kube-credential", "work"]);
    asked.env("KUBERNETES_EXEC_INFO", r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}"#);
    let answer = run_to_end(&mut asked, "").json();
    assert_eq!(answer["status"]["token"], lent.as_str());
    assert!(answer["status"]["expirationTimestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{answer}");
    asked.env("KUBERNETES_EXEC_INFO", r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v9"}"#);
    let refused = run_to_end(&mut asked, "");
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains("v9") && refused.err.contains("hint: "), "{}", refused.err);
}
