//! `pilotlight-person LOG NAME PASSWORD allow|deny|leave URL`: the browser that tests name in `$BROWSER`.
//!
//! It opens the address, signs in as a person would, and leaves what happened in LOG.

use std::{env, path::Path, process::ExitCode};

use pilotlight_tests::{Answer, Person, write_down};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [log, username, password, answer, address] = arguments.as_slice() else { return ExitCode::from(2) };
    let (Some(answer), Ok(url)) = (Answer::from_word(answer), address.parse()) else { return ExitCode::from(2) };
    let visit = Person { username: username.clone(), password: password.clone(), answer, ..Person::demo() }.visit(&url);
    let written = write_down(Path::new(log), &visit);
    if visit.is_ok() && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
