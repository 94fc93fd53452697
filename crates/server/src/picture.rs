//! QR codes as a path of SVG, drawn here: the secret in them goes to no one else.

use qrcode::{Color, EcLevel, QrCode};

use crate::pages::Picture;

/// Light modules around the code, without which readers do not find it (ISO/IEC 18004 section 6.3.8).
const QUIET: usize = 4;

/// The QR code of a text; an empty picture for a text that is too long for one.
pub(crate) fn of(text: &str) -> Picture {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::M) else {
        return Picture { side: 1, path: String::new() };
    };
    let width = code.width();
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run[0] == Color::Dark {
                path.push_str(&format!("M{} {}h{}v1h-{}z", x + QUIET, y + QUIET, run.len(), run.len()));
            }
            x += run.len();
        }
    }
    Picture { side: width + 2 * QUIET, path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_has_its_finder_patterns_and_a_quiet_zone() {
        let picture = of("otpauth://totp/auth.example:ada?secret=MZXW6YTBOI");
        assert_eq!((picture.side - 2 * QUIET - 17) % 4, 0, "a size of ISO/IEC 18004");
        assert!(picture.path.starts_with("M4 4h7v1h-7z"), "{}", &picture.path[..40]);
        assert!(picture.path.contains(&format!("M{} 4h7v1h-7z", picture.side - QUIET - 7)));
        assert_eq!(of(&"x".repeat(10_000)).path, "");
    }
}
