//! What the server counts, and the page that Prometheus reads. Labels are words of this program alone: no name, token or
//! address becomes one, so that neither a secret nor an endless number of rows can come in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::figures::{Counter, Histogram, head, line};
use crate::app::Counts;

/// By the first digit of the status; the last one is of requests that nobody waited for.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "gone"];

/// Why something was turned away without work.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refusal {
    Connections,
    Requests,
    Passwords,
}

impl Refusal {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Connections, "connections"), (Self::Requests, "requests"), (Self::Passwords, "passwords")];
}

/// The requests of one route.
#[derive(Debug)]
pub(crate) struct RouteCounts {
    pub(crate) route: &'static str,
    classes: [Counter; CLASSES.len()],
    took: Histogram,
}

impl RouteCounts {
    /// Counts an answer; without a status it was not waited for.
    pub(crate) fn count(&self, status: Option<u16>, took: Duration) {
        let class = status.map_or(CLASSES.len() - 1, |status| usize::from(status / 100).clamp(1, 5) - 1);
        self.classes[class].add();
        self.took.observe(took);
    }
}

/// All figures of one server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    routes: Mutex<Vec<Arc<RouteCounts>>>,
    in_flight: AtomicUsize,
    connections: AtomicUsize,
    refused: [Counter; Refusal::ALL.len()],
    store: Histogram,
    store_failures: Counter,
}

/// One more of something, as long as it lives.
pub(crate) struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// The counts of a route of ours.
    pub(crate) fn route(&self, route: &'static str) -> Arc<RouteCounts> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = routes.iter().find(|known| known.route == route) {
            return known.clone();
        }
        let new = Arc::new(RouteCounts { route, classes: Default::default(), took: Histogram::default() });
        routes.push(new.clone());
        new
    }

    /// Lets a request in, unless `most` are in already.
    pub(crate) fn admit(&self, most: usize) -> Option<Held<'_>> {
        let held = Held(&self.in_flight);
        if self.in_flight.fetch_add(1, Ordering::Relaxed) < most {
            return Some(held);
        }
        drop(held);
        self.refuse(Refusal::Requests);
        None
    }

    pub(crate) fn connection(&self) -> Held<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Held(&self.connections)
    }

    pub(crate) fn refuse(&self, why: Refusal) {
        self.refused[why as usize].add();
    }

    /// An answer of the store.
    pub(crate) fn store(&self, took: Duration, failed: bool) {
        self.store.observe(took);
        if failed {
            self.store_failures.add();
        }
    }

    /// The page, in Prometheus's text format 0.0.4.
    pub(crate) fn page(&self, counts: &Counts) -> String {
        let mut text = String::with_capacity(16 * 1024);
        head(&mut text, "pilotlight_info", "gauge", "The version of this program.");
        line(&mut text, "pilotlight_info", concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), 1);
        self.write_requests(&mut text);
        let name = "pilotlight_refresh_tokens_total";
        head(&mut text, name, "counter", "Refresh tokens presented, by what came of them.");
        counts.each(|outcome, count| line(&mut text, name, &format!("outcome=\"{outcome}\""), count));
        head(&mut text, "pilotlight_store_seconds", "histogram", "How long the store took to answer.");
        self.store.write(&mut text, "pilotlight_store_seconds", "");
        head(&mut text, "pilotlight_store_failures_total", "counter", "Answers of the store that were failures.");
        line(&mut text, "pilotlight_store_failures_total", "", self.store_failures.read());
        text
    }

    fn write_requests(&self, text: &mut String) {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        head(text, "pilotlight_requests_total", "counter", "Requests by route and class of the status.");
        for counts in &routes {
            for (class, count) in CLASSES.iter().zip(&counts.classes) {
                let label = format!("route=\"{}\",status=\"{class}\"", counts.route);
                line(text, "pilotlight_requests_total", &label, count.read());
            }
        }
        head(text, "pilotlight_request_seconds", "histogram", "How long requests took, by route.");
        for counts in &routes {
            counts.took.write(text, "pilotlight_request_seconds", &format!("route=\"{}\"", counts.route));
        }
        head(text, "pilotlight_refused_total", "counter", "What was turned away at once, by which limit.");
        for (why, word) in Refusal::ALL {
            let refused = self.refused[why as usize].read();
            line(text, "pilotlight_refused_total", &format!("limit=\"{word}\""), refused);
        }
        head(text, "pilotlight_requests_in_flight", "gauge", "Requests in work now.");
        line(text, "pilotlight_requests_in_flight", "", self.in_flight.load(Ordering::Relaxed));
        head(text, "pilotlight_connections", "gauge", "Connections open now.");
        line(text, "pilotlight_connections", "", self.connections.load(Ordering::Relaxed));
    }
}
