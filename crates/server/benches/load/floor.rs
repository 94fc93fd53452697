//! The floor: the least an axum server can do with a refresh token. It hashes the token, swaps it in one map or by one script of
//! Redis, and signs a JWT. It checks no client, knows no retry, writes no log, keeps nothing on disk. What our own server costs
//! is told in units of this one, measured in the same run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use redis::aio::MultiplexedConnection;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;

use crate::{Failure, Grants, say_ready};

/// Swaps the hash of a secret if it is the one that is known.
const SWAP: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1";
/// Thirty days, in milliseconds.
const LIFE: u64 = 30 * 24 * 3600 * 1000;
const BROKEN: &str = "there is no randomness";
const ID: usize = 16;
const SECRET: usize = 24;

#[derive(clap::Args)]
pub(crate) struct Floor {
    /// `memory`, or the address of a Redis
    store: String,
    #[command(flatten)]
    grants: Grants,
}

#[derive(Clone)]
enum Kept {
    Memory(Arc<Mutex<HashMap<[u8; ID], [u8; 32]>>>),
    Redis(MultiplexedConnection, redis::Script),
}

#[derive(Clone)]
struct App {
    kept: Kept,
    key: Arc<EcdsaKeyPair>,
    random: SystemRandom,
}

#[derive(Deserialize)]
struct Asked {
    refresh_token: String,
}

#[derive(Serialize)]
struct Answer {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: String,
    scope: &'static str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    iat: u64,
    exp: u64,
    jti: String,
    scope: &'a str,
    gid: String,
}

impl Floor {
    pub(crate) fn run(self) -> Result<(), Failure> {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.serve())
    }

    async fn serve(self) -> Result<(), Failure> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(|_| BROKEN)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random);
        let key = Arc::new(key.map_err(|_| BROKEN)?);
        let kept = if self.store == "memory" {
            Kept::Memory(Arc::default())
        } else {
            let client = redis::Client::open(&*self.store)?;
            Kept::Redis(client.get_multiplexed_async_connection().await?, redis::Script::new(SWAP))
        };
        let app = App { kept, key, random };
        let mut tokens = Vec::new();
        let mut redis = redis::pipe();
        for n in 0..self.grants.grants {
            let (token, id, hash) = app.make_token(None)?;
            match &app.kept {
                Kept::Memory(map) => drop(map.lock().unwrap_or_else(PoisonError::into_inner).insert(id, hash)),
                Kept::Redis(connection, _) => {
                    redis.cmd("SET").arg(&id).arg(&hash).arg("PX").arg(LIFE).ignore();
                    if n % 1000 == 999 || n + 1 == self.grants.grants {
                        std::mem::take(&mut redis).exec_async(&mut connection.clone()).await?;
                    }
                }
            }
            if tokens.len() < self.grants.sample {
                tokens.push(token);
            }
        }
        self.grants.write_tokens(&tokens)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say_ready(listener.local_addr()?);
        Ok(axum::serve(listener, Router::new().route("/token", post(refresh)).with_state(app)).await?)
    }
}

async fn refresh(State(app): State<App>, Form(asked): Form<Asked>) -> Result<Json<Answer>, StatusCode> {
    let bytes = BASE64.decode(&asked.refresh_token).map_err(|_| StatusCode::BAD_REQUEST)?;
    let (id, _) = bytes.split_first_chunk::<ID>().ok_or(StatusCode::BAD_REQUEST)?;
    let before: [u8; 32] = Sha256::digest(&bytes).into();
    let (token, _, after) = app.make_token(Some(*id)).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    if !app.swap(id, &before, after).await? {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let access_token = app.access_token(id).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let scope = "openid profile offline_access";
    Ok(Json(Answer { access_token, token_type: "Bearer", expires_in: 900, refresh_token: token, scope }))
}

impl App {
    /// A token, its id, and the hash that is kept.
    fn make_token(&self, id: Option<[u8; ID]>) -> Result<(String, [u8; ID], [u8; 32]), Failure> {
        let mut bytes = [0; ID + SECRET];
        self.random.fill(&mut bytes).map_err(|_| BROKEN)?;
        if let Some(id) = id {
            bytes[..ID].copy_from_slice(&id);
        }
        let mut id = [0; ID];
        id.copy_from_slice(&bytes[..ID]);
        Ok((BASE64.encode(bytes), id, Sha256::digest(bytes).into()))
    }

    async fn swap(&self, id: &[u8; ID], before: &[u8; 32], after: [u8; 32]) -> Result<bool, StatusCode> {
        match &self.kept {
            Kept::Memory(map) => {
                let mut map = map.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(map.get_mut(id).filter(|known| *known == before).map(|known| *known = after).is_some())
            }
            Kept::Redis(connection, script) => {
                let mut call = script.key(id);
                let swapped = call.arg(before).arg(&after).arg(LIFE).invoke_async(&mut connection.clone()).await;
                swapped.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    fn access_token(&self, id: &[u8; ID]) -> Result<String, Failure> {
        let now = now();
        let mut jti = [0; 16];
        self.random.fill(&mut jti).map_err(|_| BROKEN)?;
        let claims = serde_json::to_vec(&Claims {
            iss: "http://127.0.0.1:4400",
            sub: "0123456789abcdef0123456789abcdef",
            aud: "http://127.0.0.1:4400",
            client_id: "desktop",
            iat: now,
            exp: now + 900,
            jti: BASE64.encode(jti),
            scope: "openid profile offline_access",
            gid: BASE64.encode(id),
        })?;
        let mut token =
            BASE64.encode(r#"{"typ":"at+jwt","alg":"ES256","kid":"0123456789abcdef0123456789abcdef0123456789a"}"#);
        token.push('.');
        BASE64.encode_string(claims, &mut token);
        let signature = self.key.sign(&self.random, token.as_bytes()).map_err(|_| BROKEN)?;
        token.push('.');
        BASE64.encode_string(signature, &mut token);
        Ok(token)
    }
}

#[expect(clippy::disallowed_methods, reason = "the floor has no clock to be handed")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
