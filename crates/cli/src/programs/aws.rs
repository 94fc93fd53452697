//! `pilotlight aws`: temporary keys for AWS's own programs (`credential_process` of ~/.aws/config), by web identity.
//!
//! ```text
//!  aws ──▶ pilotlight aws ──▶ access token ──▶ STS: AssumeRoleWithWebIdentity ──▶ keys, as JSON of version 1
//! ```

use std::time::Duration;

use clap::Args;
use pilotlight::values::ExposeSecret as _;
use pilotlight::{AccessToken, Error, ErrorCode};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::sts_answer::{Answer, Keys};
use super::{require_private, web};
use crate::command::{Outcome, Run};
use crate::failure::Failure;
use crate::lend::Lending;
use crate::output::Form;
use crate::words;

/// From the first byte sent to the last byte read.
const DEADLINE: Duration = Duration::from_secs(20);
/// No answer of STS is longer, in bytes.
const LONGEST_ANSWER: usize = 128 * 1024;

#[derive(Debug, Args)]
pub(crate) struct AwsArguments {
    /// The account
    name: String,
    #[command(flatten)]
    role: Role,
    /// The region whose STS is asked
    #[arg(long, conflicts_with = "sts", value_parser = region)]
    region: Option<String>,
    /// Another STS than AWS's own, such as that of MinIO or Ceph
    #[arg(long, value_name = "URL", value_parser = crate::arguments::address)]
    sts: Option<Url>,
    #[command(flatten)]
    lending: Lending,
}

/// What is asked of STS.
#[derive(Debug, Args)]
struct Role {
    /// The role to take on
    #[arg(long, value_name = "ARN", value_parser = arn)]
    role_arn: String,
    /// What the session is called in AWS's logs
    #[arg(long, value_name = "NAME", default_value = "pilotlight", value_parser = session_name)]
    session_name: String,
    /// For how many seconds the keys shall work, from 900 to 43200; the role's own limit holds too
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(900..=43200))]
    duration: Option<u32>,
}

fn arn(text: &str) -> Result<String, &'static str> {
    let plain = text.len() >= 20 && text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && text.starts_with("arn:") {
        Ok(text.to_owned())
    } else {
        Err("write it as arn:aws:iam::123456789012:role/NAME")
    }
}

fn region(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if plain && !text.is_empty() { Ok(text.to_owned()) } else { Err("write it as eu-central-1") }
}

/// As AWS allows it.
fn session_name(text: &str) -> Result<String, &'static str> {
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
    if fits && (2..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("use 2 to 64 letters, digits and _+=,.@-")
    }
}

impl Run {
    pub(crate) async fn aws(self, arguments: AwsArguments) -> Outcome {
        let endpoint = endpoint(arguments.sts.as_ref(), arguments.region.as_deref())?;
        require_private(&endpoint)?;
        let lender = self.lender(arguments.lending);
        let exchange = Exchange { client: web::client(&self.pilotlight, &endpoint)?, endpoint, role: &arguments.role };
        let token = lender.bearer(&arguments.name).await?;
        let mut answer = exchange.ask(&token).await?;
        if let Answer::Refused { code, .. } = &answer
            && matches!(code.as_str(), "ExpiredTokenException" | "ExpiredToken" | "InvalidIdentityToken")
            && let Some(fresh) = lender.other_than(&arguments.name, token.token.expose_secret()).await?
        {
            answer = exchange.ask(&fresh).await?;
        }
        let keys = match answer {
            Answer::Keys(keys) => keys,
            Answer::Refused { code, message } => return Err(refused(&code, &message)),
        };
        Form::Json.print(&Credentials::of(&keys), String::new)?;
        Ok(0)
    }
}

fn endpoint(sts: Option<&Url>, region: Option<&str>) -> Result<Url, Failure> {
    let region = region.map_or_else(String::new, |region| format!("{region}."));
    match sts {
        Some(url) => Ok(url.clone()),
        None => Url::parse(&format!("https://sts.{region}amazonaws.com/"))
            .map_err(|_| Failure::usage("There is no such region.", "Write it as eu-central-1.")),
    }
}

struct Exchange<'a> {
    client: reqwest::Client,
    endpoint: Url,
    role: &'a Role,
}

impl Exchange<'_> {
    async fn ask(&self, token: &AccessToken) -> Result<Answer, Failure> {
        let mut request = reqwest::Request::new(reqwest::Method::POST, self.endpoint.clone());
        *request.timeout_mut() = Some(DEADLINE);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        *request.body_mut() = Some(form_of(self.role, token.token.expose_secret()).as_bytes().to_vec().into());
        let answer = self.client.execute(request).await.map_err(|error| offline(&error))?;
        let status = answer.status();
        let body = web::read(answer, LONGEST_ANSWER).await.map_err(|why| {
            Failure::from(Error::new(ErrorCode::NoAnswer, format!("The answer of STS did not arrive: {why}.")))
        })?;
        match Answer::read(&body) {
            Some(answer) if status.is_success() == matches!(answer, Answer::Keys(_)) => Ok(answer),
            _ if status.is_server_error() || status == reqwest::StatusCode::TOO_MANY_REQUESTS => Err(unavailable()),
            _ => Err(Error::new(ErrorCode::ServerMisbehaved, format!("This is no answer of STS ({status}).")).into()),
        }
    }
}

/// The parameters of AssumeRoleWithWebIdentity, version 2011-06-15 of the API.
fn form_of(role: &Role, token: &str) -> Zeroizing<String> {
    // Encoded, a character takes three at most; so nothing grows and leaves a copy behind.
    let room = 3 * (token.len() + role.role_arn.len() + role.session_name.len()) + 256;
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(room));
    form.append_pair("Action", "AssumeRoleWithWebIdentity").append_pair("Version", "2011-06-15");
    form.append_pair("RoleArn", &role.role_arn).append_pair("RoleSessionName", &role.session_name);
    if let Some(seconds) = role.duration {
        form.append_pair("DurationSeconds", &seconds.to_string());
    }
    form.append_pair("WebIdentityToken", token);
    Zeroizing::new(form.finish())
}

fn offline(error: &reqwest::Error) -> Failure {
    let error = Error::new(ErrorCode::Offline, format!("STS cannot be reached: {}.", web::cause(error)));
    Failure::Advised { error, hint: "Check the network, and --region or --sts; then try again. You stay signed in." }
}

fn unavailable() -> Failure {
    let error = Error::new(ErrorCode::ServerUnavailable, "STS has trouble.");
    Failure::Advised { error, hint: "Try again later. You stay signed in." }
}

fn refused(code: &str, message: &str) -> Failure {
    if matches!(code, "IDPCommunicationError" | "Throttling" | "InternalFailure" | "ServiceUnavailable") {
        return unavailable();
    }
    let words = format!("STS refuses: {}: {}", words::harmless(code), words::harmless(message));
    Failure::usage(
        format!("{}.", words.trim_end_matches('.')),
        "Compare the role's trust policy and its identity provider with the token: its issuer and its audience.",
    )
}

/// What `credential_process` prints, version 1 of its form.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: &'a str,
}

impl<'a> Credentials<'a> {
    fn of(keys: &'a Keys) -> Self {
        Self {
            version: 1,
            access_key_id: &keys.access_key_id,
            secret_access_key: &keys.secret_access_key,
            session_token: &keys.session_token,
            expiration: &keys.expiration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_part_of_a_name_and_no_more() {
        let url = |region| endpoint(None, region).unwrap().to_string();
        assert_eq!(url(None), "https://sts.amazonaws.com/");
        assert_eq!(url(Some("eu-central-1")), "https://sts.eu-central-1.amazonaws.com/");
        for bad in ["", "evil.example/", "a.b", "a#", "A"] {
            assert!(region(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn trouble_passes_and_a_refusal_is_told_in_its_own_words() {
        assert_eq!(refused("IDPCommunicationError", "x").exit_code(), 4);
        let denied = refused("AccessDenied", "Not authorized\u{1b}[31m.");
        assert_eq!(
            (denied.exit_code(), denied.to_string().as_str()),
            (2, "STS refuses: AccessDenied: Not authorized[31m.")
        );
    }

    #[test]
    fn names_are_checked_as_aws_does() {
        assert!(session_name("alex@laptop").is_ok() && arn("arn:aws:iam::123456789012:role/x").is_ok());
        assert!(["", "a", "a b", "a/b"].iter().all(|bad| session_name(bad).is_err()));
        assert!(["", "role/x", "arn:aws iam::123456789012"].iter().all(|bad| arn(bad).is_err()));
    }
}
