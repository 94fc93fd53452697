//! The arguments of `pilotlight sign-in`.

use clap::{Args, ValueEnum};
use url::Url;

use super::address;
use crate::surroundings::Screen;

#[derive(Debug, Args)]
pub(crate) struct SignInArguments {
    /// What to call the account
    pub(crate) name: String,

    /// A well-known service: one of `pilotlight presets`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["token_endpoint", "dialect"], group = "knows", help_heading = "Service")]
    pub(crate) preset: Option<String>,
    /// Sign in once more to the account that there is, at its service and as its client; it stays signed in until that is done
    #[arg(
        long,
        conflicts_with_all = ["preset", "issuer", "token_endpoint", "dialect", "client_id", "client_secret_stdin"],
        help_heading = "Service"
    )]
    pub(crate) again: bool,
    /// The service's issuer, whose metadata are looked up
    #[arg(long, value_name = "URL", required_unless_present_any = ["token_endpoint", "dialect", "preset", "again"], help_heading = "Service")]
    pub(crate) issuer: Option<String>,
    /// The token endpoint of a service without metadata
    #[arg(long, value_name = "URL", value_parser = address, conflicts_with = "issuer", help_heading = "Service")]
    pub(crate) token_endpoint: Option<Url>,
    /// What a home-made service speaks
    #[arg(
        long,
        conflicts_with_all = ["issuer", "token_endpoint"],
        requires_all = ["login_url", "refresh_url"],
        group = "knows",
        help_heading = "Service"
    )]
    pub(crate) dialect: Option<Dialect>,
    /// Where `plain-json` takes {"username", "password"}
    #[arg(long, value_name = "URL", value_parser = address, requires_all = ["knows", "refresh_url"], help_heading = "Service")]
    pub(crate) login_url: Option<Url>,
    /// Where `plain-json` takes {"refresh_token"}
    #[arg(long, value_name = "URL", value_parser = address, requires_all = ["knows", "login_url"], help_heading = "Service")]
    pub(crate) refresh_url: Option<Url>,

    /// As which client you are registered there; needed with --issuer and most presets
    #[arg(long, value_name = "ID", required_unless_present_any = ["token_endpoint", "dialect", "preset", "again"], help_heading = "Client")]
    pub(crate) client_id: Option<String>,
    /// Read the client's secret from standard input (its first line, where another secret is read too)
    #[arg(long, help_heading = "Client")]
    pub(crate) client_secret_stdin: bool,

    /// How to sign in [default: with --issuer browser, or device where there is no screen; as the preset says; else password]
    #[arg(long, help_heading = "Sign-in")]
    pub(crate) flow: Option<Flow>,
    /// Your user name there; asked for at the terminal when missing
    #[arg(long, value_name = "NAME", help_heading = "Sign-in")]
    pub(crate) username: Option<String>,
    /// Read the password from standard input; otherwise it is asked for at the terminal
    #[arg(long, conflicts_with = "refresh_token_stdin", help_heading = "Sign-in")]
    pub(crate) password_stdin: bool,
    /// Read a refresh token that was issued elsewhere from standard input
    #[arg(long, conflicts_with = "username", help_heading = "Sign-in")]
    pub(crate) refresh_token_stdin: bool,
    /// Show the device flow's address and code without a QR code
    #[arg(long, help_heading = "Sign-in")]
    pub(crate) no_qr: bool,
    /// How the browser comes back [default: loopback; with --again as before]
    #[arg(long, value_name = "WAY", help_heading = "Sign-in")]
    pub(crate) redirect: Option<ComesBack>,
    /// What to ask for, with --again beside that of before; may be repeated [default with --issuer: openid offline_access; as the preset says]
    #[arg(long, value_name = "SCOPE", help_heading = "Sign-in")]
    pub(crate) scope: Vec<String>,
}

/// A dialect that has no metadata to tell it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dialect {
    /// JSON bodies: {username, password} to sign in, {refresh_token} to refresh
    PlainJson,
}

/// How a person proves who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flow {
    /// On the service's own page, in your browser
    Browser,
    /// With a code that is shown here and typed into a browser on any device
    Device,
    /// With a user name and a password
    Password,
    /// With a refresh token that was issued elsewhere
    RefreshToken,
}

/// How a browser comes back from the service's page (RFC 8252 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComesBack {
    /// To an address of this machine, http://127.0.0.1:PORT/callback
    Loopback,
    /// To dev.pilotlight:/callback, for a client that is registered with nothing else; the desktop app has to be installed
    Scheme,
}

impl SignInArguments {
    /// The flow asked for, or the one that the other arguments speak of.
    pub(crate) fn flow(&self, screen: Screen) -> Flow {
        self.said_flow().unwrap_or_else(|| {
            if self.issuer.is_none() {
                Flow::Password
            } else if screen == Screen::Here {
                Flow::Browser
            } else {
                Flow::Device
            }
        })
    }

    /// The flow asked for, or the only one that takes what was given.
    pub(crate) fn said_flow(&self) -> Option<Flow> {
        let implied = if self.refresh_token_stdin {
            Some(Flow::RefreshToken)
        } else if self.password_stdin || self.username.is_some() {
            Some(Flow::Password)
        } else {
            self.redirect.map(|_| Flow::Browser)
        };
        self.flow.or(implied)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use clap::error::ErrorKind;

    use super::*;
    use crate::arguments::{Arguments, Command};

    const OPENID: [&str; 7] = ["pilotlight", "sign-in", "work", "--issuer", "https://id.example", "--client-id", "cli"];

    fn sign_in(more: &[&str]) -> Result<SignInArguments, ErrorKind> {
        let all = OPENID.iter().chain(more);
        match Arguments::try_parse_from(all).map_err(|error| error.kind())?.command {
            Command::SignIn(arguments) => Ok(*arguments),
            other => panic!("{other:?}"),
        }
    }

    fn refused(line: &str) -> ErrorKind {
        Arguments::try_parse_from(line.split(' ')).expect_err(line).kind()
    }

    #[test]
    fn the_flow_follows_from_the_service_and_the_secrets() {
        assert_eq!(sign_in(&[]).unwrap().flow(Screen::Here), Flow::Browser);
        for screen in [Screen::Elsewhere, Screen::None] {
            assert_eq!(sign_in(&[]).unwrap().flow(screen), Flow::Device);
            assert_eq!(sign_in(&["--flow", "browser"]).unwrap().flow(screen), Flow::Browser);
            assert_eq!(sign_in(&["--username", "alex"]).unwrap().flow(screen), Flow::Password);
        }
        assert_eq!(sign_in(&["--username", "alex"]).unwrap().flow(Screen::Here), Flow::Password);
        assert_eq!(sign_in(&["--password-stdin"]).unwrap().flow(Screen::Here), Flow::Password);
        assert_eq!(sign_in(&["--refresh-token-stdin"]).unwrap().flow(Screen::Here), Flow::RefreshToken);
        assert_eq!(sign_in(&["--flow", "password"]).unwrap().flow(Screen::Here), Flow::Password);
    }

    #[test]
    fn a_service_without_metadata_needs_no_client_id_and_asks_for_a_password() {
        for service in [
            "--token-endpoint https://as.example/token",
            "--dialect plain-json --login-url https://a.example/in --refresh-url https://a.example/again",
        ] {
            let line = format!("pilotlight sign-in home {service}");
            let parsed = Arguments::try_parse_from(line.split(' ')).expect(service);
            let Command::SignIn(arguments) = parsed.command else { panic!("{service}") };
            assert_eq!((arguments.flow(Screen::Here), arguments.client_id), (Flow::Password, None));
        }
    }

    #[test]
    fn a_service_is_named_once_and_wholly() {
        use ErrorKind::{ArgumentConflict, MissingRequiredArgument, ValueValidation};
        assert_eq!(refused("pilotlight sign-in work"), MissingRequiredArgument);
        assert_eq!(refused("pilotlight sign-in work --issuer https://id.example"), MissingRequiredArgument);
        assert_eq!(
            refused("pilotlight sign-in work --dialect plain-json --login-url https://a.example"),
            MissingRequiredArgument
        );
        assert_eq!(refused("pilotlight sign-in work --token-endpoint nowhere"), ValueValidation);
        assert_eq!(sign_in(&["--token-endpoint", "https://as.example/token"]).unwrap_err(), ArgumentConflict);
        assert_eq!(sign_in(&["--login-url", "https://a.example"]).unwrap_err(), MissingRequiredArgument);
    }

    #[test]
    fn who_signs_in_again_names_the_account_alone() {
        let again = |more: &str| {
            let line = format!("pilotlight sign-in work --again{more}");
            Arguments::try_parse_from(line.split(' ')).map_err(|error| error.kind())
        };
        let Command::SignIn(arguments) = again(" --scope devices").unwrap().command else { panic!("it signs in") };
        assert_eq!((arguments.again, arguments.said_flow()), (true, None));
        for more in [" --issuer https://id.example", " --client-id cli", " --client-secret-stdin", " --preset github"] {
            assert_eq!(again(more).unwrap_err(), ErrorKind::ArgumentConflict, "{more}");
        }
    }

    #[test]
    fn one_standard_input_holds_one_proof_of_who_one_is() {
        assert_eq!(sign_in(&["--password-stdin", "--refresh-token-stdin"]).unwrap_err(), ErrorKind::ArgumentConflict);
        assert!(sign_in(&["--password-stdin", "--client-secret-stdin"]).is_ok());
    }

    #[test]
    fn no_secret_can_be_an_argument() {
        for option in ["--password", "--client-secret", "--refresh-token"] {
            assert_eq!(sign_in(&[option, "swordfish"]).unwrap_err(), ErrorKind::UnknownArgument, "{option}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_one_that_would_do() {
        let line = "pilotlight sign-in work --token-endpoint nowhere";
        let refusal = Arguments::try_parse_from(line.split(' ')).unwrap_err().to_string();
        assert!(refusal.contains("write the whole address, such as https://"), "{refusal}");
    }
}
