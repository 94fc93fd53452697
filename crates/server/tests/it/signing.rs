//! What tokens are signed with: RFC 7518 section 3, RFC 8037, and the way from one to another.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pilotlight_server::{
    Clock as _, Config, KeySource, KeysError, MemoryStore, NewSigningKey, SigningAlgorithm, rotate_keys,
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::kit::{ISSUER, World, part};

/// Made for these tests with `openssl genpkey -algorithm RSA`, and used nowhere else.
const RSA: &[u8] = include_bytes!("rsa_test_key.pem");
/// The same with `-algorithm ed25519`, which leaves the public half out.
const ED25519_PEM: &[u8] = b"-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIN5R9sFwlwISftMfdMPLsKQ2/hIIZmcPg2TIrxAzpJHK\n-----END PRIVATE KEY-----\n";

fn given(key: &[u8]) -> NewSigningKey {
    NewSigningKey::Given(Zeroizing::new(key.to_vec()))
}

fn world(keys: &Path) -> World {
    let config = Config { keys: KeySource::File(keys.to_path_buf()), ..Config::new(ISSUER) };
    World::with(config, Arc::new(MemoryStore::new()))
}

impl World {
    /// A rotation, and the time until its key is in use.
    async fn rotate_to(&self, keys: &Path, signing: &NewSigningKey) {
        let announced = Duration::from_secs(600);
        rotate_keys(keys, self.clock.now(), announced, false, signing).unwrap();
        self.server.read_keys_again().await;
        self.pass(announced);
    }
}

#[test]
fn the_program_makes_keys_takes_those_made_elsewhere_and_says_how_to_make_one_for_rs256() {
    use crate::command_line::{run, serve};
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (keys, store) = (path("keys"), format!("sqlite:{}", path("server.db")));
    let refused = run(&["serve", "--listen", "127.0.0.1:0", "--signing-alg", "rs256", "--keys", &keys], "");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("openssl genpkey"), "{said}");
    drop(serve(&["--signing-alg", "eddsa", "--keys", &keys, "--store", &store]));
    std::fs::write(folder.path().join("rsa.pem"), RSA).unwrap();
    let rotations: [(&[&str], i32); 5] = [
        (&["--import", &path("rsa.pem")], 0),
        (&["--signing-alg", "es256"], 0),
        (&["--signing-alg", "rs256"], 2),
        (&["--import", &keys], 2),
        (&["--import", &path("rsa.pem"), "--signing-alg", "rs256"], 2),
    ];
    for (more, code) in rotations {
        let rotated = run(&[&["keys", "rotate", "--keys", &keys, "--announce", "0s"], more].concat(), "");
        assert_eq!(rotated.status.code(), Some(code), "{more:?}: {rotated:?}");
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(&keys).unwrap()).unwrap();
    let algorithms: Vec<_> = kept["signing"].as_array().unwrap().iter().map(|key| key["alg"].clone()).collect();
    assert_eq!(algorithms, ["EdDSA", "RS256", "ES256"]);
    drop(serve(&["--keys", &keys, "--store", &store]));
}

/// Checks a token as a stranger would, who has nothing but the published keys. Gives the algorithm.
fn checked(token: &str, jwks: &Value) -> String {
    let header = part(token, 0);
    let key = jwks["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).expect("a published key");
    assert_eq!((&key["alg"], &key["use"]), (&header["alg"], &json!("sig")));
    let member = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (signed, signature) = (signed.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap());
    match (key["kty"].as_str().unwrap(), key["alg"].as_str().unwrap()) {
        ("EC", "ES256") => {
            let point = [vec![4], member("x"), member("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, &signature).unwrap();
        }
        ("OKP", "EdDSA") => UnparsedPublicKey::new(&ED25519, member("x")).verify(signed, &signature).unwrap(),
        ("RSA", "RS256") => {
            let public = RsaPublicKeyComponents { n: member("n"), e: member("e") };
            public.verify(&RSA_PKCS1_2048_8192_SHA256, signed, &signature).unwrap();
        }
        other => panic!("{other:?}"),
    }
    for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
        assert!(key.get(private).is_none(), "{private} is published");
    }
    header["alg"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn from_one_algorithm_to_another_nothing_breaks_and_the_jwks_hold_all_that_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let world = world(&keys);
    let mut issued = vec![world.tokens().await];
    for signing in [NewSigningKey::Made(SigningAlgorithm::EdDsa), given(RSA), given(ED25519_PEM)] {
        world.rotate_to(&keys, &signing).await;
        let refreshed = world.refresh(&issued.last().unwrap().text("refresh_token")).await;
        assert_eq!(refreshed.status, 200, "refresh tokens do not care");
        issued.push(world.tokens().await);
    }
    let jwks = world.fetch("/jwks").await.json();
    for token in ["access_token", "id_token"] {
        let algorithms: Vec<_> = issued.iter().map(|answer| checked(&answer.text(token), &jwks)).collect();
        assert_eq!(algorithms, ["ES256", "EdDSA", "RS256", "EdDSA"]);
    }
    let metadata = world.fetch("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["ES256", "EdDSA", "RS256"]));
    world.pass(Duration::from_secs(48 * 3600));
    let metadata = world.fetch("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["EdDSA"]), "the others are over");
}

#[tokio::test]
async fn rfc8725_section_3_1_a_token_names_the_algorithm_of_its_key_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let world = world(&keys);
    for signing in [None, Some(NewSigningKey::Made(SigningAlgorithm::EdDsa)), Some(given(RSA))] {
        if let Some(signing) = signing {
            world.rotate_to(&keys, &signing).await;
        }
        let token = world.tokens().await.text("access_token");
        assert_eq!(world.userinfo(&token).await.status, 200);
        for other in ["ES256", "EdDSA", "RS256", "HS256", "none"] {
            let mut header = part(&token, 0);
            if header["alg"] == other {
                continue;
            }
            header["alg"] = json!(other);
            let altered = URL_SAFE_NO_PAD.encode(header.to_string());
            let altered = format!("{altered}.{}", token.split_once('.').unwrap().1);
            assert_eq!(world.userinfo(&altered).await.status, 401, "{other}");
        }
    }
}

#[tokio::test]
async fn without_a_word_the_next_key_is_like_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let config =
        Config { keys: KeySource::File(keys.clone()), signing_alg: SigningAlgorithm::EdDsa, ..Config::new(ISSUER) };
    let world = World::with(config, Arc::new(MemoryStore::new()));
    for _ in 0..2 {
        let token = world.tokens().await.text("access_token");
        assert_eq!(checked(&token, &world.fetch("/jwks").await.json()), "EdDSA");
        world.rotate_to(&keys, &NewSigningKey::Alike).await;
    }
}

#[tokio::test]
async fn what_cannot_be_made_or_used_changes_nothing_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let world = world(&keys);
    let before = std::fs::read(&keys).unwrap();
    let rotate = |signing: &NewSigningKey| rotate_keys(&keys, world.clock.now(), Duration::ZERO, false, signing);
    let rsa = NewSigningKey::Made(SigningAlgorithm::Rs256);
    assert!(matches!(rotate(&rsa), Err(KeysError::NoRsa)));
    let half = &RSA[..RSA.len() / 2];
    for wrong in [b"".as_slice(), b"nonsense", half, b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----"] {
        assert!(matches!(rotate(&given(wrong)), Err(KeysError::NotASigningKey)));
    }
    assert_eq!(std::fs::read(&keys).unwrap(), before);
    assert_eq!(format!("{:?}", given(RSA)), "Given(redacted)");
}
