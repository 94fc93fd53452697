//! `pilotlight git-credential`: git's credential protocol (git-credential(1), gitcredentials(7)).

use clap::Args;
use pilotlight::AccessToken;
use pilotlight::values::ExposeSecret as _;
use url::Url;
use zeroize::Zeroizing;

use super::hosts::Hosts;
use super::{request, require_private};
use crate::command::{Outcome, Run};
use crate::failure::Failure;
use crate::lend::Lending;
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct GitArguments {
    /// The account whose token git is given
    #[arg(long, value_name = "NAME")]
    account: String,
    #[command(flatten)]
    hosts: Hosts,
    /// Answer with this user name and the token as its password, also where git could send a bearer token
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    #[command(flatten)]
    lending: Lending,
    /// What git asks for: get, store or erase; git adds it by itself
    operation: String,
}

impl Run {
    pub(crate) async fn git_credential(self, arguments: GitArguments) -> Outcome {
        // Others are to be ignored in silence, as gitcredentials(7) demands. There is nothing to store.
        if !matches!(arguments.operation.as_str(), "get" | "erase") {
            return Ok(0);
        }
        let input = request("git")?;
        let asked = Request::parse(input.expose_secret())?;
        let url = asked.url()?;
        // A helper that has nothing for a host says nothing, and git asks the next one.
        if !arguments.hosts.include(&url) {
            return Ok(0);
        }
        let lender = self.lender(arguments.lending);
        if arguments.operation == "erase" {
            if let Some(refused) = asked.secret {
                lender.replace(&arguments.account, refused).await?;
            }
            return Ok(0);
        }
        require_private(&url)?;
        let token = lender.bearer(&arguments.account).await?;
        output::result(&answer(&token, asked.takes_bearer, arguments.username.as_deref())?)?;
        Ok(0)
    }
}

/// What git sends, as far as it matters here.
#[derive(Default)]
struct Request<'a> {
    protocol: &'a str,
    host: &'a str,
    /// Git 2.46 and later can send another scheme than Basic.
    takes_bearer: bool,
    /// The password or credential that was refused.
    secret: Option<&'a str>,
}

impl<'a> Request<'a> {
    fn parse(text: &'a str) -> Result<Self, Failure> {
        let mut request = Self::default();
        for line in text.lines().take_while(|line| !line.is_empty()) {
            let (key, value) = line.split_once('=').ok_or_else(not_a_request)?;
            match key {
                "protocol" => request.protocol = value,
                "host" => request.host = value,
                "capability[]" if value == "authtype" => request.takes_bearer = true,
                "password" | "credential" => request.secret = Some(value),
                // Git asks that what is unknown be passed over.
                _ => {}
            }
        }
        Ok(request)
    }

    fn url(&self) -> Result<Url, Failure> {
        Url::parse(&format!("{}://{}", self.protocol, self.host)).map_err(|_| not_a_request())
    }
}

fn not_a_request() -> Failure {
    Failure::usage(
        "Standard input is not a request of git's.",
        "Let git call this command; docs/programs.md tells how to set it up.",
    )
}

fn answer(token: &AccessToken, takes_bearer: bool, username: Option<&str>) -> Result<Zeroizing<String>, Failure> {
    if username.is_some_and(|name| name.is_empty() || name.contains(char::is_control)) {
        return Err(Failure::usage("The user name is empty or has control characters.", "Pass another --username."));
    }
    let secret = token.token.expose_secret();
    let mut text = Zeroizing::new(String::with_capacity(secret.len() + 256));
    match username {
        // The capability has to come first. Ephemeral: no other helper of git's may write the token down.
        None if takes_bearer => {
            text.push_str("capability[]=authtype\nauthtype=Bearer\nephemeral=1\ncredential=");
        }
        name => {
            text.push_str("username=");
            text.push_str(name.unwrap_or("oauth2"));
            text.push_str("\npassword=");
        }
    }
    text.push_str(secret);
    text.push('\n');
    if let Some(at) = token.expires_at {
        text.push_str(&format!("password_expiry_utc={}\n", at.as_secs()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use pilotlight::values::{SecretString, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn token() -> AccessToken {
        AccessToken {
            token: SecretString::from("t0k".to_owned()),
            token_type: "Bearer".to_owned(),
            expires_at: Some(Timestamp::from_secs(1_700_000_000)),
        }
    }

    #[test]
    fn git_that_can_send_a_bearer_token_is_given_one() {
        let asked = Request::parse(
            "capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=git.example:8443\nwwwauth[]=Bearer\n",
        )
        .ok()
        .unwrap();
        assert_eq!(asked.url().ok().unwrap().as_str(), "https://git.example:8443/");
        let said = answer(&token(), asked.takes_bearer, None).ok().unwrap();
        assert_eq!(
            said.as_str(),
            "capability[]=authtype\nauthtype=Bearer\nephemeral=1\ncredential=t0k\npassword_expiry_utc=1700000000\n"
        );
    }

    #[test]
    fn older_git_and_services_that_want_a_name_are_given_a_password() {
        let basic = |takes, name| answer(&token(), takes, name).ok().unwrap().as_str().to_owned();
        assert_eq!(basic(false, None), "username=oauth2\npassword=t0k\npassword_expiry_utc=1700000000\n");
        assert!(basic(true, Some("x-access-token")).starts_with("username=x-access-token\npassword=t0k\n"));
    }

    #[test]
    fn a_name_cannot_add_a_line() {
        for name in ["", "a\npassword=x", "a\0"] {
            assert!(answer(&token(), false, Some(name)).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_was_refused_is_read_in_both_forms() {
        for text in ["protocol=https\npassword=old\n\n", "authtype=Bearer\ncredential=old\n"] {
            assert_eq!(Request::parse(text).ok().unwrap().secret, Some("old"));
        }
        assert_eq!(Request::parse("host=x\n\npassword=after the end\n").ok().unwrap().secret, None);
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(text in any::<String>(), lines in "([a-z\\[\\]]{0,9}=?.{0,9}\n){0,9}") {
            for text in [text, lines] {
                if let Ok(asked) = Request::parse(&text) {
                    let _ = asked.url().map(|url| require_private(&url));
                }
            }
        }
    }
}
