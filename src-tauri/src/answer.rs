//! A browser's answer that the desktop hands to this program, because its address is of the scheme `dev.pilotlight` (RFC 8252
//! section 7.1). It goes to whichever process of this home waits for it, the app or a command; no window opens for it.

use std::ffi::OsStr;
use std::process::ExitCode;

use pilotlight::Home;
use pilotlight::redirect::{self, SCHEME, Undelivered};

/// The address holds a code, so nothing of it is said.
pub(crate) fn deliver(address: &OsStr) -> ExitCode {
    match Home::locate().map_err(Undelivered::Trouble).and_then(|home| hand_over(&home, address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(undelivered) => {
            tracing::warn!("the answer had no effect: {undelivered}");
            ExitCode::FAILURE
        }
    }
}

fn hand_over(home: &Home, address: &OsStr) -> Result<(), Undelivered> {
    redirect::deliver(home, SCHEME, address.to_str().ok_or(Undelivered::NotOurs)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn what_is_no_answer_has_no_effect_and_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path().join("home")).unwrap();
        let garbage = "x".repeat(1024 * 1024);
        for address in
            ["/etc/passwd", "https://id.example/?code=s3cret&state=s", "dev.pilotlight:/other?code=s3cret", &garbage]
        {
            let undelivered = hand_over(&home, OsStr::new(address)).unwrap_err();
            assert!(matches!(undelivered, Undelivered::NotOurs), "{undelivered:?}");
        }
        assert!(matches!(
            hand_over(&home, OsStr::from_bytes(b"dev.pilotlight:/callback?\xff")),
            Err(Undelivered::NotOurs)
        ));
        let late = hand_over(&home, OsStr::new("dev.pilotlight:/callback?code=s3cret&state=s")).unwrap_err();
        assert!(matches!(late, Undelivered::NobodyWaits) && !format!("{late} {late:?}").contains("s3cret"));
        assert!(!folder.path().join("home").exists(), "nothing is written");
    }
}
