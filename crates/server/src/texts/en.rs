//! English.

use std::time::Duration;

use super::{Account, Consent, Device, Devices, Done, Password, Say, Second, SignIn, SignOut, Stopped, Texts, Wish};

pub(super) static TEXTS: Texts = Texts {
    tag: "en",
    other: "中文",
    sign_in: SignIn {
        title: "Sign in",
        to_client: ["to continue to ", ""],
        to_device: "to connect a device",
        to_account: "to see your account",
        name: "Name",
        password: "Password",
        submit: "Sign in",
        cancel: "Cancel",
        second_title: "One more step",
        second_lead: "Type the six digits that your authenticator app shows, or one of your recovery codes.",
        code: "Code",
        go_on: "Continue",
        begin_anew: "Begin anew",
    },
    consent: Consent {
        title: |client| format!("Allow {client}?"),
        lead: ["You are signed in as ", ". ", " wants to:"],
        unverified: "Unverified: this app registered itself. Nobody here has checked its name.",
        note: |place| format!("The answer goes to {place}. Allow it only if you started this yourself, just now."),
        this_computer: "an app on this computer",
        allow: "Allow",
        deny: "Deny",
        another: "Use another account",
        wish,
    },
    device: Device {
        title: "Connect a device",
        lead: "Type the code that your device shows.",
        code: "Code",
        submit: "Continue",
        consent_title: |client| format!("Sign in {client} on your device?"),
        consent_lead: ["You are signed in as ", ". ", ", on the device that shows ", ", wants to:"],
        consent_note: "Allow it only if that device is before you and shows this very code. If somebody sent you the code, deny it.",
        allowed_title: "Your device is being signed in",
        allowed: "It goes on by itself within a few seconds. You can close this page.",
        denied_title: "Denied",
        denied: "Your device was given nothing. You can close this page.",
    },
    account: Account {
        title: "Your account",
        signed_in_as: ["Signed in as ", ""],
        sign_out: "Sign out of this browser",
        security: "Security",
        password: "Password",
        change: "Change",
        second: "Second step at sign-in",
        second_on: |left| match left {
            0 => "On. No recovery codes are left".to_owned(),
            1 => "On. One recovery code is left".to_owned(),
            left => format!("On. {left} recovery codes are left"),
        },
        second_off: "Off",
        set_up: "Set up",
        remove: "Remove",
        back: "Back to your account",
    },
    devices: Devices {
        title: "Where you are signed in",
        this: "This browser",
        browser: "Browser",
        own_program: "A program of this server's operator",
        unknown: "Unknown program",
        on: |program, system| format!("{program} on {system}"),
        signed_in: "Signed in ",
        last_used: "Last used ",
        ago: |span| match unit(span) {
            None => "just now".to_owned(),
            Some((count, unit)) => format!("{} ago", counted(count, unit)),
        },
        end: "Sign out",
        end_of: |what| format!("Sign out: {what}"),
        end_others: "Sign out everywhere else",
        end_all: "Sign out everywhere",
        lives_on: |span| {
            format!(
                "Signing out takes effect at once. What an app has fetched already may still open other services for up to {span}."
            )
        },
        span: |span| match unit(span) {
            None => counted(span.as_secs(), "second"),
            Some((count, unit)) => counted(count, unit),
        },
        more: |count| format!("{count} older ones are not shown."),
    },
    password: Password {
        title: "Change your password",
        old: "Old password",
        new: "New password",
        again: "New password again",
        rule: "At least eight characters. Long is better than strange.",
        end_others: "Sign out everywhere else",
        submit: "Change password",
    },
    second: Second {
        title: "Set up a second step",
        lead: "Whoever knows your password will still need your phone.",
        scan: "Scan this with an authenticator app:",
        picture: "QR code with the key below",
        key: "Or type this key into it:",
        code: "The six digits it shows",
        password: "Your password",
        submit: "Turn on",
        remove_title: "Remove the second step",
        remove_lead: "Your password alone will then be enough to sign in.",
        remove_code: "Code of the app, or a recovery code",
        remove: "Remove",
        codes_title: "Your recovery codes",
        codes_lead: "Each signs you in once, should you lose your phone. Keep them in a safe place: they are not shown again.",
        codes_done: "I have kept them",
    },
    sign_out: SignOut {
        title: "Sign out?",
        lead: ["You are signed in as ", " in this browser."],
        note: "Apps stay signed in. You can sign them out on your account page.",
        submit: "Sign out",
        stay: "Stay signed in",
        done_title: "You are signed out",
        done: "Nobody is signed in here in this browser.",
        sign_in: "Sign in again",
    },
    stopped: Stopped { title: "This cannot go on", note: "You can close this page. Nothing was given to any app." },
    say,
    done,
};

fn wish(wish: Wish) -> &'static str {
    match wish {
        Wish::Identity => "know who you are on this server",
        Wish::Name => "see your name",
        Wish::Stay => "stay signed in until you sign out",
        Wish::Devices => "see where you are signed in, and sign you out there",
    }
}

fn say(say: Say) -> &'static str {
    match say {
        Say::AppTwice => "The app's request names itself twice.",
        Say::AppUnnamed => "The app's request does not say which app it is.",
        Say::AppUnknown => "This app is not known here.",
        Say::UnknownRedirect => "The app asks for an answer at an address that it has not registered.",
        Say::RequestOver => {
            "The app's request was used already, or has waited too long. Go back to the app and start again."
        }
        Say::Stale => "This page has waited too long, or belongs to another browser. Go back and start again.",
        Say::Incomplete => "The form did not arrive whole. Go back and try again.",
        Say::WrongCredentials => "That name and password do not match.",
        Say::WrongPassword => "That is not your password.",
        Say::WrongSecondFactor => "That code is wrong, or was used before. Wait for the next one.",
        Say::TooMany => "Too many failed attempts. Wait a little, then try again.",
        Say::Unavailable => "The server cannot answer now. Nothing was changed by this answer; try again shortly.",
        Say::NotACode => "A code has eight letters, such as WDJB-MJHT.",
        Say::UnknownCode => "This code is not known here, or its time is over. Begin anew on your device.",
        Say::PasswordsDiffer => "The new password was typed in two different ways.",
        Say::BadPassword => "A new password has 8 to 1024 characters.",
        Say::WrongHint => "The app's request to sign out is not one that it may make.",
        Say::UnknownReturn => "The app asks to be returned to at an address that it has not registered.",
    }
}

fn done(done: Done) -> &'static str {
    match done {
        Done::Ended => "That sign-in has ended.",
        Done::EndedOthers => "You are signed out everywhere else.",
        Done::Password => "Your password is changed.",
        Done::SecondOn => "The second step is on.",
        Done::SecondOff => "The second step is removed.",
    }
}

/// `None` below a minute.
fn unit(span: Duration) -> Option<(u64, &'static str)> {
    let minutes = span.as_secs() / 60;
    match minutes {
        0 => None,
        1..60 => Some((minutes, "minute")),
        60..1440 => Some((minutes / 60, "hour")),
        _ => Some((minutes / 1440, "day")),
    }
}

fn counted(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}
