//! Where a person is signed in, and ending it there.

use clap::Args;
use pilotlight::values::{Device, EndDevices, Timestamp};
use serde::Serialize;

use crate::command::{Outcome, Run};
use crate::output;
use crate::words::{harmless, relative, table};

/// What a service does not tell.
const UNKNOWN: &str = "-";

#[derive(Debug, Args)]
pub(crate) struct DevicesArguments {
    /// The account
    name: String,
    /// End this one, by its id in the list
    #[arg(long, value_name = "ID", conflicts_with = "end_others")]
    end: Option<String>,
    /// End all but this one
    #[arg(long)]
    end_others: bool,
}

#[derive(Serialize)]
struct DeviceJson<'a> {
    id: &'a str,
    this: bool,
    kind: &'static str,
    app: Option<&'a str>,
    program: Option<&'a str>,
    system: Option<&'a str>,
    address: Option<&'a str>,
    signed_in_at: Option<String>,
    last_used_at: Option<String>,
}

impl<'a> DeviceJson<'a> {
    fn of(device: &'a Device) -> Self {
        let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: &device.id,
            this: device.this,
            kind: if device.browser { "browser" } else { "app" },
            app: device.app.as_deref(),
            program: device.program.as_deref(),
            system: device.system.as_deref(),
            address: device.address.as_deref(),
            signed_in_at: time(device.signed_in_at),
            last_used_at: time(device.last_used_at),
        }
    }
}

impl Run {
    pub(crate) async fn devices(self, arguments: DevicesArguments) -> Outcome {
        let which = match arguments.end {
            Some(id) => Some(EndDevices::One(id)),
            None => arguments.end_others.then_some(EndDevices::Others),
        };
        if let Some(which) = which {
            let ended = self.pilotlight.end_devices(&arguments.name, &which).await?;
            let text = match ended {
                1 => "1 other sign-in was ended at the service.".to_owned(),
                many => format!("{many} other sign-ins were ended at the service."),
            };
            self.form.confirm(&serde_json::json!({ "ended": ended }), &text)?;
            return Ok(0);
        }
        let devices = self.pilotlight.devices(&arguments.name).await?;
        let json: Vec<_> = devices.iter().map(DeviceJson::of).collect();
        self.form.print(&json, || listed(&devices, self.pilotlight.now()))?;
        if self.form == output::Form::Text && devices.iter().any(|device| !device.this) {
            output::note(&format!("End one with: pilotlight devices {} --end ID", arguments.name));
        }
        Ok(0)
    }
}

fn listed(devices: &[Device], now: Timestamp) -> String {
    let mut rows = vec![["ID", "WHAT", "ADDRESS", "SIGNED IN", "LAST USED"].map(str::to_owned)];
    let when = |at: Option<Timestamp>| at.map_or(UNKNOWN.to_owned(), |at| relative(at, now));
    rows.extend(devices.iter().map(|device| {
        let address = device.address.as_deref().map_or(UNKNOWN.to_owned(), harmless);
        [harmless(&device.id), what(device), address, when(device.signed_in_at), when(device.last_used_at)]
    }));
    table(&rows)
}

fn what(device: &Device) -> String {
    let words = [&device.app, &device.program, &device.system].into_iter().flatten();
    let mut words: Vec<String> = words.map(|word| harmless(word)).collect();
    // An app that is a program of the same name is one thing.
    words.dedup();
    if words.is_empty() {
        words.push(if device.browser { "a browser" } else { "an app" }.to_owned());
    }
    if device.this {
        words.push("this one".to_owned());
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str) -> Device {
        Device {
            id: id.into(),
            this: false,
            browser: false,
            app: None,
            program: None,
            system: None,
            address: None,
            signed_in_at: None,
            last_used_at: None,
        }
    }

    #[test]
    fn a_list_tells_what_is_known_and_marks_the_sign_in_of_this_program() {
        let now = Timestamp::from_secs(100_000);
        let own = Device {
            this: true,
            app: Some("Pilot\u{1b}light".into()),
            system: Some("Linux".into()),
            last_used_at: Some(Timestamp::from_secs(99_880)),
            ..device("77a1")
        };
        let own = Device { program: own.app.clone(), ..own };
        let text = listed(&[own, Device { browser: true, ..device("9c") }], now);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ID    WHAT                         ADDRESS  SIGNED IN  LAST USED");
        assert_eq!(lines[1], "77a1  Pilotlight, Linux, this one  -        -          2 min ago");
        assert_eq!(lines[2], "9c    a browser                    -        -          -");
    }

    #[test]
    fn what_is_not_known_is_null_for_scripts() {
        let json = serde_json::to_value(DeviceJson::of(&device("9c"))).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"id": "9c", "this": false, "kind": "app", "app": null, "program": null, "system": null,
                "address": null, "signed_in_at": null, "last_used_at": null})
        );
    }
}
