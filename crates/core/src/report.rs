//! A file for a bug report: what Pilotlight stands on, and the journal. Like the journal it holds no secret; it does hold names of
//! accounts, of people where services told them, and addresses of services.

use std::io::Write as _;
use std::path::PathBuf;

use serde_json::json;

use crate::lifecycle::{Pilotlight, blocking};
use crate::settings::Setting;
use crate::{Error, ErrorCode, files};

impl Pilotlight {
    /// Writes the report to a new file, one JSON object in a line: first how things stand, then every entry of the journal, oldest
    /// first. Tells how many entries there are.
    ///
    /// # Errors
    /// `bad_input` where there is such a file already or none can be made, `vault_io` where the journal cannot be read.
    pub async fn write_report(&self, path: PathBuf) -> Result<usize, Error> {
        let findings: Vec<_> = self
            .examine()
            .await
            .into_iter()
            .map(|finding| json!({ "what": finding.what, "health": finding.health.as_str(), "text": finding.text }))
            .collect();
        let settings = self.settings();
        let set: serde_json::Map<_, _> =
            Setting::ALL.iter().map(|one| (one.as_str().to_owned(), settings.json(*one))).collect();
        let head = json!({
            "pilotlight": env!("CARGO_PKG_VERSION"),
            "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            "written_at_ms": self.now().as_millis(),
            "strategy": self.strategy().map(|strategy| strategy.to_string()).unwrap_or_default(),
            "settings": set,
            "findings": findings,
        });
        let entries = self.events(None, usize::MAX).await?;
        let count = entries.len();
        let mut text = format!("{head}\n");
        for entry in entries.iter().rev() {
            text.push_str(&json!(entry).to_string());
            text.push('\n');
        }
        blocking(move || write_new(&path, &text)).await?;
        Ok(count)
    }
}

fn write_new(path: &std::path::Path, text: &str) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    files::private(&mut options);
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        Error::new(ErrorCode::BadInput, format!("The report cannot be written to {}: {error}.", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use secrecy::ExposeSecret as _;

    use crate::simulation::{FakeServer, SimulatedClock, config};
    use crate::{Client, ErrorCode, Home, Pilotlight, Registration, Scope, ServiceLocation, SignIn};

    #[tokio::test]
    async fn a_report_holds_the_journal_and_no_token_and_replaces_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::start());
        let server = Arc::new(FakeServer::new(clock.clone(), Duration::from_secs(900)));
        let home = Home::at(folder.path().join("home")).unwrap();
        let pilotlight = Pilotlight::new(config(home, clock, server));
        let registration = Registration {
            name: "work".into(),
            service: ServiceLocation::Issuer("https://as.test".into()),
            client: Client { id: "pilotlight".into(), secret: None },
            scope: Scope::default(),
        };
        let with = SignIn::Password { username: "ada".into(), password: "demo".into() };
        pilotlight.sign_in(registration, with).await.unwrap();
        let token = pilotlight.access_token("work", Duration::ZERO).await.unwrap().token;
        let path = folder.path().join("report.jsonl");
        let count = pilotlight.write_report(path.clone()).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), count + 1);
        assert!(count > 0 && text.contains("\"signed-in\""), "{text}");
        assert!(!text.contains(token.expose_secret()));
        assert_eq!(pilotlight.write_report(path).await.unwrap_err().code(), ErrorCode::BadInput);
    }
}
