//! The person whom the [`FakeServer`](super::FakeServer) knows.

use crate::{Account, Client, Error, Pilotlight, Registration, Scope, ServiceLocation, SignIn};

/// A registration at the [`FakeServer`](super::FakeServer), which takes every client: the account is to be called `name`.
#[must_use]
pub fn registration(name: &str) -> Registration {
    Registration {
        name: name.to_owned(),
        service: ServiceLocation::Issuer("https://as.test".to_owned()),
        client: Client { id: "pilotlight".to_owned(), secret: None },
        scope: Scope::parse("offline_access"),
    }
}

/// The way in which `ada` signs in there.
#[must_use]
pub fn password() -> SignIn {
    SignIn::Password { username: "ada".to_owned(), password: "demo".into() }
}

/// Signs `ada` in; the account is called `name`.
///
/// # Errors
/// As [`Pilotlight::sign_in`].
pub async fn sign_in(pilotlight: &Pilotlight, name: &str) -> Result<Account, Error> {
    pilotlight.sign_in(registration(name), password()).await
}
