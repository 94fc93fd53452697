//! `pilotlight settings`: what is set, and setting it.

use clap::Subcommand;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use pilotlight::Home;
use pilotlight::settings::{Setting, Settings};
use serde_json::{Map, Value, json};

use crate::command::Outcome;
use crate::output::{self, Form};
use crate::words::{harmless, table};

#[derive(Debug, Subcommand)]
pub(crate) enum SettingsCommand {
    /// Set one thing; `default` takes it back
    Set {
        /// Which
        #[arg(value_parser = names().try_map(|name| name.parse::<Setting>().map_err(|()| "There is no such setting.")))]
        name: Setting,
        /// What to: `pilotlight settings` tells what each may be
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(shown().map(Setting::as_str))
}

/// What a person sets: all but what the window keeps for itself.
fn shown() -> impl Iterator<Item = Setting> {
    Setting::ALL.iter().copied().filter(|setting| *setting != Setting::Welcomed)
}

pub(crate) fn carry_out(form: Form, command: Option<SettingsCommand>) -> Outcome {
    let home = Home::locate()?;
    let settings = match command {
        None => {
            let settings = Settings::load(&home);
            form.print(&in_json(&settings), || in_text(&settings))?;
            settings
        }
        Some(SettingsCommand::Set { name, value }) => {
            let settings = Settings::store(&home, name, &value)?;
            #[cfg(target_os = "linux")]
            if name == Setting::Autostart {
                crate::autostart::follow(&settings, &home)?;
            }
            let text = format!("{name} is {}.", harmless(&settings.text(name)));
            form.confirm(&json!({ name.as_str(): settings.json(name) }), &text)?;
            settings
        }
    };
    for fault in &settings.faults {
        output::note(&harmless(&fault.why));
    }
    Ok(0)
}

fn in_json(settings: &Settings) -> Value {
    Value::Object(shown().map(|one| (one.as_str().to_owned(), settings.json(one))).collect::<Map<_, _>>())
}

fn in_text(settings: &Settings) -> String {
    let row = |one: Setting| {
        [one.as_str().to_owned(), harmless(&settings.text(one)), format!("{} ({})", one.summary(), one.accepts())]
    };
    table(&shown().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_but_the_windows_own_is_told_with_what_it_may_be() {
        let text = in_text(&Settings::default());
        for setting in shown() {
            assert!(text.contains(setting.as_str()) && text.contains(setting.accepts()), "{text}");
        }
        assert!(!text.contains("welcomed"));
        assert_eq!(in_json(&Settings::default())["tray"], json!(true));
    }
}
