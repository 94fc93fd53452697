//! `pilotlight kube-credential`: an exec plugin of Kubernetes' clients (`ExecCredential`, client.authentication.k8s.io).

use clap::Args;
use pilotlight::values::{ExposeSecret as _, Timestamp};
use serde::{Deserialize, Serialize};

use crate::command::{Outcome, Run};
use crate::failure::Failure;
use crate::lend::Lending;
use crate::output::Form;
use crate::words;

const V1: &str = "client.authentication.k8s.io/v1";
const V1BETA1: &str = "client.authentication.k8s.io/v1beta1";

#[derive(Debug, Args)]
pub(crate) struct KubeArguments {
    /// The account whose token the cluster is given
    name: String,
    #[command(flatten)]
    lending: Lending,
}

impl Run {
    pub(crate) async fn kube_credential(self, arguments: KubeArguments) -> Outcome {
        let version = version(exec_info().as_deref())?;
        let token = self.lender(arguments.lending).bearer(&arguments.name).await?;
        let answer = ExecCredential::of(version, token.token.expose_secret(), token.expires_at);
        Form::Json.print(&answer, String::new)?;
        Ok(0)
    }
}

/// What the client tells; text that is no UTF-8 becomes text that is no JSON.
#[expect(clippy::disallowed_methods, reason = "the one place of this command that reads the environment")]
fn exec_info() -> Option<String> {
    std::env::var_os("KUBERNETES_EXEC_INFO").map(|info| info.to_string_lossy().into_owned())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecInfo {
    api_version: String,
    kind: String,
}

/// In which version the client wants its answer; the stable one where nothing was asked.
fn version(info: Option<&str>) -> Result<&'static str, Failure> {
    const HINT: &str = "Write apiVersion: client.authentication.k8s.io/v1 in the kubeconfig's exec section.";
    let Some(info) = info else { return Ok(V1) };
    let info: ExecInfo = serde_json::from_str(info)
        .map_err(|_| Failure::usage("KUBERNETES_EXEC_INFO is not what a Kubernetes client writes.", HINT))?;
    match (info.kind.as_str(), info.api_version.as_str()) {
        ("ExecCredential", V1) => Ok(V1),
        ("ExecCredential", V1BETA1) => Ok(V1BETA1),
        (kind, other) => Err(Failure::usage(
            format!(
                "The client asks for {} of {}, which is not known here.",
                words::harmless(kind),
                words::harmless(other)
            ),
            HINT,
        )),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential<'a> {
    api_version: &'static str,
    kind: &'static str,
    status: ExecStatus<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecStatus<'a> {
    token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_timestamp: Option<String>,
}

impl<'a> ExecCredential<'a> {
    fn of(api_version: &'static str, token: &'a str, expires_at: Option<Timestamp>) -> Self {
        let status = ExecStatus { token, expiration_timestamp: expires_at.map(words::exact) };
        Self { api_version, kind: "ExecCredential", status }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn info(version: &str) -> String {
        format!(
            r#"{{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/{version}","spec":{{"interactive":false}}}}"#
        )
    }

    #[test]
    fn the_answer_is_in_the_version_that_was_asked_for() {
        assert_eq!(version(None).ok(), Some(V1));
        assert_eq!(version(Some(&info("v1"))).ok(), Some(V1));
        assert_eq!(version(Some(&info("v1beta1"))).ok(), Some(V1BETA1));
        let json = serde_json::to_string(&ExecCredential::of(V1, "t0k", Some(Timestamp::from_secs(0)))).unwrap();
        assert_eq!(
            json,
            r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t0k","expirationTimestamp":"1970-01-01T00:00:00Z"}}"#
        );
    }

    #[test]
    fn an_unknown_version_is_refused_by_its_name() {
        let refused = version(Some(&info("v2"))).unwrap_err();
        assert!(refused.to_string().contains("client.authentication.k8s.io/v2"), "{refused}");
        for bad in ["", "{}", "[]", "null", r#"{"kind":1,"apiVersion":2}"#] {
            assert_eq!(version(Some(bad)).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_environment_makes_it_panic(text in any::<String>()) {
            let _ = version(Some(&text));
        }
    }
}
