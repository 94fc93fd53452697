//! Against somebody else's reading of the RFCs: npm `oidc-provider`, a certified server, with rotation on.

use std::sync::Arc;

use pilotlight::parts::{Browser, HttpTransport, SystemClock};
use pilotlight::simulation::config;
use pilotlight::values::{ExposeSecret as _, SignedOut};
use pilotlight::{Client, Error, Home, Pilotlight, Registration, Scope, ServiceLocation, SignIn, SignOut, Status};
use pilotlight_tests::{OidcProvider, Person};
use url::Url;

/// The person's browser, in this process.
struct ByHand(Person);

impl Browser for ByHand {
    fn open(&self, url: &Url) -> Result<(), Error> {
        let (person, url) = (self.0.clone(), url.clone());
        std::thread::spawn(move || person.visit(&url).expect("the pages of the sign-in"));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oidc_provider_signs_in_by_code_and_pkce_and_refreshes_ten_times() {
    let provider = OidcProvider::start(60);
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let transport = Arc::new(HttpTransport::new(clock.clone()));
    let mut config = config(Home::at(folder.path().join("home")).unwrap(), clock, transport);
    config.random = Arc::new(pilotlight::parts::SystemRandom);
    config.browser = Arc::new(ByHand(Person::demo()));
    let pilotlight = Pilotlight::new(config);
    let registration = Registration {
        name: "certified".into(),
        service: ServiceLocation::Issuer(provider.issuer().to_owned()),
        client: Client { id: OidcProvider::CLIENT_ID.into(), secret: None },
        scope: Scope::parse("openid offline_access"),
    };
    let account = pilotlight.sign_in(registration, SignIn::Browser).await.unwrap();
    assert!(account.subject.is_some());
    let mut seen = std::collections::HashSet::new();
    for _ in 0..10 {
        let token = pilotlight.refresh("certified").await.unwrap();
        assert!(seen.insert(token.token.expose_secret().to_owned()), "an access token came twice");
    }
    assert_eq!((provider.refreshes(), provider.refusals().len()), (10, 0));
    let account = pilotlight.account("certified").await.unwrap();
    assert_eq!((account.status, account.refreshes), (Status::SignedIn, 10));
    assert_eq!(pilotlight.sign_out("certified", SignOut::Everywhere).await.unwrap(), SignedOut::Revoked);
}
