//! The two kinds of figures that are counted here, and their text form.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets, in microseconds and as Prometheus writes them, in seconds.
const BUCKETS: [(u64, &str); 13] = [
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (5_000_000, "5"),
];

/// Counts up.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often something took how long.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// The last one is of all that took longer.
    buckets: [Counter; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BUCKETS.iter().position(|(end, _)| micros <= *end).unwrap_or(BUCKETS.len());
        self.buckets[at].add();
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The lines of this histogram. `label` is empty, or one label with its value.
    pub(crate) fn write(&self, text: &mut String, name: &str, label: &str) {
        let mut sum = 0;
        let ends = BUCKETS.iter().map(|(_, end)| *end).chain(["+Inf"]);
        let comma = if label.is_empty() { "" } else { "," };
        for (bucket, end) in self.buckets.iter().zip(ends) {
            sum += bucket.read();
            line(text, &format!("{name}_bucket"), &format!("{label}{comma}le=\"{end}\""), sum);
        }
        let seconds = Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64();
        line(text, &format!("{name}_sum"), label, seconds);
        line(text, &format!("{name}_count"), label, sum);
    }
}

/// One sample.
pub(crate) fn line(text: &mut String, name: &str, label: &str, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = match label {
        "" => writeln!(text, "{name} {value}"),
        label => writeln!(text, "{name}{{{label}}} {value}"),
    };
}

/// What stands before the samples of one name.
pub(crate) fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_counts_all_that_took_no_longer() {
        let histogram = Histogram::default();
        for millis in [1, 1, 30, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut text = String::new();
        histogram.write(&mut text, "t", "route=\"/x\"");
        for wanted in [
            "t_bucket{route=\"/x\",le=\"0.0005\"} 0\n",
            "t_bucket{route=\"/x\",le=\"0.001\"} 2\n",
            "t_bucket{route=\"/x\",le=\"0.05\"} 3\n",
            "t_bucket{route=\"/x\",le=\"+Inf\"} 4\n",
            "t_sum{route=\"/x\"} 60.032\n",
            "t_count{route=\"/x\"} 4\n",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
    }
}
