//! What Pilotlight works with, each behind a trait, and what a program is given unless it hands in its own through
//! [`Config`](crate::Config): time, randomness, the network, the keystore, locks and the browser.

pub use pilotlight_oauth::{HttpRequest, HttpResponse, Method};
pub use pilotlight_vault::keystore::{KeystoreSecret, Origin};
pub use pilotlight_vault::{Keystore, KeystoreError};

pub use crate::browser::{Browser, SystemBrowser};
pub use crate::clock::{Clock, Sleep, SystemClock};
#[cfg(feature = "http")]
pub use crate::http_transport::HttpTransport;
#[cfg(feature = "redis")]
pub use crate::lock::RedisLocks;
pub use crate::lock::{FileLocks, Lock, Locking, Locks};
pub use crate::random::{Random, SystemRandom};
pub use crate::sign_in::{DeviceInvitation, DeviceProgress, DeviceWatcher};
pub use crate::transport::{Answer, Transport, TransportError};
