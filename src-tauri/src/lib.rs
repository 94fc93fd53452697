//! The shell of the desktop app: arguments, log, window. Everything else is the plugin's.

#[cfg(target_os = "linux")]
mod lab;

use std::process::ExitCode;

use clap::Parser;
use pilotlight::{Config, Error, Home, Pilotlight};
use tauri_plugin_pilotlight::ServiceView;
use tracing_subscriber::EnvFilter;

/// Pilotlight keeps you signed in.
#[derive(Debug, Parser)]
#[command(name = "pilotlight-desktop", version)]
struct Args {
    /// Offer a service for a one-click sign-in; may be repeated
    #[arg(long, value_name = "NAME=ISSUER", value_parser = offer)]
    offer: Vec<Offer>,
    /// What to log to stderr, e.g. info or pilotlight=trace
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
}

#[derive(Debug, Clone)]
struct Offer {
    name: String,
    issuer: String,
}

fn offer(text: &str) -> Result<Offer, String> {
    match text.split_once('=') {
        Some((name, issuer)) if !name.trim().is_empty() && issuer.contains("://") => {
            Ok(Offer { name: name.trim().to_owned(), issuer: issuer.to_owned() })
        }
        _ => Err("write it as NAME=ISSUER, for example \"Work=https://id.example.com\"".to_owned()),
    }
}

/// Runs the app until its window is closed.
#[must_use]
pub fn run() -> ExitCode {
    // Before anything else: the lab starts this program again for each attack.
    #[cfg(target_os = "linux")]
    if let Some(code) = pilotlight_lab::work_if_asked() {
        return code;
    }
    let hardening = pilotlight::process::harden();
    let args = Args::parse();
    let filter = EnvFilter::try_new(&args.log).unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    tracing::debug!(?hardening, "the process is closed to others as far as this says");
    match start(args.offer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start(offers: Vec<Offer>) -> Result<(), Box<dyn std::error::Error>> {
    let pilotlight = Home::locate().and_then(Config::system).map(Pilotlight::new).map_err(with_hint)?;
    let services = offers.into_iter().map(service).collect();
    let app = tauri::Builder::default().plugin(tauri_plugin_pilotlight::init(pilotlight, services));
    #[cfg(target_os = "linux")]
    let app = app.plugin(lab::plugin());
    app.run(tauri::generate_context!())?;
    Ok(())
}

/// What is asked for at a service on offer, which is one like `pilotlight-server --demo`.
const SCOPE: &str = "openid profile offline_access devices";

fn service(offer: Offer) -> ServiceView {
    let Offer { name, issuer } = offer;
    ServiceView { name, issuer, client_id: "pilotlight".to_owned(), scope: SCOPE.to_owned() }
}

fn with_hint(error: Error) -> String {
    format!("{} {}", error.message(), error.hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_a_name_and_an_issuer() {
        let args = Args::try_parse_from(["app", "--offer", "Demo service=http://127.0.0.1:8080"]).unwrap();
        assert_eq!(
            (args.offer[0].name.as_str(), args.offer[0].issuer.as_str()),
            ("Demo service", "http://127.0.0.1:8080")
        );
        assert!(Args::try_parse_from(["app", "--offer", "nonsense"]).is_err());
    }
}
