//! Token exchange (RFC 8693): the real client at the real server.

use std::{future::pending, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pilotlight::{
    Client, Config, ErrorCode, Home, Pilotlight, Registration, Scope, ServiceLocation, SignIn, Status,
    values::ExposeSecret as _,
};
use pilotlight_server::{
    MemoryStore, Server, Store as _, SystemClock, add_demo,
    client::{self, Setting},
};
use pilotlight_vault::{MemoryVault, keystore::MemoryKeystore};
use serde_json::Value;
use tokio::net::TcpListener;

/// Signs in as `work` through that client of the server.
async fn signed_in(folder: &tempfile::TempDir, issuer: &str, client: &str) -> Pilotlight {
    let system = Config::system(Home::at(folder.path().join(client)).unwrap()).unwrap();
    let config = Config { keystore: Arc::new(MemoryKeystore::default()), ..system };
    let pilotlight = Pilotlight::with_vault(config, Arc::new(MemoryVault::default()));
    let registration = Registration {
        name: "work".into(),
        service: ServiceLocation::Issuer(issuer.to_owned()),
        client: Client { id: client.into(), secret: None },
        scope: Scope::parse("openid profile offline_access"),
    };
    let password = SignIn::Password { username: "demo".into(), password: "demo".to_owned().into() };
    pilotlight.sign_in(registration, password).await.unwrap();
    pilotlight
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn rfc8693_a_narrower_token_is_had_where_the_client_may_and_a_refusal_ends_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let store = Arc::new(MemoryStore::new());
    add_demo(&*store).unwrap();
    let mut agent = client::Client::public("agent", vec!["http://127.0.0.1/callback".to_owned()]).unwrap();
    agent.set(Setting::Exchange).unwrap();
    store.add_client(&agent).unwrap();
    let server = Server::open(pilotlight_server::Config::new(&issuer), store, Arc::new(SystemClock)).unwrap();
    let serving = tokio::spawn(server.run(listener, pending()));
    let folder = tempfile::tempdir().unwrap();

    let pilotlight = signed_in(&folder, &issuer, "agent").await;
    let narrow = |audience, scope| {
        let pilotlight = &pilotlight;
        async move { pilotlight.exchanged_token("work", audience, &Scope::parse(scope), Duration::ZERO).await }
    };
    let own = claims(pilotlight.access_token("work", Duration::ZERO).await.unwrap().token.expose_secret());
    let token = narrow(Some(issuer.as_str()), "profile").await.unwrap();
    let said = claims(token.token.expose_secret());
    assert_eq!((said["scope"].as_str(), &said["aud"]), (Some("profile"), &own["aud"]));
    assert_eq!((&said["sub"], &said["gid"]), (&own["sub"], &own["gid"]));
    assert!(said["exp"].as_i64() <= own["exp"].as_i64());
    let again = narrow(Some(issuer.as_str()), "profile").await.unwrap();
    assert_eq!(again.token.expose_secret(), token.token.expose_secret());
    for (audience, scope, told) in
        [(Some("https://api.example"), "", "invalid_target"), (None, "devices", "invalid_scope")]
    {
        let refused = narrow(audience, scope).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::ClientRefused);
        assert!(refused.message().contains(told), "{refused}");
    }

    let other = signed_in(&folder, &issuer, "pilotlight").await;
    let refused = other.exchanged_token("work", None, &Scope::parse("profile"), Duration::ZERO).await.unwrap_err();
    assert!(refused.message().contains("unauthorized_client"), "{refused}");
    for pilotlight in [&pilotlight, &other] {
        pilotlight.refresh("work").await.unwrap();
        assert_eq!(pilotlight.account("work").await.unwrap().status, Status::SignedIn);
    }
    serving.abort();
}
