//! `pilotlight autostart`: whether the agent and its tray start with the person's session.

use clap::Subcommand;
use pilotlight::settings::{Setting, Settings};
use pilotlight::{Error, ErrorCode, Home};
use pilotlight_tray::Autostart;
use serde_json::json;

use crate::command::Outcome;
use crate::failure::Failure;
use crate::output::Form;

/// What to do about it.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum AutostartCommand {
    /// Start them with the session, from the next one on
    On,
    /// Start them no more
    Off,
    /// Tell which of the two it is
    Status,
}

pub(crate) fn carry_out(form: Form, command: AutostartCommand) -> Outcome {
    let autostart = Autostart::of_person().map_err(failed)?;
    let home = Home::locate()?;
    let on = match command {
        AutostartCommand::On => Some("on"),
        AutostartCommand::Off => Some("off"),
        AutostartCommand::Status => None,
    };
    if let Some(on) = on {
        follow(&Settings::store(&home, Setting::Autostart, on)?, &home)?;
    }
    let (on, file) = (autostart.is_on(), autostart.file().display().to_string());
    form.print(&json!({ "autostart": on, "file": file }), || {
        if on { format!("On: {}\n", crate::words::harmless(&file)) } else { "Off\n".to_owned() }
    })?;
    Ok(0)
}

/// Has the entry say what is set.
pub(crate) fn follow(settings: &Settings, home: &Home) -> Result<(), Failure> {
    Autostart::of_person().and_then(|autostart| autostart.turn(settings.autostart, home)).map_err(failed)
}

fn failed(error: std::io::Error) -> Failure {
    Error::new(ErrorCode::VaultIo, format!("The autostart entry cannot be changed: {error}.")).into()
}
