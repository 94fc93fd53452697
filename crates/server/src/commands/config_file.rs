//! The configuration file of `serve`: its options by their long names, and people and clients without plain secrets.
//!
//! An option of the file becomes a word of the command line, unless that has the option itself. So there is one list of
//! options, one check of their values, and none that the file cannot have.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _};
use pilotlight_server::client::{BadClient, Client, Setting};
use pilotlight_server::{AddUserError, Store, put_user};
use serde::Deserialize;
use toml::{Table, Value};

use crate::args::Args;

/// What is in the file besides options.
const DECLARATIONS: [&str; 2] = ["user", "client"];

/// Why the file cannot be used. Values are not repeated: an address of a store may have a password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigFileError {
    #[error("{} cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}, line {line}: {message}", path.display())]
    Syntax { path: PathBuf, line: usize, message: String },
    #[error("{}: there is no option `{key}`{}", path.display(), suggest(nearest.as_deref()))]
    Unknown { path: PathBuf, key: String, nearest: Option<String> },
    #[error("{}: `{key}` {reason}", path.display())]
    Value { path: PathBuf, key: String, reason: String },
    #[error("{}: [[{kind}]] {message}", path.display())]
    Declaration { path: PathBuf, kind: &'static str, message: String },
    #[error("{}: the person `{name}` cannot be declared: {error}", path.display())]
    User { path: PathBuf, name: String, error: AddUserError },
    #[error("{}: the client `{id}` cannot be declared: {error}", path.display())]
    Client { path: PathBuf, id: String, error: BadClient },
}

impl ConfigFileError {
    /// What to do next.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read { .. } => Some("check the path, and that you may read it"),
            Self::Unknown { .. } => {
                Some("`pilotlight-server serve --help` lists the options; the file has them without --")
            }
            Self::Declaration { .. } => Some("docs/server.md shows what a person and a client can have"),
            Self::User { error: AddUserError::BadName, .. } => {
                Some("correct the name; docs/server.md shows what a person can have")
            }
            Self::User { .. } | Self::Client { error: BadClient::BadHash | BadClient::ShortSecret, .. } => {
                Some("`pilotlight-server hash` makes what stands there for a secret")
            }
            Self::Client { .. } => Some("docs/server.md shows what a client can have"),
            Self::Syntax { .. } | Self::Value { .. } => None,
        }
    }
}

fn suggest(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}

/// The arguments of this process, completed by the file that they name. Ends the process as clap does where they make no
/// sense, or ask for help.
pub(crate) fn read_arguments() -> Result<Args, ConfigFileError> {
    complete(std::env::args_os().collect())
}

fn complete(mut words: Vec<OsString>) -> Result<Args, ConfigFileError> {
    let matches = Args::command().try_get_matches_from(&words).unwrap_or_else(|error| error.exit());
    if let Some(("serve", serve)) = matches.subcommand()
        && let Some(path) = serve.get_one::<PathBuf>("config")
    {
        let more = words_of(path, serve)?;
        // After the program's name and `serve`.
        words.splice(2..2, more);
        let matches = Args::command().try_get_matches_from(&words).map_err(|error| explain(path, &error))?;
        return Ok(Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()));
    }
    Ok(Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

/// The file's options as words, without those that the command line has.
fn words_of(path: &Path, given: &ArgMatches) -> Result<Vec<OsString>, ConfigFileError> {
    let command = Args::command();
    let serve = command.find_subcommand("serve");
    let known = |key: &str| serve?.get_arguments().find(|option| option.get_long() == Some(key) && key != "config");
    let mut words = Vec::new();
    for (key, value) in read(path)? {
        if DECLARATIONS.contains(&key.as_str()) {
            continue;
        }
        let Some(option) = known(&key) else {
            return Err(ConfigFileError::Unknown { path: path.to_owned(), nearest: nearest(&key), key });
        };
        if given.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        let texts = texts_of(&value, option.get_action()).map_err(|reason| {
            let reason = reason.to_owned();
            ConfigFileError::Value { path: path.to_owned(), key: key.clone(), reason }
        })?;
        words.extend(texts.into_iter().map(|text| match text {
            Some(text) => OsString::from(format!("--{key}={text}")),
            None => OsString::from(format!("--{key}")),
        }));
    }
    Ok(words)
}

/// The values of an option; `None` for a switch that is on.
fn texts_of(value: &Value, action: &ArgAction) -> Result<Vec<Option<String>>, &'static str> {
    let text_of = |value: &Value| match value {
        Value::String(text) => Ok(Some(text.clone())),
        Value::Integer(number) => Ok(Some(number.to_string())),
        _ => Err("wants text or a number"),
    };
    match (action, value) {
        (ArgAction::SetTrue, Value::Boolean(true)) => Ok(vec![None]),
        (ArgAction::SetTrue, Value::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => Err("wants true or false"),
        (ArgAction::Append, Value::Array(values)) => values.iter().map(text_of).collect(),
        (_, value) => text_of(value).map(|text| vec![text]),
    }
}

/// What clap takes for a slip of the finger.
fn nearest(key: &str) -> Option<String> {
    let slip = ["pilotlight-server".to_owned(), "serve".to_owned(), format!("--{key}")];
    let error = Args::command().try_get_matches_from(slip).err()?;
    match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(option) => Some(option.trim_start_matches('-').to_owned()),
        _ => None,
    }
}

/// What was given on the command line was found good before: this is about the file.
fn explain(path: &Path, error: &clap::Error) -> ConfigFileError {
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) => option.as_str(),
        Some(ContextValue::Strings(options)) => options.first().map_or("", String::as_str),
        _ => "",
    };
    let key = option.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default().to_owned();
    let reason = match (error.kind(), std::error::Error::source(error)) {
        (_, Some(reason)) => reason.to_string(),
        (ErrorKind::MissingRequiredArgument, _) => "is missing, as another option needs it".to_owned(),
        _ => "has a value that is not understood".to_owned(),
    };
    ConfigFileError::Value { path: path.to_owned(), key, reason }
}

fn read(path: &Path) -> Result<Table, ConfigFileError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigFileError::Read { path: path.to_owned(), error })?;
    text.parse::<Table>().map_err(|error| {
        let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
        let (line, message) = (before.matches('\n').count() + 1, error.message().to_owned());
        ConfigFileError::Syntax { path: path.to_owned(), line, message }
    })
}

/// The people and clients of the file.
#[derive(Default)]
pub(super) struct Declared {
    path: PathBuf,
    users: Vec<DeclaredUser>,
    clients: Vec<DeclaredClient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct DeclaredUser {
    name: String,
    /// As `pilotlight-server hash` prints it.
    password_hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct DeclaredClient {
    id: String,
    name: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// As `pilotlight-server hash --client-secret` prints it; makes it a confidential client.
    secret_hash: Option<String>,
    own_scope: Option<String>,
    #[serde(default)]
    device: bool,
    #[serde(default)]
    introspect_any: bool,
    #[serde(default)]
    pushed_only: bool,
    #[serde(default)]
    dpop_required: bool,
    #[serde(default)]
    exchange: bool,
    #[serde(default)]
    post_logout_redirect_uris: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
}

impl DeclaredClient {
    fn client(&self) -> Result<Client, BadClient> {
        let mut client = Client::public(&self.id, self.redirect_uris.clone())?;
        if let Some(name) = &self.name {
            client.name.clone_from(name);
        }
        if let Some(hash) = &self.secret_hash {
            client.set_secret_hash(hash)?;
        }
        client.allow_returns(self.post_logout_redirect_uris.clone())?;
        let settings = [
            (self.device, Setting::Device),
            (self.introspect_any, Setting::IntrospectAny),
            (self.pushed_only, Setting::PushedOnly),
            (self.dpop_required, Setting::DpopRequired),
            (self.exchange, Setting::Exchange),
        ];
        super::allow(&mut client, self.own_scope.as_deref(), self.resources.clone(), settings)?;
        Ok(client)
    }
}

impl Declared {
    pub(super) fn read(path: &Path) -> Result<Self, ConfigFileError> {
        let mut table = read(path)?;
        let users = list(path, &mut table, DECLARATIONS[0])?;
        let clients = list(path, &mut table, DECLARATIONS[1])?;
        Ok(Self { path: path.to_owned(), users, clients })
    }

    /// Brings them into the store. Who is there already gets the declared password, and a client what is declared for it;
    /// grants stay.
    pub(super) fn keep(&self, store: &dyn Store) -> Result<(), super::Failure> {
        let path = || self.path.clone();
        for user in &self.users {
            put_user(store, &user.name, &user.password_hash).map_err(|error| match error {
                AddUserError::Store(error) => super::Failure::Store(error),
                error => ConfigFileError::User { path: path(), name: user.name.clone(), error }.into(),
            })?;
        }
        for declared in &self.clients {
            let client = declared.client();
            let client =
                client.map_err(|error| ConfigFileError::Client { path: path(), id: declared.id.clone(), error })?;
            store.put_client(&client)?;
        }
        Ok(())
    }
}

fn list<T: serde::de::DeserializeOwned>(
    path: &Path,
    table: &mut Table,
    kind: &'static str,
) -> Result<Vec<T>, ConfigFileError> {
    let Some(value) = table.remove(kind) else { return Ok(Vec::new()) };
    value.try_into().map_err(|error: toml::de::Error| {
        let message = error.message().to_owned();
        ConfigFileError::Declaration { path: path.to_owned(), kind, message }
    })
}
