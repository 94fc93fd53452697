//! `pilotlight docker-credential`: the protocol of docker's credential helpers, which skopeo and podman speak too.

use std::ffi::OsString;
use std::path::Path;

use clap::{Args, ValueEnum};
use pilotlight::values::ExposeSecret as _;
use serde::Serialize;
use url::Url;

use super::hosts::Hosts;
use super::{request, require_private};
use crate::command::{Outcome, Run};
use crate::failure::Failure;
use crate::lend::Lending;
use crate::output;
use crate::output::Form;

#[derive(Debug, Args)]
pub(crate) struct DockerArguments {
    /// The account whose token the registry is given
    #[arg(long, value_name = "NAME")]
    account: String,
    #[command(flatten)]
    hosts: Hosts,
    /// The user name that the registry wants beside a token
    #[arg(long, value_name = "NAME", default_value = "oauth2")]
    username: String,
    #[command(flatten)]
    lending: Lending,
    /// What docker asks for; it adds this by itself
    operation: Operation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Operation {
    /// The credentials of the registry on standard input
    Get,
    /// Refused: Pilotlight keeps no passwords
    Store,
    /// Does nothing: `pilotlight sign-out` signs out
    Erase,
    /// Lists nothing: the registries stand in docker's own configuration
    List,
}

impl Run {
    pub(crate) async fn docker_credential(self, arguments: DockerArguments) -> Outcome {
        match arguments.operation {
            Operation::Get => {}
            Operation::Store => {
                return Err(Failure::usage(
                    "Pilotlight stores no passwords for docker.",
                    "There is no need for docker login: sign in with pilotlight sign-in.",
                ));
            }
            Operation::Erase => return Ok(0),
            Operation::List => {
                output::result("{}\n")?;
                return Ok(0);
            }
        }
        let input = request("docker")?;
        let (server, url) = server(input.expose_secret())?;
        if !arguments.hosts.include(&url) {
            output::result(NOT_FOUND)?;
            return Ok(1);
        }
        require_private(&url)?;
        let token = self.lender(arguments.lending).bearer(&arguments.account).await?;
        let answer = Credentials { server, username: &arguments.username, secret: token.token.expose_secret() };
        Form::Json.print(&answer, String::new)?;
        Ok(0)
    }
}

/// How docker calls a link to this program: `docker-credential-` and whatever its configuration names.
const LINK: &str = "docker-credential-pilotlight";

/// The command line that is meant where this program is called by a link `docker-credential-pilotlight-ACCOUNT@HOST`; docker
/// itself can name neither account nor host. Any other command line as it is.
pub(crate) fn meant(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments.first().and_then(|program| Path::new(program).file_name()).and_then(|name| name.to_str());
    let name = name.map(|name| name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(name));
    let Some(of_link) = name.and_then(|name| name.strip_prefix(LINK)) else { return arguments };
    let mut meant: Vec<OsString> = ["pilotlight", "docker-credential"].map(OsString::from).into();
    // Without the two, clap tells what is missing. An account's name may have an @, a host none.
    if let Some((account, host)) = of_link.strip_prefix('-').and_then(|rest| rest.rsplit_once('@')) {
        meant.extend(["--account", account, "--host", host].map(OsString::from));
    }
    meant.extend(arguments.drain(1..));
    meant
}

/// On standard output with a failing exit code, this has docker go on without credentials; its programs compare the words.
const NOT_FOUND: &str = "credentials not found in native keychain\n";

#[derive(Serialize)]
struct Credentials<'a> {
    #[serde(rename = "ServerURL")]
    server: &'a str,
    #[serde(rename = "Username")]
    username: &'a str,
    #[serde(rename = "Secret")]
    secret: &'a str,
}

/// The registry as docker named it: a URL, or a host that is reached by https unless docker was told otherwise.
fn server(text: &str) -> Result<(&str, Url), Failure> {
    let refused = || {
        Failure::usage(
            "Standard input does not name a registry.",
            "Let docker call this command; docs/programs.md tells how to set it up.",
        )
    };
    let server = text.trim();
    let url = if server.contains("://") { server.to_owned() } else { format!("https://{server}") };
    let url = Url::parse(&url).ok().filter(|_| !server.contains(char::is_whitespace)).ok_or_else(refused)?;
    Ok((server, url))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_link_names_account_and_host() {
        let meant = |program: &str| {
            let words = meant(vec![program.into(), "get".into()]);
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        for (link, account, host) in [
            ("/usr/bin/docker-credential-pilotlight-work@registry.example:5000", "work", "registry.example:5000"),
            ("docker-credential-pilotlight-alex@work@registry.example", "alex@work", "registry.example"),
        ] {
            assert_eq!(meant(link), format!("pilotlight docker-credential --account {account} --host {host} get"));
        }
        assert_eq!(meant("docker-credential-pilotlight"), "pilotlight docker-credential get");
        assert_eq!(meant("/usr/bin/pilotlight"), "/usr/bin/pilotlight get");
    }

    #[test]
    fn a_registry_is_a_host_or_a_url_and_is_named_back_as_it_was() {
        for good in
            ["registry.example", "registry.example:5000", "https://index.docker.io/v1/", "http://127.0.0.1:5000"]
        {
            assert_eq!(server(&format!("{good}\n")).ok().map(|(server, _)| server), Some(good));
        }
        for bad in ["", " ", "two hosts", "a\nb", "https://"] {
            assert_eq!(server(bad).unwrap_err().exit_code(), 2, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(text in any::<String>()) {
            let _ = server(&text);
        }
    }
}
