//! Where the commands for other programs take their tokens from.

use std::time::Duration;

use pilotlight::values::ExposeSecret as _;
use pilotlight::{AccessToken, Error, ErrorCode, Pilotlight};

use crate::failure::Failure;

/// A bearer token of the account `name` that lives at least `min_ttl`, and is safe to put into a line of another protocol.
pub(crate) async fn bearer(pilotlight: &Pilotlight, name: &str, min_ttl: Duration) -> Result<AccessToken, Failure> {
    let token = pilotlight.access_token(name, min_ttl).await?;
    if !token.token_type.eq_ignore_ascii_case("Bearer") {
        return Err(Failure::usage(
            "The account's tokens are bound to a key, and other programs can only send bearer tokens.",
            "Sign in to the service again in a way that gives bearer tokens.",
        ));
    }
    if !fits_a_line(token.token.expose_secret()) {
        return Err(Error::new(
            ErrorCode::ServerMisbehaved,
            "The service's token has characters that no token may have.",
        )
        .into());
    }
    Ok(token)
}

/// A token that is refused soon after a refresh brought it is not replaced: a service that refuses every token is not cured
/// by another. As long as the authorized HTTP client waits.
const PAUSE: Duration = Duration::from_secs(30);

/// Has the account's token replaced, where it still is the one that a service refused. The account stays signed in.
pub(crate) async fn replace(pilotlight: &Pilotlight, name: &str, refused: &str) -> Result<(), Failure> {
    let current = pilotlight.access_token(name, Duration::ZERO).await?;
    if current.token.expose_secret() == refused {
        let account = pilotlight.account(name).await?;
        let (now, last) = (pilotlight.now().as_secs(), account.refreshed_at.as_secs());
        // Either way: a clock that was set back must not hold it up for long.
        if account.refreshes == 0 || now.abs_diff(last) >= PAUSE.as_secs() {
            pilotlight.refresh(name).await?;
        }
    }
    Ok(())
}

/// RFC 6749 appendix A.12 allows a space too, which would end the token in a header.
fn fits_a_line(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cannot_begin_another_line_or_header() {
        assert!(fits_a_line("eyJ0.a-b_c~d+e/f=="));
        for bad in ["", "a b", "a\nusername=x", "a\r\nHost: x", "a\0", "ü"] {
            assert!(!fits_a_line(bad), "{bad:?}");
        }
    }
}
