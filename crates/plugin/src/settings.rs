//! What a person has set, as the web view sees it, and the commands that change it or write a report. What is set is part of every
//! snapshot.

use std::path::PathBuf;

use pilotlight::settings::{Proxy, Setting, Settings};
use pilotlight::{Error, ErrorCode};
use serde::Serialize;
use tauri::{AppHandle, Manager as _, Runtime, State, command};
use ts_rs::TS;

use crate::shell::Shell;
use crate::view::Problem;

/// What a person has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct SettingsView {
    /// Seconds before its end at which a token is refreshed; none where Pilotlight decides.
    #[ts(type = "number | null")]
    pub leeway: Option<u64>,
    /// `system`, `none` or an address.
    pub proxy: String,
    /// A file of certificates to trust besides the system's.
    pub ca_file: Option<String>,
    /// `system`, `en` or `zh`.
    pub language: String,
    /// `system`, `light` or `dark`.
    pub theme: String,
    /// Whether the agent starts with the desktop.
    pub autostart: bool,
    /// Whether the agent shows itself in the tray.
    pub tray: bool,
    /// Whether to show what developers want.
    pub developer: bool,
    /// Whether the window has introduced itself.
    pub welcomed: bool,
    /// What in the file is not understood, in English.
    pub faults: Vec<String>,
}

/// A report that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export)]
pub struct ReportView {
    /// The file.
    pub file: String,
    /// How many entries of the journal it holds.
    pub entries: usize,
}

impl From<&Settings> for SettingsView {
    fn from(settings: &Settings) -> Self {
        Self {
            leeway: settings.leeway.map(|leeway| leeway.as_secs()),
            proxy: match &settings.proxy {
                Proxy::At(url) => url.to_string(),
                _ => settings.text(Setting::Proxy),
            },
            ca_file: settings.ca_file.as_ref().map(|file| file.display().to_string()),
            language: settings.language.to_string(),
            theme: settings.theme.to_string(),
            autostart: settings.autostart,
            tray: settings.tray,
            developer: settings.developer,
            welcomed: settings.welcomed,
            faults: settings.faults.iter().map(|fault| fault.why.clone()).collect(),
        }
    }
}

#[command]
pub(crate) async fn set_setting(shell: State<'_, Shell>, name: String, value: String) -> Result<(), Problem> {
    let setting = name.parse().map_err(|()| Error::new(ErrorCode::BadInput, "There is no such setting."))?;
    shell.pilotlight().set(setting, value).await.map_err(Problem::from)
}

#[command]
pub(crate) async fn write_report<R: Runtime>(
    app: AppHandle<R>,
    shell: State<'_, Shell>,
) -> Result<ReportView, Problem> {
    let pilotlight = shell.pilotlight();
    let folder = downloads(&app)?;
    let file = folder.join(format!("pilotlight-report-{}.jsonl", pilotlight.now().as_millis()));
    let entries = pilotlight.write_report(file.clone()).await?;
    Ok(ReportView { file: file.display().to_string(), entries })
}

/// The person's folder for downloads, or their home where the desktop has none.
fn downloads<R: Runtime>(app: &AppHandle<R>) -> Result<PathBuf, Problem> {
    let found = app.path().download_dir().ok().filter(|folder| folder.is_dir());
    let folder = found.or_else(|| app.path().home_dir().ok().filter(|folder| folder.is_dir()));
    folder.ok_or_else(|| Error::new(ErrorCode::BadInput, "There is no folder to write the report to.").into())
}
