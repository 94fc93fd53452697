//! The end of a program that had no time to end well.

use crate::Pilotlight;

/// Ends the work in the air where it stands, as a kill of the process would; nothing is saved and nobody is told. Returns
/// when it has stopped, so that its locks are free as those of a dead process are.
///
/// The tasks that the test itself started, `keep_fresh` or one that waits for a token, are the test's to abort. A write to the
/// vault that has begun is finished, which a real kill need not grant it.
pub async fn kill(pilotlight: Pilotlight) {
    pilotlight.0.flights.crash();
    pilotlight.0.flights.landed().await;
}
