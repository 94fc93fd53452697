//! Where else a person is signed in, as pilotlight-server tells it at `devices_endpoint`, an extension of RFC 8414's metadata.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::{HttpRequest, HttpResponse, Method, Service, Timestamp, encoding, json, words};

/// Longer lists are cut: nobody reads them.
const MOST: usize = 200;

/// One place where the person is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Names it to the service.
    pub id: String,
    /// Whether it is this grant.
    pub this: bool,
    /// Whether it is a browser's own session at the service, and not an app's.
    pub browser: bool,
    /// The app, by its name.
    pub app: Option<String>,
    /// The browser or program.
    pub program: Option<String>,
    /// The operating system.
    pub system: Option<String>,
    /// From which network address.
    pub address: Option<String>,
    /// When the person signed in.
    pub signed_in_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// Which sign-ins to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndDevices {
    /// One, by its [`Device::id`].
    One(String),
    /// All but this grant.
    Others,
}

#[derive(Deserialize)]
struct Listed {
    devices: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    this: bool,
    kind: Option<String>,
    client_name: Option<String>,
    program: Option<String>,
    system: Option<String>,
    address: Option<String>,
    signed_in_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl From<Entry> for Device {
    fn from(entry: Entry) -> Self {
        let shown = |text: Option<String>| text.and_then(|text| words::shown(&text, words::LABEL));
        Self {
            id: entry.id,
            this: entry.this,
            browser: entry.kind.as_deref() == Some("browser"),
            app: shown(entry.client_name),
            program: shown(entry.program),
            system: shown(entry.system),
            address: shown(entry.address),
            signed_in_at: entry.signed_in_at.map(Timestamp::from_secs),
            last_used_at: entry.last_used_at.map(Timestamp::from_secs),
        }
    }
}

/// Reads the list; `None` where it is none.
#[must_use]
pub fn parse_devices(response: &HttpResponse) -> Option<Vec<Device>> {
    if response.status != 200 || !json::may_be_json(response) {
        return None;
    }
    let listed: Listed = json::object(response.body.expose_secret())?;
    // An id is sent back in a form; it is no address.
    let usable = |entry: &Entry| !entry.id.is_empty() && entry.id.len() <= 128;
    Some(listed.devices.into_iter().filter(usable).take(MOST).map(Device::from).collect())
}

/// How many sign-ins an answer says were ended; `None` where it does not say.
#[must_use]
pub fn parse_ended(response: &HttpResponse) -> Option<u64> {
    #[derive(Deserialize)]
    struct Ended {
        ended: u64,
    }
    if response.status != 200 || !json::may_be_json(response) {
        return None;
    }
    json::object::<Ended>(response.body.expose_secret()).map(|ended| ended.ended)
}

impl Service {
    /// Asks where the person is signed in. `None` where the service does not tell.
    #[must_use]
    pub fn devices_request(&self, access_token: &SecretString) -> Option<HttpRequest> {
        let Self::OAuth(metadata) = self else { return None };
        Some(HttpRequest {
            method: Method::Get,
            url: metadata.devices_endpoint.clone()?,
            content_type: None,
            authorization: Some(encoding::bearer(access_token.expose_secret())),
            idempotency_key: None,
            body: None,
        })
    }

    /// Ends sign-ins at the service.
    #[must_use]
    pub fn end_devices_request(&self, access_token: &SecretString, which: &EndDevices) -> Option<HttpRequest> {
        let request = self.devices_request(access_token)?;
        let end = match which {
            EndDevices::One(id) => id,
            EndDevices::Others => "others",
        };
        Some(HttpRequest {
            method: Method::Post,
            content_type: Some("application/x-www-form-urlencoded"),
            body: Some(encoding::form(&[("end", end)])),
            ..request
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> HttpResponse {
        let body = body.as_bytes().to_vec().into();
        HttpResponse { status, content_type: Some("application/json".into()), retry_after: None, date: None, body }
    }

    #[test]
    fn a_list_is_read_and_its_words_are_cleaned() {
        let body = r#"{"devices":[{"id":"77a1","this":true,"client_name":"Pilot\nlight\u202e","program":null,"system":"Linux",
            "address":"192.0.2.7","signed_in_at":100,"last_used_at":200},{"id":"","this":false}],"access_token_ttl":900}"#;
        let list = parse_devices(&answer(200, body)).unwrap();
        assert_eq!(list.len(), 1, "what has no id cannot be ended");
        let device = &list[0];
        assert_eq!((device.app.as_deref(), device.system.as_deref()), (Some("Pilot light"), Some("Linux")));
        assert_eq!((device.browser, device.this, device.signed_in_at), (false, true, Some(Timestamp::from_secs(100))));
        assert_eq!(parse_devices(&answer(403, body)), None);
        assert_eq!(parse_devices(&answer(200, "[]")), None);
        assert_eq!(parse_devices(&answer(200, r#"{"devices":[{"id":7}]}"#)), None);
        let many = format!(r#"{{"devices":[{}]}}"#, vec![r#"{"id":"a"}"#; 500].join(","));
        assert_eq!(parse_devices(&answer(200, &many)).unwrap().len(), MOST);
        let browser = parse_devices(&answer(200, r#"{"devices":[{"id":"a","kind":"browser"}]}"#)).unwrap();
        assert!(browser[0].browser && !browser[0].this);
    }

    #[test]
    fn only_a_number_says_how_many_were_ended() {
        assert_eq!(parse_ended(&answer(200, r#"{"ended":3}"#)), Some(3));
        for (status, body) in [(200, r#"{"ended":-1}"#), (200, "{}"), (403, r#"{"ended":3}"#), (200, "<html>")] {
            assert_eq!(parse_ended(&answer(status, body)), None, "{status} {body}");
        }
    }
}
