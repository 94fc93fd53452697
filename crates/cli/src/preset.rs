//! Well-known services: the list of them, and what `sign-in --preset` takes from one. None brings a client.

use pilotlight::ServiceLocation;
use pilotlight::presets::{ClientSecret, Flow as Offered, Place, Preset, preset, presets};
use serde::Serialize;

use crate::arguments::{Flow, SignInArguments};
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::surroundings::Screen;

#[derive(Serialize)]
struct PresetJson<'a> {
    id: &'a str,
    name: &'a str,
    address: Option<String>,
    own_address: bool,
    scope: &'a str,
    flows: &'a [Offered],
    client_secret: ClientSecret,
    register: Option<&'a str>,
    rotates: bool,
    idle_days: Option<u32>,
    setup: &'a str,
    about: &'a str,
}

impl<'a> PresetJson<'a> {
    fn of(preset: &'a Preset) -> Self {
        let (address, own_address) = match &preset.place {
            Place::Issuer { issuer, own } => (Some(issuer.as_str().to_owned()), *own),
            Place::Declared { service } => (Some(service.identifier()), false),
            Place::PlainJson => (None, true),
        };
        Self {
            id: &preset.id,
            name: &preset.name,
            address,
            own_address,
            scope: &preset.scope,
            flows: &preset.flows,
            client_secret: preset.secret,
            register: preset.register.as_ref().map(url::Url::as_str),
            rotates: preset.refresh.rotates,
            idle_days: preset.refresh.idle_days,
            setup: &preset.setup.en,
            about: &preset.about.en,
        }
    }
}

/// Prints all of them.
pub(crate) fn list(form: Form) -> Result<u8, Failure> {
    let json: Vec<_> = presets().iter().map(PresetJson::of).collect();
    form.print(&json, || presets().iter().map(paragraph).collect::<Vec<_>>().join("\n"))?;
    Ok(0)
}

fn paragraph(preset: &Preset) -> String {
    let register = preset.register.as_ref().map(|url| format!("\n  register a client: {url}")).unwrap_or_default();
    format!("{}: {}\n  {}\n  {}{register}\n", preset.id, preset.name, preset.about.en, preset.setup.en)
}

/// The first of these ways that is of use on this screen.
pub(crate) fn usual_flow(offered: &[Offered], screen: Screen) -> Flow {
    let all: Vec<Flow> = offered.iter().copied().map(flow).collect();
    let usable = all.iter().find(|flow| **flow != Flow::Browser || screen == Screen::Here);
    usable.or(all.first()).copied().unwrap_or(Flow::Password)
}

/// What a preset makes of a sign-in's arguments.
pub(crate) struct Chosen {
    preset: &'static Preset,
}

impl Chosen {
    /// The preset that was named, with what it knows put where the person said nothing.
    pub(crate) fn apply(arguments: &mut SignInArguments, screen: Screen) -> Result<Option<Self>, Failure> {
        let Some(id) = &arguments.preset else { return Ok(None) };
        let preset = preset(id)
            .ok_or_else(|| Failure::usage(format!("There is no preset called {id:?}."), "See `pilotlight presets`."))?;
        let chosen = Self { preset };
        chosen.refuse_other_address(arguments)?;
        if let (Place::Issuer { issuer, .. }, None) = (&preset.place, &arguments.issuer) {
            arguments.issuer = Some(issuer.as_str().to_owned());
        }
        if arguments.scope.is_empty() {
            arguments.scope = vec![preset.scope.clone()];
        }
        let flow = arguments.said_flow().unwrap_or_else(|| usual_flow(&preset.flows, screen));
        chosen.refuse_flow(flow)?;
        arguments.flow = Some(flow);
        chosen.refuse_client(arguments, flow)?;
        Ok(Some(chosen))
    }

    /// Where it is, for those that are not asked for their metadata.
    pub(crate) fn location(&self) -> Option<ServiceLocation> {
        match &self.preset.place {
            Place::Declared { service } => Some(ServiceLocation::Declared(Box::new(service.clone()))),
            Place::Issuer { .. } | Place::PlainJson => None,
        }
    }

    fn refuse_other_address(&self, arguments: &SignInArguments) -> Result<(), Failure> {
        let (issuer, addresses) = (arguments.issuer.is_some(), arguments.login_url.is_some());
        let wrong = match &self.preset.place {
            Place::Issuer { own: true, .. } => addresses,
            Place::PlainJson if !addresses => {
                return Err(Failure::usage(
                    "A service of your own has two addresses.",
                    "Pass --login-url and --refresh-url.",
                ));
            }
            Place::PlainJson => issuer,
            Place::Issuer { .. } | Place::Declared { .. } => issuer || addresses,
        };
        if wrong {
            let text = format!("{} has its address already.", self.preset.name);
            return Err(Failure::usage(text, "Leave the address out, or leave --preset out."));
        }
        Ok(())
    }

    fn refuse_flow(&self, wanted: Flow) -> Result<(), Failure> {
        let offered = |wanted| self.preset.flows.iter().any(|offered| flow(*offered) == wanted);
        // A refresh token that was issued elsewhere is refreshed as any other.
        if wanted == Flow::RefreshToken || offered(wanted) {
            return Ok(());
        }
        let text = format!("{} does not offer this way to sign in.", self.preset.name);
        Err(Failure::usage(text, "Choose another --flow, or leave it out."))
    }

    /// People register a client of their own: the note says how.
    fn refuse_client(&self, arguments: &SignInArguments, flow: Flow) -> Result<(), Failure> {
        let at_home = matches!(self.preset.place, Place::PlainJson);
        let needs_secret = match self.preset.secret {
            ClientSecret::None => false,
            ClientSecret::ForBrowser => flow == Flow::Browser,
            ClientSecret::Always => true,
        };
        let missing = if arguments.client_id.is_none() && !at_home {
            ("No client is named.", "Register a client of your own, then pass --client-id.")
        } else if needs_secret && !arguments.client_secret_stdin {
            ("The service wants a client secret here.", "Pass it on standard input and say --client-secret-stdin.")
        } else {
            return Ok(());
        };
        output::note(&self.preset.setup.en);
        if let Some(register) = &self.preset.register {
            output::note(&format!("Register it here: {register}"));
        }
        Err(Failure::usage(missing.0, missing.1))
    }
}

const fn flow(offered: Offered) -> Flow {
    match offered {
        Offered::Browser => Flow::Browser,
        Offered::Device => Flow::Device,
        Offered::Password => Flow::Password,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn applied(line: &str, screen: Screen) -> Result<(SignInArguments, Option<Chosen>), Failure> {
        let parsed = Arguments::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        let Command::SignIn(mut arguments) = parsed.command else { panic!("{line}") };
        Chosen::apply(&mut arguments, screen).map(|chosen| (*arguments, chosen))
    }

    fn sign_in(preset: &str, more: &str) -> Result<(SignInArguments, Option<Chosen>), Failure> {
        applied(&format!("pilotlight sign-in work --preset {preset}{more}"), Screen::Here)
    }

    #[test]
    fn a_preset_says_where_what_and_how_and_the_person_as_whom() {
        let (github, chosen) = sign_in("github", " --client-id app").unwrap();
        assert_eq!((github.flow, github.issuer), (Some(Flow::Device), None));
        assert!(matches!(chosen.unwrap().location(), Some(ServiceLocation::Declared(_))));
        let (gitlab, chosen) = sign_in("gitlab", " --client-id app").unwrap();
        assert_eq!((gitlab.flow, gitlab.issuer.as_deref()), (Some(Flow::Browser), Some("https://gitlab.com")));
        assert_eq!(gitlab.scope, ["openid profile email"]);
        assert!(chosen.unwrap().location().is_none());
        let own = " --client-id app --issuer https://git.example --scope api";
        let (own, _) = sign_in("gitlab", own).unwrap();
        assert_eq!((own.issuer.as_deref(), own.scope.join(" ").as_str()), (Some("https://git.example"), "api"));
        let nobody_sees = applied("pilotlight sign-in work --preset gitlab --client-id app", Screen::None).unwrap();
        assert_eq!(nobody_sees.0.flow, Some(Flow::Device));
    }

    #[test]
    fn every_preset_can_be_signed_in_to_once_a_client_is_named() {
        for preset in presets() {
            let more = match preset.place {
                Place::PlainJson => " --login-url https://a.example/in --refresh-url https://a.example/again",
                _ => " --client-id app --client-secret-stdin",
            };
            let (arguments, _) = sign_in(&preset.id, more).unwrap_or_else(|failure| panic!("{}: {failure}", preset.id));
            assert_eq!(arguments.flow, Some(flow(preset.flows[0])), "{}", preset.id);
        }
    }

    #[test]
    fn what_a_preset_cannot_do_is_refused_with_a_next_step() {
        for (preset, more) in [
            ("nowhere", " --client-id app"),
            ("github", ""),
            ("github", " --client-id app --flow browser"),
            ("github", " --client-id app --flow password"),
            ("github", " --client-id app --issuer https://git.example"),
            ("google", " --client-id app"),
            ("gitlab", " --client-id app --login-url https://a.example --refresh-url https://b.example"),
            ("plain-json", ""),
            ("plain-json", " --issuer https://a.example"),
        ] {
            let failure = sign_in(preset, more).err().unwrap_or_else(|| panic!("{preset}{more}"));
            assert!(failure.exit_code() == 2 && !failure.hint().is_empty(), "{preset}{more}");
        }
    }

    #[test]
    fn the_list_tells_scripts_what_each_preset_needs() {
        let all = serde_json::to_value(presets().iter().map(PresetJson::of).collect::<Vec<_>>()).unwrap();
        let google = all.as_array().unwrap().iter().find(|one| one["id"] == "google").unwrap();
        assert_eq!((&google["client_secret"], &google["idle_days"]), (&"always".into(), &180.into()));
        assert_eq!((&google["flows"], &google["rotates"]), (&serde_json::json!(["browser"]), &false.into()));
    }
}
