//! What came of it.

use std::collections::BTreeMap;

use serde::Serialize;

/// What came of killing victims in one way.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Victims killed.
    pub kills: u64,
    /// Refreshes that a victim reported done.
    pub refreshes: u64,
    /// Requests that the server had answered before, to a victim that died, and answered again alike.
    pub repeated: u64,
    /// Grants that ended, by the code of the error.
    pub lost: BTreeMap<String, u64>,
    /// Whatever should not have been, in words: each of them fails the run.
    pub troubles: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

impl Tally {
    /// Grants lost, for whatever reason.
    pub fn losses(&self) -> u64 {
        self.lost.values().sum()
    }

    fn row(&self, name: &str) -> String {
        let lost: Vec<String> = self.lost.iter().map(|(code, count)| format!("{count} {code}")).collect();
        let lost = if lost.is_empty() { "0".to_owned() } else { lost.join(", ") };
        let Self { kills, refreshes, repeated, seconds, .. } = self;
        format!("{name:<36} {kills:>7} {refreshes:>10} {repeated:>9} {seconds:>8.1}  {lost}")
    }
}

/// What came of all of it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Gives the same instants again.
    pub seed: u64,
    /// Random kills; the server knows `Idempotency-Key`.
    pub known_keys: Tally,
    /// Random kills; the server does not.
    pub strict: Tally,
    /// A kill at every system call; the server knows the key.
    pub sweep: Option<Tally>,
    /// Seconds that others waited for a stopped holder of the lock before they gave up.
    pub patience: f64,
    /// What went wrong with the stopped holder.
    pub stopped_holder: Vec<String>,
}

impl Summary {
    /// Whether nothing was lost that should not have been.
    pub fn is_good(&self) -> bool {
        self.troubles().is_empty()
    }

    /// Whatever should not have been.
    pub fn troubles(&self) -> Vec<&String> {
        [Some(&self.known_keys), Some(&self.strict), self.sweep.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(|tally| &tally.troubles)
            .chain(&self.stopped_holder)
            .collect()
    }

    /// A table to read.
    pub fn table(&self) -> String {
        let mut lines = vec![format!(
            "{:<36} {:>7} {:>10} {:>9} {:>8}  grants lost",
            "", "kills", "refreshes", "repeated", "seconds"
        )];
        lines.push(self.known_keys.row("random instants, keys known"));
        lines.push(self.strict.row("random instants, strict"));
        lines.extend(self.sweep.as_ref().map(|sweep| sweep.row("every system call, keys known")));
        lines.push(format!("Others waited {:.1} s for a stopped holder of the lock; nobody hung.", self.patience));
        if self.is_good() {
            lines.push("Lost at the strict server is only what may be: answers that died on the wire.".to_owned());
        } else {
            lines.push("What should not have been:".to_owned());
            lines.extend(self.troubles().into_iter().map(|trouble| format!("  {trouble}")));
        }
        lines.push(format!("seed {}", self.seed));
        lines.join("\n")
    }
}
