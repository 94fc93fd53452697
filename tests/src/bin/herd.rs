//! One process of a herd: opens the vault, says `ready`, waits for a line, then asks for a token from many tasks at once,
//! at an instant at which the stored one has expired. Prints each different token that it was given, or the first error.
//!
//! The instant is simulated: this process's clock runs ahead of the true one, so nobody has to wait for a token to expire.

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use pilotlight::parts::{Clock, HttpTransport, Sleep, SystemClock};
use pilotlight::values::{ExposeSecret as _, Timestamp};
use pilotlight::{Config, Home, Pilotlight};

struct AheadBy(Duration);

/// The wall clock is ahead from the start, so a token that is on disk seems to have expired.
impl Clock for AheadBy {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0)
    }

    fn elapsed(&self) -> Duration {
        SystemClock.elapsed()
    }

    fn sleep_until(&self, elapsed: Duration) -> Sleep<'_> {
        SystemClock.sleep_until(elapsed)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, account, tasks, ahead] = arguments.as_slice() else { return Err("ACCOUNT TASKS SECONDS-AHEAD".into()) };
    let clock = Arc::new(AheadBy(Duration::from_secs(ahead.parse()?)));
    let mut config = Config::system(Home::locate()?)?;
    config.transport = Arc::new(HttpTransport::new(clock.clone()));
    config.clock = clock;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(ask(Pilotlight::new(config), account, tasks.parse()?))
}

async fn ask(pilotlight: Pilotlight, account: &str, tasks: usize) -> Result<(), Box<dyn std::error::Error>> {
    pilotlight.unlock().await?;
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    std::io::stdin().lock().read_line(&mut String::new())?;
    let asking: Vec<_> = (0..tasks)
        .map(|_| {
            let (pilotlight, account) = (pilotlight.clone(), account.to_owned());
            tokio::spawn(async move { pilotlight.access_token(&account, Duration::ZERO).await })
        })
        .collect();
    let mut tokens = std::collections::BTreeSet::new();
    for task in asking {
        tokens.insert(task.await??.token.expose_secret().to_owned());
    }
    for token in tokens {
        writeln!(out, "{token}")?;
    }
    Ok(())
}
