//! From the arguments of `sign-in` to what the core wants.

use pilotlight::presets::Flow as Offered;
use pilotlight::redirect::Redirect;
use pilotlight::values::{PlainJson, SecretString};
use pilotlight::{Client, Registration, Scope, ServiceLocation, SignIn};
use url::Url;

use crate::arguments::{ComesBack, Flow, SignInArguments};
use crate::device;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::preset::{Chosen, usual_flow};
use crate::secrets::{self, StandardInput};
use crate::surroundings::Screen;

/// What is asked for at an issuer when nobody says: who signs in, and a refresh token.
const USUAL_SCOPE: &str = "openid offline_access";

/// Reads the secrets and asks for what is missing, all before anything is sent.
pub(crate) fn prepare(
    mut arguments: SignInArguments,
    form: Form,
    screen: Screen,
) -> Result<(Registration, SignIn), Failure> {
    let said = arguments.flow;
    let chosen = Chosen::apply(&mut arguments, screen)?;
    let declared = chosen.and_then(|chosen| chosen.location());
    let flow = arguments.flow(screen);
    refuse_contradictions(&arguments, flow, declared.is_some())?;
    if let (None, Flow::Device, Some(trouble)) = (said, flow, screen.trouble()) {
        output::note(&format!("{trouble}, so you sign in with a code. Another way: --flow browser."));
    }
    let proof_stdin = arguments.password_stdin || arguments.refresh_token_stdin;
    let mut input = StandardInput::read(usize::from(arguments.client_secret_stdin) + usize::from(proof_stdin))?;
    let client_secret = if arguments.client_secret_stdin { input.next() } else { None };
    let scope = scope(&arguments);
    let with = way(&mut arguments, flow, form, &mut input)?;
    let service = match declared {
        Some(service) => service,
        None => location(arguments.issuer, arguments.token_endpoint, arguments.login_url, arguments.refresh_url)?,
    };
    let id = arguments.client_id.unwrap_or_else(|| match service {
        // Never sent, and shown nowhere but here.
        ServiceLocation::PlainJson(_) => "pilotlight".to_owned(),
        _ => String::new(),
    });
    Ok((Registration { name: arguments.name, service, client: Client { id, secret: client_secret }, scope }, with))
}

/// The same for an account that there is, whose service offers these ways: how to sign in, and what to ask for beside that of
/// before.
pub(crate) fn prepare_again(
    mut arguments: SignInArguments,
    offered: &[Offered],
    form: Form,
    screen: Screen,
) -> Result<(SignIn, Scope), Failure> {
    let flow = arguments.said_flow().unwrap_or_else(|| usual_flow(offered, screen));
    refuse_contradictions(&arguments, flow, true)?;
    let mut input = StandardInput::read(usize::from(arguments.password_stdin || arguments.refresh_token_stdin))?;
    let more = Scope::parse(&arguments.scope.join(" "));
    Ok((way(&mut arguments, flow, form, &mut input)?, more))
}

fn way(arguments: &mut SignInArguments, flow: Flow, form: Form, input: &mut StandardInput) -> Result<SignIn, Failure> {
    Ok(match (flow, arguments.redirect) {
        (Flow::Browser, None) => SignIn::Browser,
        (Flow::Browser, Some(ComesBack::Loopback)) => SignIn::BrowserBy(Redirect::Loopback),
        (Flow::Browser, Some(ComesBack::Scheme)) => SignIn::BrowserBy(Redirect::Scheme),
        (Flow::Device, _) => SignIn::Device(device::watcher(form, !arguments.no_qr)),
        (Flow::Password, _) => password(arguments.username.take(), input.next())?,
        (Flow::RefreshToken, _) => SignIn::RefreshToken(match input.next() {
            Some(token) => token,
            None => secrets::ask("refresh token", "Pass it on standard input and say --refresh-token-stdin.")?,
        }),
    })
}

/// `declared`: the endpoints are known without metadata.
fn refuse_contradictions(arguments: &SignInArguments, flow: Flow, declared: bool) -> Result<(), Failure> {
    let bare = arguments.issuer.is_none() && !declared;
    let for_password = arguments.password_stdin || arguments.username.is_some();
    let contradiction = match flow {
        Flow::Browser if bare => Some("A service without metadata has no sign-in page to open."),
        Flow::Browser if for_password || arguments.refresh_token_stdin => {
            Some("The browser flow takes no user name, password or refresh token: the service's page asks for them.")
        }
        Flow::Device if bare => Some("A service without metadata has no device flow."),
        Flow::Device if for_password || arguments.refresh_token_stdin => {
            Some("The device flow takes no user name, password or refresh token: the service's page asks for them.")
        }
        _ if arguments.redirect.is_some() && flow != Flow::Browser => {
            Some("Only the browser flow comes back anywhere.")
        }
        _ if arguments.no_qr && flow != Flow::Device => Some("Only the device flow shows a QR code."),
        Flow::Password if arguments.refresh_token_stdin => Some("The password flow takes no refresh token."),
        Flow::RefreshToken if for_password => Some("The refresh-token flow takes no user name and no password."),
        _ => None,
    };
    contradiction.map_or(Ok(()), |what| Err(Failure::usage(what, "Choose another --flow, or leave it out.")))
}

fn password(username: Option<String>, password: Option<SecretString>) -> Result<SignIn, Failure> {
    let username = match username {
        Some(name) => name,
        None => secrets::ask_line("user name", "Pass --username.")?,
    };
    if username.is_empty() {
        return Err(Failure::usage("The user name is empty.", "Pass --username."));
    }
    let password = match password {
        Some(password) => password,
        None => secrets::ask("password", "Pass it on standard input and say --password-stdin.")?,
    };
    Ok(SignIn::Password { username, password })
}

fn scope(arguments: &SignInArguments) -> Scope {
    if arguments.scope.is_empty() && arguments.issuer.is_some() {
        return Scope::parse(USUAL_SCOPE);
    }
    Scope::parse(&arguments.scope.join(" "))
}

fn location(
    issuer: Option<String>,
    token_endpoint: Option<Url>,
    login_url: Option<Url>,
    refresh_url: Option<Url>,
) -> Result<ServiceLocation, Failure> {
    match (issuer, token_endpoint, login_url, refresh_url) {
        (Some(issuer), ..) => Ok(ServiceLocation::Issuer(issuer)),
        (_, Some(url), ..) => Ok(ServiceLocation::TokenEndpoint(url)),
        (_, _, Some(login_url), Some(refresh_url)) => {
            Ok(ServiceLocation::PlainJson(PlainJson { login_url, refresh_url }))
        }
        _ => Err(Failure::usage("No service is named.", "Pass --preset, --issuer, --token-endpoint or --dialect.")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn prepared(line: &str) -> Result<(Registration, SignIn), Failure> {
        match Arguments::try_parse_from(line.split(' ')).expect(line).command {
            Command::SignIn(arguments) => prepare(*arguments, Form::Text, Screen::Here),
            other => panic!("{other:?}"),
        }
    }

    const ISSUER: &str = "pilotlight sign-in work --issuer https://id.example --client-id cli";

    #[test]
    fn an_issuer_is_asked_for_a_refresh_token_unless_told_otherwise() {
        let (usual, with) = prepared(ISSUER).unwrap();
        assert_eq!(usual.scope.to_string(), "openid offline_access");
        assert!(matches!((usual.service, with), (ServiceLocation::Issuer(_), SignIn::Browser)));
        let (asked, _) = prepared(&format!("{ISSUER} --scope email --scope files")).unwrap();
        assert_eq!(asked.scope.to_string(), "email files");
        let (nothing, _) = prepared(&format!("{ISSUER} --scope ")).unwrap();
        assert!(nothing.scope.is_empty());
    }

    #[test]
    fn a_code_for_another_device_is_a_flow_of_its_own() {
        let (_, with) = prepared(&format!("{ISSUER} --flow device --no-qr")).unwrap();
        assert!(matches!(with, SignIn::Device(_)));
    }

    #[test]
    fn a_browser_comes_back_to_a_loopback_address_or_by_the_scheme() {
        let way = |more: &str| prepared(&format!("{ISSUER}{more}")).unwrap().1;
        assert!(matches!(way(""), SignIn::Browser));
        assert!(matches!(way(" --redirect scheme"), SignIn::BrowserBy(Redirect::Scheme)));
        assert!(matches!(way(" --flow browser --redirect loopback"), SignIn::BrowserBy(Redirect::Loopback)));
    }

    #[test]
    fn who_signs_in_again_does_so_by_the_first_way_of_the_service_that_is_of_use_here() {
        let again = |line: &str, screen| match Arguments::try_parse_from(line.split(' ')).expect(line).command {
            Command::SignIn(arguments) => {
                prepare_again(*arguments, &[Offered::Browser, Offered::Device], Form::Text, screen).unwrap()
            }
            other => panic!("{other:?}"),
        };
        let (with, more) = again("pilotlight sign-in work --again --scope devices", Screen::Here);
        assert!(matches!(with, SignIn::Browser) && more.to_string() == "devices");
        let (with, more) = again("pilotlight sign-in work --again", Screen::None);
        assert!(matches!(with, SignIn::Device(_)) && more.is_empty());
    }

    #[test]
    fn a_contradiction_is_refused_before_anything_is_read() {
        for line in [
            format!("{ISSUER} --flow browser --password-stdin"),
            format!("{ISSUER} --flow browser --username alex"),
            format!("{ISSUER} --flow device --password-stdin"),
            format!("{ISSUER} --flow device --refresh-token-stdin"),
            format!("{ISSUER} --flow browser --no-qr"),
            format!("{ISSUER} --flow device --redirect scheme"),
            "pilotlight sign-in work --token-endpoint https://as.example/token --flow device".to_owned(),
            format!("{ISSUER} --flow password --refresh-token-stdin"),
            format!("{ISSUER} --flow refresh-token --username alex"),
            "pilotlight sign-in work --token-endpoint https://as.example/token --flow browser".to_owned(),
        ] {
            let failure = prepared(&line).expect_err(&line);
            assert_eq!((failure.exit_code(), failure.hint()), (2, "Choose another --flow, or leave it out."), "{line}");
        }
    }
}
