//! Where else a person is signed in at a service that tells, and ending it there.

use std::time::Duration;

use pilotlight_oauth::{
    Device, EndDevices, HttpRequest, HttpResponse, SecretString, Service, parse_devices, parse_ended,
};

use crate::journal::EventKind;
use crate::lifecycle::Pilotlight;
use crate::refresh::{misbehaved, unavailable};
use crate::{Error, ErrorCode};

/// The token lives long enough to arrive.
const MIN_TTL: Duration = Duration::from_secs(10);
/// What has to be granted for it at pilotlight-server.
const SCOPE: &str = "devices";

impl Pilotlight {
    /// Where the person of this account is signed in at the service, this grant among it.
    ///
    /// # Errors
    /// [`ErrorCode::DevicesUntold`] where the service does not tell, [`ErrorCode::ScopeMissing`] where the scope `devices`
    /// was not granted; else as [`Self::access_token`].
    pub async fn devices(&self, name: &str) -> Result<Vec<Device>, Error> {
        let answer = self.ask_about_devices(name, Service::devices_request).await?;
        parse_devices(&answer).ok_or_else(|| misbehaved(answer.status, "it is no list of devices"))
    }

    /// Ends sign-ins at the service, and says how many there were. Whoever holds one learns it at the next refresh. This
    /// grant is never among them: [`Self::sign_out`] ends it.
    ///
    /// # Errors
    /// As [`Self::devices`]; [`ErrorCode::BadInput`] where no other sign-in has that id.
    pub async fn end_devices(&self, name: &str, which: &EndDevices) -> Result<u64, Error> {
        let text = match which {
            // The id goes to the service only where it is one of the service's own: it knows words with a meaning of their own.
            EndDevices::One(id) => {
                let known = self.devices(name).await?.into_iter().find(|device| device.id == *id && !device.this);
                let device = known.ok_or_else(unknown)?;
                format!("A sign-in of this person was ended at the service: {}.", described(&device))
            }
            EndDevices::Others => "All other sign-ins of this person were ended at the service.".to_owned(),
        };
        let answer = self.ask_about_devices(name, |service, token| service.end_devices_request(token, which)).await?;
        let ended = parse_ended(&answer).ok_or_else(|| misbehaved(answer.status, "it does not say what was ended"))?;
        if ended > 0 {
            self.note(name, EventKind::DevicesEnded, &text).await;
            self.announce();
        }
        Ok(ended)
    }

    /// Sends a request that an access token authorizes; a second time with another token where the first was refused.
    async fn ask_about_devices(
        &self,
        name: &str,
        request: impl Fn(&Service, &SecretString) -> Option<HttpRequest> + Send + Sync,
    ) -> Result<HttpResponse, Error> {
        let service = self.account(name).await?.service;
        let mut token = self.access_token(name, MIN_TTL).await?;
        for last in [false, true] {
            let request = request(&service, &token.token).ok_or_else(unsupported)?;
            let answer = self.0.config.transport.send(request).await?;
            match answer.status {
                200..=204 => return Ok(answer),
                401 if !last => token = self.other_than(name, &token).await?,
                401 | 403 => break,
                status @ (429 | 500..=599) => return Err(unavailable(status)),
                status => return Err(misbehaved(status, "it does not answer a question about devices")),
            }
        }
        let granted = format!("This account may not see where its person is signed in: {SCOPE:?} was not granted.");
        Err(Error::new(ErrorCode::ScopeMissing, granted))
    }
}

fn described(device: &Device) -> String {
    let words = [&device.app, &device.program, &device.system].into_iter().flatten();
    let all = words.map(String::as_str).collect::<Vec<_>>().join(", ");
    if all.is_empty() { "an unnamed device".to_owned() } else { all }
}

fn unsupported() -> Error {
    Error::new(ErrorCode::DevicesUntold, "The service does not tell where else a person is signed in.")
}

fn unknown() -> Error {
    Error::new(ErrorCode::BadInput, "No other sign-in of this person has that id.")
}

#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
