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

fn failed(error: std::io::Error) -> Failure {
    Error::new(ErrorCode::VaultIo, format!("The autostart entry cannot be changed: {error}.")).into()
}

/// Has it start with the session or not, which the settings tell as well.
pub(crate) fn turn(on: bool) -> Result<Autostart, Failure> {
    let (home, autostart) = (Home::locate()?, Autostart::of_person().map_err(failed)?);
    if on { autostart.turn_on(&home) } else { autostart.turn_off() }.map_err(failed)?;
    Settings::store(&home, Setting::Autostart, if on { "on" } else { "off" })?;
    Ok(autostart)
}

pub(crate) fn carry_out(form: Form, command: AutostartCommand) -> Outcome {
    let autostart = match command {
        AutostartCommand::On => turn(true)?,
        AutostartCommand::Off => turn(false)?,
        AutostartCommand::Status => Autostart::of_person().map_err(failed)?,
    };
    let (on, file) = (autostart.is_on(), autostart.file().display().to_string());
    form.print(&json!({ "autostart": on, "file": file }), || {
        if on { format!("On: {}\n", crate::words::harmless(&file)) } else { "Off\n".to_owned() }
    })?;
    Ok(0)
}
