//! The device flow at a terminal: address, code and QR code, and a line that tells how it stands.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use pilotlight::parts::{DeviceInvitation, DeviceProgress, DeviceWatcher};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde_json::{Value, json};

use crate::output::{self, Form};
use crate::surroundings;

/// Black on white, whatever the terminal's own colours are: many readers do not take a negative.
const BLACK_ON_WHITE: &str = "\u{1b}[38;5;16;48;5;231m";
const USUAL_COLOURS: &str = "\u{1b}[0m";

/// Tells the person what to do, and how it stands; all of it on standard error.
pub(crate) fn watcher(form: Form, with_picture: bool) -> DeviceWatcher {
    let terminal = io::stderr().is_terminal();
    DeviceWatcher::new(move |progress| match (form, progress) {
        (Form::Json, DeviceProgress::Invited(invitation)) => output::note(&invitation_json(&invitation).to_string()),
        (Form::Json, _) => {}
        (Form::Text, DeviceProgress::Invited(invitation)) => invite(&invitation, with_picture && terminal),
        (Form::Text, progress) if terminal => output::overwrite(&line(&progress)),
        (Form::Text, _) => {}
    })
}

/// Clears the line that told how it stood.
pub(crate) fn clear_line(form: Form) {
    if form == Form::Text && io::stderr().is_terminal() {
        output::overwrite("");
    }
}

fn invitation_json(invitation: &DeviceInvitation) -> Value {
    json!({
        "user_code": invitation.user_code,
        "verification_uri": invitation.verification_uri.as_str(),
        "verification_uri_complete": invitation.verification_uri_complete.as_ref().map(url::Url::as_str),
        "expires_at": invitation.expires_at.to_string(),
        "expires_in": invitation.expires_in.as_secs(),
    })
}

fn invite(invitation: &DeviceInvitation, with_picture: bool) {
    let address = invitation.verification_uri_complete.as_ref().unwrap_or(&invitation.verification_uri);
    if let Some(picture) = with_picture.then(|| picture(address.as_str(), surroundings::columns())).flatten() {
        output::picture(&picture);
    }
    output::note(&format!("Open this address in a browser on any device: {}", invitation.verification_uri));
    output::note(&format!("and type this code there: {}", invitation.user_code));
    output::note(&format!("It is good for {}. Ctrl-C gives up.", words(invitation.expires_in)));
}

/// Two modules to a character, with the margin of four modules that ISO/IEC 18004 asks for. `None` where the text is too long,
/// or the terminal too narrow: nobody can read a picture that is broken into pieces.
fn picture(text: &str, columns: Option<usize>) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code.render::<Dense1x2>().quiet_zone(true).build();
    let width = drawn.lines().next()?.chars().count();
    if columns.is_some_and(|columns| columns < width) {
        return None;
    }
    Some(drawn.lines().map(|row| format!("{BLACK_ON_WHITE}{row}{USUAL_COLOURS}\n")).collect())
}

fn line(progress: &DeviceProgress) -> String {
    match progress {
        DeviceProgress::Waiting { left } => format!("Waiting for you; {} left.", words(*left)),
        DeviceProgress::Trouble { problem, left } => {
            format!("{} It is asked again; {} left.", crate::words::harmless(problem.message()), words(*left))
        }
        _ => String::new(),
    }
}

fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use pilotlight::values::Timestamp;

    use super::*;

    #[test]
    fn a_terminal_that_is_too_narrow_gets_no_picture() {
        let address = "https://as.example/device?user_code=WDJB-MJHT";
        let width = picture(address, None)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .trim_start_matches(BLACK_ON_WHITE)
            .trim_end_matches(USUAL_COLOURS)
            .chars()
            .count();
        assert!(picture(address, Some(width)).is_some() && picture(address, Some(width - 1)).is_none());
    }

    #[test]
    fn the_picture_is_dark_on_light_with_a_margin_of_four_modules() {
        let text = picture("https://as.example/device?user_code=WDJB-MJHT", None).unwrap();
        let rows: Vec<Vec<char>> = text
            .lines()
            .map(|row| row.strip_prefix(BLACK_ON_WHITE).unwrap().strip_suffix(USUAL_COLOURS).unwrap().chars().collect())
            .collect();
        // Nothing is drawn, so all is white, in two rows of characters and four columns.
        assert!(rows[..2].iter().flatten().all(|it| *it == ' '), "{text}");
        assert!(rows.iter().all(|row| row[..4] == [' '; 4] && row[row.len() - 4..] == [' '; 4]), "{text}");
        // The corner of the finder pattern: seven dark modules above a dark, five light ones and a dark.
        assert_eq!(rows[2][4..11].iter().collect::<String>(), "█▀▀▀▀▀█", "{text}");
    }

    #[test]
    fn what_no_picture_can_hold_has_none() {
        assert_eq!(picture(&"x".repeat(5000), None), None);
    }

    #[test]
    fn an_invitation_is_one_line_of_json() {
        let invitation = DeviceInvitation {
            user_code: "WDJB-MJHT".into(),
            verification_uri: "https://as.example/d".parse().unwrap(),
            verification_uri_complete: None,
            expires_at: Timestamp::from_secs(0),
            expires_in: Duration::from_secs(600),
        };
        let json = invitation_json(&invitation);
        assert_eq!((&json["user_code"], &json["expires_in"]), (&"WDJB-MJHT".into(), &600.into()));
        assert!(json["verification_uri_complete"].is_null() && !json.to_string().contains('\n'));
    }

    #[test]
    fn the_line_tells_what_is_left() {
        let left = Duration::from_secs(150);
        assert_eq!(line(&DeviceProgress::Waiting { left }), "Waiting for you; 2 min left.");
    }
}
