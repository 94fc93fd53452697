//! Tokens for other programs, in the words that each of them speaks. docs/programs.md is the guide.

pub(crate) mod aws;
pub(crate) mod docker;
pub(crate) mod exec;
pub(crate) mod git;
pub(crate) mod header;
mod hosts;
pub(crate) mod kube;
pub(crate) mod proxy;
mod sts_answer;
mod web;

use pilotlight::AuthorizedClient;
use pilotlight::values::SecretString;
use url::Url;

use crate::failure::Failure;
use crate::secrets::StandardInput;

/// All of standard input, which may hold a token that was refused.
fn request(who: &str) -> Result<SecretString, Failure> {
    let read = StandardInput::read(1).ok().and_then(|mut read| read.next());
    read.ok_or_else(|| {
        Failure::usage(
            format!("Standard input holds no request of {who}'s."),
            "Let the program call this command; docs/programs.md tells how to set it up.",
        )
    })
}

/// Refuses to lend a token that would cross a network in the clear.
fn require_private(url: &Url) -> Result<(), Failure> {
    if AuthorizedClient::may_send_to(url) {
        return Ok(());
    }
    Err(Failure::usage("The token would be sent unencrypted.", "Use the service's https address."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_by_https_or_stays_on_this_machine() {
        let private = |url: &str| require_private(&Url::parse(url).unwrap()).is_ok();
        for url in ["https://git.example", "http://127.0.0.1:8080", "http://[::1]", "http://localhost:1"] {
            assert!(private(url), "{url}");
        }
        for url in [
            "http://git.example",
            "http://localhost.example",
            "http://127.0.0.1.example",
            "ftp://127.0.0.1",
            "file:///x",
        ] {
            assert!(!private(url), "{url}");
        }
    }
}
