//! All that is logged in this process, down to the last detail, of every crate.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use tracing_subscriber::fmt::MakeWriter;
use url::form_urlencoded;

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Begins to listen, once for the whole process.
    pub(crate) fn listen() -> Self {
        static ONE: OnceLock<Log> = OnceLock::new();
        let start = || {
            let log = Self::default();
            let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
            let subscriber = subscriber.json().with_writer(log.clone()).finish();
            tracing::subscriber::set_global_default(subscriber).unwrap();
            log
        };
        ONE.get_or_init(start).clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// Whether a secret stands in it, as it is or in a common disguise.
    pub(crate) fn has(&self, secret: &str) -> bool {
        let text = self.text();
        disguises(secret).iter().any(|disguise| text.contains(disguise))
    }
}

/// As it is, form-encoded, as hexadecimal, and in base64 wherever it may begin in what was encoded.
fn disguises(secret: &str) -> Vec<String> {
    let mut all = vec![
        secret.to_owned(),
        form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ];
    for before in 0..3 {
        let shifted = [&vec![0; before], secret.as_bytes()].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&shifted);
            // The first and the last group depend on the neighbours.
            let inner = encoded.get(4..encoded.len().saturating_sub(4)).unwrap_or_default();
            if inner.len() >= 8 {
                all.push(inner.to_owned());
            }
        }
    }
    all
}

#[test]
fn a_secret_is_found_in_every_disguise() {
    let secret = "a secret/of some+length";
    for disguise in [
        format!("x{secret}y"),
        STANDARD_NO_PAD.encode(format!("user:{secret}")),
        URL_SAFE_NO_PAD.encode(format!("client-id:{secret}!")),
        "a+secret%2Fof+some%2Blength".to_owned(),
    ] {
        let mut log = Log::default();
        assert!(!log.has(secret));
        log.write_all(disguise.as_bytes()).unwrap();
        assert!(log.has(secret), "{disguise}");
    }
}
