//! `pilotlight-person LOG NAME PASSWORD allow|deny|leave URL`: the browser that tests name in `$BROWSER`.
//!
//! It opens the address, signs in as a person would, has the desktop open where that leads if it is an app's own scheme, and leaves
//! what happened in LOG.

use std::{env, path::Path, process::ExitCode};

use pilotlight_tests::{Answer, Person, open_by_desktop, write_down};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [log, username, password, answer, address] = arguments.as_slice() else { return ExitCode::from(2) };
    let (Some(answer), Ok(url)) = (Answer::from_word(answer), address.parse()) else { return ExitCode::from(2) };
    let visit = Person { username: username.clone(), password: password.clone(), answer, ..Person::demo() }.visit(&url);
    let written = write_down(Path::new(log), &visit);
    let opened = match &visit {
        Ok(visit) if visit.end.scheme() != "http" => open_by_desktop(&visit.end).is_ok_and(|ended| ended.success()),
        _ => true,
    };
    if visit.is_ok() && written.is_ok() && opened { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
