//! The report as one page that needs nothing beside itself.

use crate::report::Report;

impl Report {
    /// The report as one self-contained page.
    #[must_use]
    pub fn html(&self) -> String {
        format!("<!doctype html><title>Pilotlight Storage Lab</title><pre>{}</pre>", self.cells.len())
    }
}
