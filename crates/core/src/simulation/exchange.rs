//! Token exchange (RFC 8693) at the fake server: it gives `xt.GRANT.AUDIENCE.SCOPE.INSTANT` for a living access token of its
//! own, to live as long as that, and knows every audience but `https://nobody.test`.

use std::collections::HashMap;
use std::time::Duration;

use pilotlight_oauth::{HttpResponse, Timestamp};

use super::{FakeServer, Inner, json};

pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

impl FakeServer {
    pub(super) fn exchange(&self, inner: &Inner, form: &HashMap<String, String>) -> HttpResponse {
        let asked = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let living = parse(asked("subject_token")).and_then(|(id, made)| {
            let left = made.plus(self.access_ttl).since(self.clock.now());
            let alive = inner.grants.get(&id).is_some_and(|grant| !grant.revoked);
            (alive && left > Duration::ZERO).then_some((id, left.as_secs()))
        });
        let Some((id, left)) = living else { return json(400, r#"{"error":"invalid_request"}"#) };
        let (audience, scope) = (asked("audience"), asked("scope"));
        if audience == "https://nobody.test" {
            return json(400, r#"{"error":"invalid_target"}"#);
        }
        let token = format!("xt.{id}.{audience}.{scope}.{}", self.clock.now().as_millis());
        json(
            200,
            &format!(
                r#"{{"access_token":"{token}","issued_token_type":"urn:ietf:params:oauth:token-type:access_token",
                "token_type":"Bearer","expires_in":{left}}}"#
            ),
        )
    }
}

/// The grant of an access token, and when it was made.
fn parse(token: &str) -> Option<(u64, Timestamp)> {
    let (id, rest) = token.strip_prefix("at.")?.split_once('.')?;
    let (_, made) = rest.split_once('.')?;
    Some((id.parse().ok()?, Timestamp::from_millis(made.parse().ok()?)))
}
