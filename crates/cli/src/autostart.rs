//! `pilotlight autostart`: whether the agent and its tray start with the person's session.

use clap::Subcommand;
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
    let failed = |error: std::io::Error| {
        Failure::from(Error::new(ErrorCode::VaultIo, format!("The autostart entry cannot be changed: {error}.")))
    };
    let autostart = Autostart::of_person().map_err(failed)?;
    match command {
        AutostartCommand::On => autostart.turn_on(&Home::locate()?).map_err(failed)?,
        AutostartCommand::Off => autostart.turn_off().map_err(failed)?,
        AutostartCommand::Status => {}
    }
    let (on, file) = (autostart.is_on(), autostart.file().display().to_string());
    form.print(&json!({ "autostart": on, "file": file }), || {
        if on { format!("On: {}\n", crate::words::harmless(&file)) } else { "Off\n".to_owned() }
    })?;
    Ok(0)
}
