//! The shell of the desktop app: arguments, log, window, and who serves when it is closed. Everything else is the plugin's.

#[cfg(target_os = "linux")]
mod answer;
#[cfg(target_os = "linux")]
mod closing;
#[cfg(target_os = "linux")]
mod drawing;
#[cfg(target_os = "linux")]
mod first;
#[cfg(target_os = "linux")]
mod lab;
#[cfg(target_os = "linux")]
mod lending;
#[cfg(target_os = "linux")]
mod questions;
mod remembered;
mod wishes;

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
    /// Open at this account
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    account: Option<String>,
    /// Leave no agent behind when the window is closed: nothing is refreshed until the app is opened again
    #[arg(long)]
    no_tray: bool,
    /// An address of the scheme dev.pilotlight, as the desktop hands it over: it goes to the sign-in that waits for it
    #[cfg(target_os = "linux")]
    address: Option<std::ffi::OsString>,
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
    #[cfg(target_os = "linux")]
    if let Some(address) = &args.address {
        return answer::deliver(address);
    }
    match start(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let home = Home::locate().map_err(with_hint)?;
    #[cfg(target_os = "linux")]
    let place = pilotlight_agent::Place::of(&home);
    #[cfg(target_os = "linux")]
    let first = match first::take_turn(&place.beside("window"), args.account.as_deref()) {
        first::Turn::First(first) => Some(first),
        first::Turn::Told => return Ok(()),
        first::Turn::Unknown(error) => {
            tracing::warn!("whether another window is open cannot be told: {error}");
            None
        }
    };
    let remembered = remembered::plugin(&home);
    let pilotlight = Config::system(home.clone()).map(Pilotlight::new).map_err(with_hint)?;
    // While the window is being made.
    tauri::async_runtime::spawn(open_vault(pilotlight.clone()));
    let services = args.offer.into_iter().map(service).collect();
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_pilotlight::init(pilotlight.clone(), services))
        .plugin(remembered)
        .plugin(wishes::plugin(pilotlight.clone()))
        .plugin(opened_at(args.account.as_deref())?);
    #[cfg(target_os = "linux")]
    let lending = lending::Lending::new(pilotlight.clone(), home, place.clone());
    #[cfg(target_os = "linux")]
    let app = on_linux(app, first, closing::HandOver { place, pilotlight, lending, wanted: !args.no_tray });
    app.run(tauri::generate_context!())?;
    Ok(())
}

/// Stored tokens can be lent long before there is a window. Who shows the vault tells what went wrong with it.
async fn open_vault(pilotlight: Pilotlight) {
    drop(pilotlight.accounts().await);
}

#[cfg(target_os = "linux")]
fn on_linux(
    app: tauri::Builder<tauri::Wry>,
    first: Option<first::First>,
    hand_over: closing::HandOver,
) -> tauri::Builder<tauri::Wry> {
    tauri::async_runtime::spawn(hand_over.clone().share_what_opens());
    let app = app.plugin(lab::plugin()).plugin(drawing::plugin());
    let app = app.plugin(lending::plugin(hand_over.lending.clone())).setup(|app| {
        if let Some(first) = first {
            first.serve(app.handle().clone());
        }
        Ok(())
    });
    app.on_window_event(move |window, event| hand_over.begin(window, event))
}

/// Tells the page, before its own script runs, which account the app was opened for. Later ones come as events.
fn opened_at<R: tauri::Runtime>(account: Option<&str>) -> serde_json::Result<tauri::plugin::TauriPlugin<R>> {
    let script = format!("globalThis.pilotlightOpensAt = {};", serde_json::to_string(&account)?);
    Ok(tauri::plugin::Builder::new("opened-at").js_init_script(script).build())
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

    #[test]
    fn an_account_may_have_any_name() {
        let args = Args::try_parse_from(["app", "--account=--offer"]).unwrap();
        assert_eq!(args.account.as_deref(), Some("--offer"));
    }
}
